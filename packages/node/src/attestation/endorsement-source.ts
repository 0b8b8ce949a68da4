/** Where endorsements come from: one interface, tried in order, with retries and a cache. */
import { type Clock, isCocoError } from "@coco/base";
import { type EndorsementRequest, requestToName } from "./endorsement-request.ts";
import { attestationErrors } from "./errors.ts";
import type { HttpAnswer, HttpExchange } from "./ports.ts";

export interface FoundEndorsements {
  /** SNP: PEM, the machine's certificate first. Intel: JSON bundle. */
  readonly endorsements: Uint8Array;
  /** SNP: the TCB version that they are for. */
  readonly endorsedTcb?: string;
  /** Until when they may be used again, in milliseconds since 1970. */
  readonly expiresMs: number;
}

export interface EndorsementSource {
  readonly name: string;
  /**
   * @returns undefined when the source never has endorsements of this kind
   * @throws {CocoError} EndorsementsUnfit, HttpFailed, DeviceFailed
   */
  find(request: EndorsementRequest): Promise<FoundEndorsements | undefined>;
}

/** Tries sources in order. @throws {CocoError} EndorsementsUnavailable, with what each one said */
export async function findInOrder(
  sources: readonly EndorsementSource[],
  request: EndorsementRequest,
  isFit: (found: FoundEndorsements) => boolean = () => true,
): Promise<FoundEndorsements> {
  const answers: string[] = [];
  for (const source of sources) {
    try {
      const found = await source.find(request);
      if (found !== undefined && isFit(found)) return found;
      answers.push(`${source.name}: ${found === undefined ? "none" : "they do not verify"}`);
    } catch (cause) {
      if (!isCocoError(cause)) throw cause;
      answers.push(`${source.name}: ${cause.message}`);
    }
  }
  const detail = `${requestToName(request)} (${answers.join("; ") || "no source"})`;
  throw attestationErrors.create("EndorsementsUnavailable", detail);
}

const entriesCountMax = 32;

/** Remembers answers until they expire; asks once for requests at the same time. */
export class CachedSource implements EndorsementSource {
  readonly name: string;
  readonly #source: EndorsementSource;
  readonly #clock: Clock;
  readonly #entries = new Map<string, FoundEndorsements>();
  readonly #pending = new Map<string, Promise<FoundEndorsements | undefined>>();

  constructor(source: EndorsementSource, clock: Clock) {
    this.name = source.name;
    this.#source = source;
    this.#clock = clock;
  }

  async find(request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    const name = requestToName(request);
    const known = this.#entries.get(name);
    if (known !== undefined && this.#clock.nowMs() < known.expiresMs) return known;
    this.#entries.delete(name);
    const pending = this.#pending.get(name) ?? this.#ask(name, request);
    return pending;
  }

  #ask(name: string, request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    const asked = this.#source.find(request).then((found) => {
      if (found !== undefined) this.#remember(name, found);
      return found;
    });
    const settled = asked.finally(() => this.#pending.delete(name));
    this.#pending.set(name, settled);
    return settled;
  }

  #remember(name: string, found: FoundEndorsements): void {
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= entriesCountMax && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(name, found);
  }
}

export interface RetryOptions {
  readonly attemptsMax: number;
  readonly delay: (timeMs: number) => Promise<void>;
}

const firstPauseMs = 250;
const pauseMsMax = 10_000;

function isWorthAnother({ status }: HttpAnswer): boolean {
  return status === 429 || status >= 500;
}

/** A server may ask for patience, but not for an unbounded one. */
function pauseBefore(attempt: number, answer: HttpAnswer | undefined): number {
  const asked = Number(answer?.headers.get("retry-after")) * 1000;
  const pauseMs = Number.isFinite(asked) && asked > 0 ? asked : firstPauseMs * 2 ** (attempt - 1);
  return Math.min(pauseMs, pauseMsMax);
}

/** Repeats an exchange that failed for a passing reason, after growing pauses. */
export function withRetries(http: HttpExchange, options: RetryOptions): HttpExchange {
  const { attemptsMax, delay } = options;
  return async (request) => {
    let answer: HttpAnswer | undefined;
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt >= attemptsMax;
      try {
        answer = await http(request);
        if (isLast || !isWorthAnother(answer)) return answer;
      } catch (cause) {
        if (isLast || !isCocoError(cause)) throw cause;
        answer = undefined;
      }
      await delay(pauseBefore(attempt, answer));
    }
  };
}

/** Asks and demands success. @throws {CocoError} HttpFailed */
export async function fetchBytes(
  http: HttpExchange,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  const answer = await http({ url, headers });
  if (answer.status === 200) return answer;
  const shown = url.replace(/\?.*$/, "");
  throw attestationErrors.create("HttpFailed", `${shown} (status ${answer.status})`, {
    url: shown,
    status: answer.status,
  });
}

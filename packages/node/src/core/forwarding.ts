/**
 * What of a backup's requests belongs to the primary: sent there over the channel between the
 * nodes, held while no primary is known, or answered with a redirect, as the interface is
 * configured.
 */
import { type AppResponse, type Endpoint, rpcErrorResponse, type Session } from "@coco/runtime";
import { RequestBatchWriter, type RequestView, readResponseBatch } from "../wire.ts";
import { frameKind, type PeerChannels } from "./peer-channels.ts";

/** How an RPC interface treats what the primary has to answer. */
export interface ForwardingRules {
  /** Longest time that a request waits for the primary. */
  readonly timeoutMs: number;
  /** Answer 307 instead of forwarding. */
  readonly redirectsToPrimary: boolean;
  /** `host:port` to which clients are redirected; undefined: where the primary's interface is. */
  readonly redirectAddress?: string;
}

export interface ForwardingOptions<Front> {
  readonly channels: PeerChannels;
  readonly rulesOf: (interfaceName: string) => ForwardingRules;
  readonly primaryId: () => string | undefined;
  /** Of the interface of that name, or of the first one. */
  readonly addressOf: (nodeId: string, interfaceName: string) => string | undefined;
  readonly respond: (front: Front, request: RequestView, response: AppResponse) => void;
  /** A whole HTTP/1.1 response of the primary. */
  readonly relay: (front: Front, request: RequestView, response: RelayedResponse) => void;
  /** Has answers sent that were made outside of a batch. */
  readonly post: () => void;
  readonly nowMs: () => number;
}

export interface RelayedResponse {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly status: number;
}

interface Waiting<Front> {
  readonly front: Front;
  readonly request: RequestView;
  readonly deadlineMs: number;
  /** Where it was sent; undefined while there is no primary. */
  sentTo: string | undefined;
}

const checkMs = 20;
const waitingCountMax = 10_000;

export class Forwarding<Front> {
  readonly #options: ForwardingOptions<Front>;
  readonly #waiting = new Map<number, Waiting<Front>>();
  readonly #writer = new RequestBatchWriter();
  /** A session that has written through this node reads at the primary too. */
  readonly #stickySessions = new WeakSet<Session>();
  #lastId = 0;
  #heldCount = 0;
  readonly #timer: NodeJS.Timeout;
  /** Figures for metrics. */
  readonly stats = { forwardedCount: 0, redirectedCount: 0, failedCount: 0 };

  constructor(options: ForwardingOptions<Front>) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), checkMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether this backup leaves the request to the primary. */
  isForPrimary(endpoint: Endpoint, request: RequestView): boolean {
    if (endpoint.forwardingRequired === "never") return false;
    if (endpoint.mode === "readwrite" || endpoint.forwardingRequired === "always") return true;
    return this.#stickySessions.has(request.session);
  }

  /** Sends on, or answers. */
  take(front: Front, request: RequestView, endpoint: Endpoint): void {
    const { rulesOf, respond, nowMs } = this.#options;
    const rules = rulesOf(request.session.interfaceName);
    if (rules.redirectsToPrimary && endpoint.redirectionStrategy !== "none") {
      this.#redirect(front, request, rules);
      return;
    }
    if (this.#waiting.size >= waitingCountMax) {
      respond(front, request, noPrimary("Too many requests wait for the primary."));
      return;
    }
    this.#stickySessions.add(request.session);
    this.#lastId = (this.#lastId + 1) >>> 0;
    const deadlineMs = nowMs() + rules.timeoutMs;
    const waiting = { front, request, deadlineMs, sentTo: undefined };
    this.#waiting.set(this.#lastId, waiting);
    this.#heldCount++;
    this.#send(this.#lastId, waiting);
  }

  #redirect(front: Front, request: RequestView, rules: ForwardingRules): void {
    const { primaryId, addressOf, respond } = this.#options;
    const nodeId = primaryId();
    const address =
      rules.redirectAddress ??
      (nodeId === undefined ? undefined : addressOf(nodeId, request.session.interfaceName));
    if (address === undefined) {
      respond(front, request, noPrimary("The service has no primary now."));
      return;
    }
    this.stats.redirectedCount++;
    const location = `https://${address}${request.url}`;
    respond(front, request, { status: 307, headers: { location }, body: "" });
  }

  #send(id: number, waiting: Waiting<Front>): void {
    const { primaryId, channels } = this.#options;
    const nodeId = primaryId();
    if (nodeId === undefined) return;
    const { request } = waiting;
    const { interfaceName, certificate } = request.session;
    this.#writer.openSession(id, interfaceName, certificate?.der);
    request.copyTo(this.#writer, id, 0);
    this.#writer.closeSession(id);
    const batch = this.#writer.take();
    if (batch === undefined) return;
    if (!channels.send(nodeId, frameKind.requests, [new Uint8Array(batch)])) return;
    waiting.sentTo = nodeId;
    this.#heldCount--;
    this.stats.forwardedCount++;
  }

  /** Answers of the primary. */
  takeResponses(from: string, content: Buffer): void {
    // Batches are read as words, so they begin at a multiple of 4.
    const batch = new Uint8Array(content).buffer;
    readResponseBatch(batch, (id, _, bytes, start, end, __, status) => {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined || waiting.sentTo !== from) return;
      this.#waiting.delete(id);
      const { front, request } = waiting;
      this.#options.relay(front, request, { bytes, start, end, status });
    });
    this.#options.post();
  }

  /** The other node is not primary and has not executed them. */
  takeReturned(from: string, content: Buffer): void {
    for (let offset = 0; offset + 4 <= content.length; offset += 4) {
      const waiting = this.#waiting.get(content.readUInt32BE(offset));
      if (waiting === undefined || waiting.sentTo !== from) continue;
      waiting.sentTo = undefined;
      this.#heldCount++;
    }
  }

  /** Whether a request that was sent to this node was executed is not known. */
  lost(nodeId: string): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.sentTo !== nodeId) continue;
      this.#fail(
        id,
        waiting,
        "The primary went away. Whether the request was executed is not known.",
      );
    }
    this.#options.post();
  }

  #check(): void {
    if (this.#waiting.size === 0) return;
    const nowMs = this.#options.nowMs();
    for (const [id, waiting] of this.#waiting) {
      if (waiting.deadlineMs <= nowMs) {
        const message =
          waiting.sentTo === undefined
            ? "The service has no primary now. The request was not executed."
            : "The primary did not answer in time. Whether it executed the request is not known.";
        this.#fail(id, waiting, message);
      } else if (waiting.sentTo === undefined && this.#heldCount > 0) this.#send(id, waiting);
    }
    this.#options.post();
  }

  #fail(id: number, waiting: Waiting<Front>, message: string): void {
    this.#waiting.delete(id);
    if (waiting.sentTo === undefined) this.#heldCount--;
    this.stats.failedCount++;
    this.#options.respond(waiting.front, waiting.request, noPrimary(message));
  }
}

function noPrimary(message: string): AppResponse {
  const response = rpcErrorResponse(503, "PrimaryNotFound", message);
  return { ...response, headers: { ...response.headers, "retry-after": "1" } };
}

/**
 * Past transactions on request. A caller asks again and again under the same handle: the first
 * time the reading begins, later the states are there. What nobody has asked for since its expiry
 * goes; what does not fit into memory goes, oldest request first.
 */
import { assert, isCocoError, type Log } from "@coco/base";
import type { HistoricalAccess, TxId } from "@coco/runtime";
import type { ConsensusPort, ReceiptFields, ReceiptPort, ReceiptSearch } from "../api/ports.ts";
import {
  CommittedTransaction,
  type DecodedEntry,
  decodeCommittedEntry,
  type EntryDecoder,
} from "./committed-entry.ts";
import { historicalErrors } from "./errors.ts";
import { IndexService } from "./index-service.ts";
import { createCommittedSource } from "./indexing.ts";
import type { EntryPlace, LedgerEntries } from "./ledger-entries.ts";

export interface HistoricalCacheOptions {
  readonly decoder: EntryDecoder;
  readonly entries: LedgerEntries;
  readonly consensus: Pick<ConsensusPort, "lastCommitted">;
  readonly nowMs: () => number;
  /** Default 512 MB. */
  readonly softLimitBytes?: number;
  readonly log: Log;
  /** Called when a reading has ended, well or not: a waiting response can be tried again. */
  readonly onFetched?: () => void;
}

/** Expiry of requests that name none. */
const defaultExpirySeconds = 1800;
const defaultSoftLimitBytes = 512 * 1024 * 1024;
const rangeCountMax = 100_000;

interface HistoricalRequest {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  expiresAtMs: number;
  readonly expiryMs: number;
  states: readonly CommittedTransaction[] | undefined;
  sizeBytes: number;
  error: Error | undefined;
}

export class HistoricalCache implements HistoricalAccess, ReceiptPort {
  readonly #options: HistoricalCacheOptions;
  /** By handle, least recently asked first. */
  readonly #requests = new Map<string, HistoricalRequest>();
  #sizeBytes = 0;

  /** Indexes over what the cache reads. */
  readonly indexes: IndexService;

  constructor(options: HistoricalCacheOptions) {
    this.#options = options;
    this.indexes = new IndexService({
      source: createCommittedSource(this),
      committedSeqno: () => options.consensus.lastCommitted().seqno,
      log: options.log,
    });
  }

  /** Figures for metrics. */
  get stats(): { readonly requestCount: number; readonly sizeBytes: number } {
    return { requestCount: this.#requests.size, sizeBytes: this.#sizeBytes };
  }

  /**
   * @returns undefined while the states are being read, or while one of them is not committed
   * @throws {CocoError} BadRange, RangeTooLarge; once: LedgerEntryMissing, LedgerEntryWrong
   */
  range(
    handle: number,
    first: number,
    last: number,
    expirySeconds: number,
  ): readonly CommittedTransaction[] | undefined {
    checkRange(first, last);
    return this.#ask(`range ${handle}`, first, last, expirySeconds);
  }

  drop(handle: number): void {
    this.#forget(`range ${handle}`);
  }

  seqnosOf(
    table: string,
    key: Uint8Array,
    first: number,
    last: number,
    countMax: number,
  ): readonly number[] | undefined {
    return this.indexes.seqnosOf(table, key, first, last, countMax);
  }

  /** The state of one committed transaction; as `range`. */
  state(txId: TxId): CommittedTransaction | undefined {
    const { seqno } = txId;
    return this.#ask(`state ${seqno}`, seqno, seqno, defaultExpirySeconds)?.[0];
  }

  find(txId: TxId): ReceiptSearch {
    try {
      const state = this.state(txId);
      if (state === undefined) return { kind: "fetching" };
      return { kind: "found", receipt: state.jsonReceipt as unknown as ReceiptFields };
    } catch (error) {
      if (!isCocoError(error)) throw error;
      return { kind: "failed", reason: error.message };
    }
  }

  /** To be called now and then: forgets what has expired. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    for (const [name, request] of this.#requests) {
      if (request.expiresAtMs <= nowMs) this.#forget(name);
    }
  }

  #ask(
    name: string,
    first: number,
    last: number,
    expirySeconds: number,
  ): readonly CommittedTransaction[] | undefined {
    if (last > this.#options.consensus.lastCommitted().seqno) return undefined;
    const nowMs = this.#options.nowMs();
    const known = this.#requests.get(name);
    if (known !== undefined && known.first === first && known.last === last) {
      this.#requests.delete(name);
      if (known.error !== undefined) {
        this.#sizeBytes -= known.sizeBytes;
        throw known.error;
      }
      // To the end of the order: asked last, dropped last.
      this.#requests.set(name, known);
      known.expiresAtMs = nowMs + known.expiryMs;
      return known.states;
    }
    this.#forget(name);
    const expiryMs = expirySeconds * 1000;
    const expiresAtMs = nowMs + expiryMs;
    const request = { name, first, last, expiresAtMs, expiryMs, sizeBytes: 0 };
    const opened: HistoricalRequest = { ...request, states: undefined, error: undefined };
    this.#requests.set(name, opened);
    try {
      this.#begin(opened);
    } catch (error) {
      this.#forget(name);
      throw error;
    }
    return opened.states;
  }

  #forget(name: string): void {
    const request = this.#requests.get(name);
    if (request === undefined) return;
    this.#requests.delete(name);
    this.#sizeBytes -= request.sizeBytes;
  }

  /** At once when all entries are in memory; else in the background. */
  #begin(request: HistoricalRequest): void {
    const run = new Run(request.first, request.last, this.#limitBytes, this.#options.decoder);
    const { entries } = this.#options;
    const recent = entries.visitRecent(request.first, (place) => run.visit(place));
    if (recent.isDone) {
      this.#finish(request, run.states());
      return;
    }
    entries
      .visit(recent.next, (place) => run.visit(place))
      .then(
        () => this.#finish(request, run.states()),
        (error: Error) => {
          request.error = error;
        },
      )
      .finally(() => {
        this.indexes.wake();
        this.#options.onFetched?.();
      });
  }

  get #limitBytes(): number {
    return this.#options.softLimitBytes ?? defaultSoftLimitBytes;
  }

  #finish(request: HistoricalRequest, states: readonly CommittedTransaction[]): void {
    request.states = states;
    if (this.#requests.get(request.name) !== request) return;
    for (const state of states) request.sizeBytes += state.sizeBytes;
    this.#sizeBytes += request.sizeBytes;
    for (const [name, other] of this.#requests) {
      if (this.#sizeBytes <= this.#limitBytes) break;
      if (other !== request && other.states !== undefined) this.#forget(name);
    }
  }
}

function checkRange(first: number, last: number): void {
  const isRange = Number.isSafeInteger(first) && Number.isSafeInteger(last);
  if (!isRange || first < 1 || last < first) {
    throw historicalErrors.create("BadRange", `${first} to ${last}`);
  }
  if (last - first >= rangeCountMax) {
    throw historicalErrors.create("RangeTooLarge", `${last - first + 1} transactions`);
  }
}

/** Collects a range and goes on to the signature that covers its end. */
class Run {
  readonly #last: number;
  readonly #limitBytes: number;
  readonly #decoder: EntryDecoder;
  /** Decoded, and not covered by a signature yet. */
  #uncovered: DecodedEntry[] = [];
  readonly #covered: CommittedTransaction[] = [];
  #sizeBytes = 0;
  #next: number;

  constructor(first: number, last: number, limitBytes: number, decoder: EntryDecoder) {
    this.#next = first;
    this.#last = last;
    this.#limitBytes = limitBytes;
    this.#decoder = decoder;
  }

  /** @returns false when everything is there */
  visit(place: EntryPlace): boolean {
    assert(place.seqno === this.#next++, "entries come in order");
    const decoded = decodeCommittedEntry(this.#decoder, place);
    if (place.seqno <= this.#last) {
      this.#uncovered.push(decoded);
      this.#sizeBytes += place.bytes.length * 2;
      if (this.#sizeBytes > this.#limitBytes) {
        const detail = `more than ${this.#limitBytes} bytes`;
        throw historicalErrors.create("RangeTooLarge", detail);
      }
    }
    const { signature } = decoded;
    if (signature === undefined) return true;
    const { length } = this.#uncovered;
    for (const entry of this.#uncovered) {
      this.#covered.push(new CommittedTransaction(this.#decoder, entry, signature, length));
    }
    this.#uncovered = [];
    return place.seqno < this.#last;
  }

  states(): readonly CommittedTransaction[] {
    assert(this.#uncovered.length === 0, "a signature covers every state");
    return this.#covered;
  }
}

/**
 * Carries out what the consensus engine asks for, and gives it what comes from other nodes. It owns
 * the order of effects; the ledger, the store and the network are reached through ports.
 */
import { assert, isCocoError, type Log } from "@coco/base";
import type { Batch, Effects, Engine, Mark, RoleChange, Vote } from "@coco/consensus";
import {
  decodeLedgerEntry,
  decodeWriteSet,
  findMap,
  isSignatureWriteSet,
  type LedgerEntry,
  ledgerTable,
  type WriteSet,
} from "@coco/store";
import { type EntrySupply, entrySize } from "./entry-supply.ts";
import { nodeErrors } from "./errors.ts";
import { followRows, type Membership, type NodeRow } from "./membership.ts";

/** An entry from another node, decoded as far as it is public. */
export interface ReceivedEntry {
  readonly entry: LedgerEntry;
  readonly publicPart: WriteSet;
  readonly isSignature: boolean;
}

/** The ledger and the store, as one. */
export interface DrivenLedger {
  /** Last executed transaction, in the ledger or not. */
  readonly lastSeqno: number;
  rollback(seqno: number): void;
  /** Verifies, applies and writes. @throws {CocoError} LedgerNotOurs and of the ledger formats */
  appendReceived(entries: readonly ReceivedEntry[]): void;
  committed(seqno: number): void;
  /** Becoming primary: what was received goes to the disk, and a signature begins. */
  beginTerm(): void;
}

export interface ConsensusDriverOptions {
  readonly engine: Engine;
  readonly membership: Membership;
  readonly supply: EntrySupply;
  readonly ledger: () => DrivenLedger;
  readonly send: (to: string, message: Uint8Array, entries: readonly Uint8Array[]) => void;
  /** Keeps a vote for whoever comes after this executor. */
  readonly saveVote: (vote: Vote) => void;
  readonly onRoleChange: (change: RoleChange) => void;
  /** The retirement of these nodes is committed: say so in the ledger. */
  readonly onRetired: (nodes: readonly string[]) => void;
  readonly onError: (error: unknown) => void;
  readonly log: Log;
  readonly nowMs: () => number;
}

/** Milliseconds of one tick. */
export const tickMs = 10;
/** After a long pause messages that wait come first, then the rest of the time. */
const ticksPerTurnMax = 10;

export class ConsensusDriver {
  readonly #options: ConsensusDriverOptions;
  #received: readonly ReceivedEntry[] = [];
  #isCarrying = false;
  #wasPrimary = false;
  #lastTickMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** Figures for metrics. */
  readonly stats = { sentCount: 0, droppedCount: 0, receivedCount: 0, refusedCount: 0 };

  constructor(options: ConsensusDriverOptions) {
    this.#options = options;
    this.#lastTickMs = options.nowMs();
  }

  start(): void {
    this.#timer = setInterval(() => this.#guard(() => this.#tick()), tickMs);
    this.carryOut();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { engine, nowMs } = this.#options;
    const elapsed = Math.floor((nowMs() - this.#lastTickMs) / tickMs);
    this.#lastTickMs += elapsed * tickMs;
    for (let count = Math.min(elapsed, ticksPerTurnMax); count > 0; count--) engine.tick();
    this.carryOut();
  }

  /** A message of another node, over an authenticated channel. */
  receive(from: string, message: Uint8Array, entries: Uint8Array): void {
    this.#guard(() => {
      const { engine, log } = this.#options;
      this.stats.receivedCount++;
      try {
        const received = readEntries(entries);
        const batch = received.length === 0 ? undefined : this.#toBatch(received, entries.length);
        this.#received = received;
        engine.step(from, message, batch);
      } catch (error) {
        if (!isCocoError(error)) throw error;
        this.stats.refusedCount++;
        this.#received = [];
        log("warn", "message of another node refused", { from, error: error.message });
      }
      this.carryOut();
      this.#received = [];
    });
  }

  /** Until the engine wants nothing more. */
  carryOut(): void {
    // An effect can lead back here; the outer call takes what the inner one would have.
    if (this.#isCarrying) return;
    this.#isCarrying = true;
    try {
      for (;;) {
        const effects = this.#options.engine.drain();
        if (!this.#perform(effects)) return;
      }
    } finally {
      this.#isCarrying = false;
    }
  }

  /** @returns whether there was anything to do */
  #perform(effects: Effects): boolean {
    const { engine, supply, onRoleChange, saveVote, onRetired } = this.#options;
    const { rolledBackTo, append, persistVote, committed, send, roleChange } = effects;
    const ledger = this.#options.ledger();
    const hasLostTerm = this.#wasPrimary && roleChange !== undefined;
    if (rolledBackTo !== undefined || hasLostTerm) {
      // What a former primary has executed, but not proposed, goes too.
      const kept = append === undefined ? engine.seqno : append.firstSeqno - 1;
      if (ledger.lastSeqno > kept) ledger.rollback(kept);
    }
    if (roleChange !== undefined) this.#wasPrimary = roleChange.role === "primary";
    if (append !== undefined) this.#append(append.firstSeqno, append.lastSeqno);
    if (persistVote !== undefined) {
      saveVote(persistVote);
      engine.votePersisted(persistVote.view);
    }
    if (committed !== undefined) ledger.committed(committed);
    for (const { to, message, entries } of send) {
      const bytes = entries === undefined ? [] : supply.read(entries.firstSeqno, entries.lastSeqno);
      // The engine offers again what was lost on the way.
      if (bytes === undefined) this.stats.droppedCount++;
      else this.#options.send(to, message, bytes);
      this.stats.sentCount++;
    }
    if (roleChange !== undefined) onRoleChange(roleChange);
    if (effects.isSignatureWanted === true) ledger.beginTerm();
    if (effects.retiredNodes !== undefined) onRetired(effects.retiredNodes);
    return (
      rolledBackTo !== undefined ||
      append !== undefined ||
      persistVote !== undefined ||
      committed !== undefined ||
      send.length > 0 ||
      roleChange !== undefined ||
      effects.isSignatureWanted === true ||
      effects.retiredNodes !== undefined
    );
  }

  #append(firstSeqno: number, lastSeqno: number): void {
    const first = this.#received[0]?.entry.txId.seqno;
    assert(first !== undefined && first <= firstSeqno, "the entries to append have come");
    const entries = this.#received.slice(firstSeqno - first, lastSeqno - first + 1);
    assert(entries.length === lastSeqno - firstSeqno + 1, "all entries to append have come");
    this.#options.ledger().appendReceived(entries);
  }

  /** What the engine has to know: marks follow from the nodes before the first entry. */
  #toBatch(received: readonly ReceivedEntry[], sizeBytes: number): Batch {
    const { view, seqno: firstSeqno } = received[0]!.entry.txId;
    const marks: Mark[] = [];
    let nodes = this.#options.membership.at(firstSeqno - 1);
    for (const [index, { entry, publicPart, isSignature }] of received.entries()) {
      const { txId } = entry;
      if (txId.view !== view || txId.seqno !== firstSeqno + index) {
        throw nodeErrors.create("PeerMisbehaved", "its entries do not follow each other");
      }
      if (isSignature) marks.push({ kind: "signature", seqno: txId.seqno });
      const rows = writeSetToNodeRows(publicPart);
      if (rows === undefined) continue;
      const followed = followRows(nodes, txId.seqno, rows);
      nodes = followed.nodes;
      marks.push(...followed.marks);
    }
    return { view, firstSeqno, lastSeqno: firstSeqno + received.length - 1, marks, sizeBytes };
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.stop();
      this.#options.onError(error);
    }
  }
}

/** Changes of the table of nodes; undefined when there are none. */
function writeSetToNodeRows(publicPart: WriteSet): NodeRow[] | undefined {
  const changes = findMap(publicPart, ledgerTable.nodes);
  if (changes === undefined) return undefined;
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
  return [
    ...changes.writes.map(([id, json]): NodeRow => [text(id), text(json)]),
    ...changes.removes.map((id): NodeRow => [text(id), undefined]),
  ];
}

/** Splits the bytes of consecutive entries. @throws {CocoError} PeerMisbehaved, BadEntry */
function readEntries(bytes: Uint8Array): ReceivedEntry[] {
  const received: ReceivedEntry[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const sizeBytes = offset + 8 <= bytes.length ? entrySize(bytes, offset) : Infinity;
    if (offset + sizeBytes > bytes.length) {
      throw nodeErrors.create("PeerMisbehaved", "its last entry is cut off");
    }
    const entry = decodeLedgerEntry(bytes.subarray(offset, offset + sizeBytes));
    const publicPart = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
    received.push({ entry, publicPart, isSignature: isSignatureWriteSet(publicPart) });
    offset += sizeBytes;
  }
  return received;
}

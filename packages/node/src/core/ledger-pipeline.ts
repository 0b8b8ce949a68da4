/**
 * From executed transactions to committed ones: encodes and encrypts them in batches, writes them
 * to disk, signs the Merkle root beside the executor, and hears from the consensus engine what is
 * committed. One object owns the order of the ledger.
 */
import { assert, type Crypto } from "@coco/base";
import type { SigningKey } from "@coco/base/node";
import type { Engine, Mark } from "@coco/consensus";
import {
  type AppendedTransaction,
  type Changes,
  type CoseIssuer,
  changesToWriteSet,
  finishSignature,
  type LedgerWriter,
  ledgerTable,
  type PreparedSignature,
  prepareSignature,
  type Store,
  writeSetToChanges,
} from "@coco/store";
import type { DrivenLedger, ReceivedEntry } from "./consensus-driver.ts";
import type { EntrySupply } from "./entry-supply.ts";
import type { LedgerDisk } from "./ledger-disk.ts";
import type { Membership, NodeRow } from "./membership.ts";

export interface ExecutedTransaction {
  readonly view: number;
  readonly seqno: number;
  readonly changes: Changes;
  readonly claimsDigest: Uint8Array | undefined;
}

/** Who signs, as of now: the node's certificate can be renewed by vote. */
interface LedgerSigner {
  readonly nodeKey: SigningKey;
  readonly serviceKey: SigningKey;
  readonly nodeId: string;
  readonly nodeCertificate: () => string;
  readonly coseIssuer: CoseIssuer;
}

/** The node's signature over the root before transaction `seqno`. */
export interface SignedRoot {
  readonly seqno: number;
  readonly nodeId: string;
  /** PEM. */
  readonly certificate: string;
  /** DER. */
  readonly signature: Uint8Array;
}

export interface LedgerPipelineOptions {
  readonly crypto: Crypto;
  readonly store: Store;
  readonly engine: Engine;
  readonly writer: LedgerWriter;
  readonly disk: LedgerDisk;
  readonly membership: Membership;
  readonly supply: EntrySupply;
  /** Verifies an entry from the primary, whose seqno is the next of the ledger. */
  readonly verify: (entry: ReceivedEntry) => Changes;
  /** Has the engine's wishes carried out. */
  readonly carryOut: () => void;
  readonly onRolledBack: (seqno: number) => void;
  readonly signer: LedgerSigner;
  /** Signatures begin at least this far apart, unless `signatureCountMax` is reached. */
  readonly signatureDelayMs: number;
  /** Unsigned transactions after which a signature begins at once. */
  readonly signatureCountMax: number;
  readonly nowMs: () => number;
  /** Share of the time since the last call in which this thread was busy: 0 to 1. */
  readonly utilisation: () => number;
  /** In ledger order, with what a receipt needs; called when the entry is in the ledger. */
  readonly onAppended: (transaction: AppendedTransaction, changes: Changes) => void;
  /** A signature transaction was appended; with it receipts of those before it can be made. */
  readonly onSigned: (signed: SignedRoot) => void;
  /** A seqno was just reserved for a signature. */
  readonly onSignatureBegun: (seqno: number) => void;
  readonly onCommitted: (seqno: number) => void;
  /** After a signature, the tree covers everything executed: work that needs that can be done. */
  readonly onSettled: () => void;
  readonly onError: (error: unknown) => void;
}

/** Executed transactions behind a signature that is being made, at most. */
const waitingCountMax = 20_000;
/** Bytes that wait for a busy disk before a write is queued behind the one that runs. */
const gatheredBytesMax = 1024 * 1024;
/**
 * A pair of signatures costs about 3.5 ms of processor time. While there is time to spare, one
 * begins as soon as the configured delay and the duration of the last one have passed: that
 * keeps commits fast. When the executor has hardly a pause left, its time is worth more: signatures
 * then take at most about a tenth of it.
 */
const rest = { durations: 1, durationsWhenBusy: 10, delaysWhenBusy: 5 } as const;
/** Share of its time that the executor is busy, above which it counts as busy. */
const busyShare = 0.9;

export class LedgerPipeline implements DrivenLedger {
  readonly #options: LedgerPipelineOptions;
  #waiting: ExecutedTransaction[] = [];
  #isSigning = false;
  /** Of signatures: those that were begun before a rollback are dropped. */
  #generation = 0;
  #unsignedCount = 0;
  #lastSignatureStartMs = Number.NEGATIVE_INFINITY;
  /** From the begin of one signature to the begin of the next. */
  #restMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #marks: Mark[] = [];
  /** A received signature waits to be written. */
  #hasReceivedSignature = false;
  #isSignatureWanted = false;
  /** Figures for metrics. */
  readonly stats = { signatureCount: 0, signatureMs: 0, batchCount: 0, appendedCount: 0 };

  constructor(options: LedgerPipelineOptions) {
    this.#options = options;
  }

  get lastSeqno(): number {
    return this.#options.store.seqno;
  }

  /** Transactions that are executed but not committed. */
  get uncommittedCount(): number {
    return this.#options.store.seqno - this.#options.engine.committed().seqno;
  }

  get isOverloaded(): boolean {
    return this.#waiting.length >= waitingCountMax || this.#options.disk.isOverloaded;
  }

  /** Takes a transaction just executed. Nothing happens to it before `flush`. */
  push(transaction: ExecutedTransaction): void {
    this.#waiting.push(transaction);
  }

  /** Makes the next flush sign, even when nothing else is there to be signed: a view begins so. */
  requestSignature(): void {
    this.#isSignatureWanted = true;
  }

  /**
   * Brings the Merkle tree up to the last executed transaction, when no signature is being made.
   * @returns whether the tree now covers everything
   */
  settle(): boolean {
    if (this.#isSigning) return false;
    this.#append();
    return true;
  }

  /** At the end of each batch of requests: whatever can go to the ledger goes. */
  flush(): void {
    if (this.#isSigning || this.#isStopped) return;
    this.#append();
    this.#write();
    if (this.#options.engine.role === "primary") this.#maybeSign();
  }

  #append(): void {
    const { writer, onAppended } = this.#options;
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const { view, seqno, changes, claimsDigest } of waiting) {
      const writeSet = changesToWriteSet(changes);
      const rows = changesToNodeRows(changes);
      if (rows !== undefined) this.#marks.push(...this.#options.membership.apply(seqno, rows));
      const appended = writer.append({ view, seqno, writeSet, claimsDigest });
      onAppended(appended, changes);
    }
    this.#unsignedCount += waiting.length;
    this.stats.appendedCount += waiting.length;
  }

  /** While the disk is busy, what is appended gathers: the next write takes all of it. */
  #write(isForced = false): void {
    const { writer, disk, engine, supply, carryOut } = this.#options;
    if (disk.isBusy && !isForced && writer.pendingBytes < gatheredBytesMax) return;
    const sizeBytes = writer.pendingBytes;
    const batch = writer.takeBatch();
    if (batch === undefined) return;
    this.stats.batchCount++;
    supply.add(batch);
    const marks = this.#marks;
    const hasSignature = marks.length > 0 || this.#hasReceivedSignature;
    this.#hasReceivedSignature = false;
    const { startSeqno: firstSeqno, endSeqno: lastSeqno } = batch;
    // What was received is known to the engine already.
    const isOwn = lastSeqno > engine.seqno;
    if (isOwn && engine.role === "primary") {
      this.#marks = [];
      engine.propose({ view: engine.view, firstSeqno, lastSeqno, marks, sizeBytes });
    }
    disk.pushBatch(batch, hasSignature);
    carryOut();
  }

  /** Entries of the primary, which the engine has taken. */
  appendReceived(entries: readonly ReceivedEntry[]): void {
    const { store, writer, membership, verify, onAppended } = this.#options;
    for (const received of entries) {
      const changes = verify(received);
      const { entry, isSignature } = received;
      const appended = writer.appendEncoded(entry.bytes);
      const seqno = store.apply(changes);
      assert(seqno === appended.txId.seqno, "store and ledger go together");
      const rows = changesToNodeRows(changes);
      if (rows !== undefined) membership.apply(seqno, rows);
      this.#hasReceivedSignature ||= isSignature;
      onAppended(appended, changes);
    }
    this.stats.appendedCount += entries.length;
    this.#write();
  }

  /** The engine has given up what follows `seqno`, and so does everything else. */
  rollback(seqno: number): void {
    const { store, writer, disk, membership, supply, onRolledBack } = this.#options;
    this.#generation++;
    this.#isSigning = false;
    this.#waiting = [];
    this.#unsignedCount = 0;
    this.#marks = [];
    store.rollback(seqno);
    if (writer.lastTxId.seqno > seqno) {
      // Files are cut where their layout says, so what is pending is written first.
      const pending = writer.takeBatch();
      if (pending !== undefined) disk.pushBatch(pending, false);
      disk.pushRollback(writer.truncate(seqno), seqno);
    }
    membership.rollback(seqno);
    supply.rollback(seqno);
    onRolledBack(seqno);
  }

  /** This node has become primary. */
  beginTerm(): void {
    this.#write(true);
    this.requestSignature();
    // Not from here: the engine's other wishes come first.
    setImmediate(() => this.flush());
  }

  committed(seqno: number): void {
    const { store, writer, disk, membership, onCommitted } = this.#options;
    // Receipts are made here, while the tree still has the leaves.
    onCommitted(seqno);
    store.compact(seqno);
    membership.compact(seqno);
    disk.pushChanges(writer.commit(seqno));
  }

  /** Begins a signature when one is due, or asks to be called when it will be. */
  #maybeSign(): void {
    if (this.#isSignatureWanted) this.#beginSignature();
    if (this.#unsignedCount === 0 || this.#timer !== undefined || this.#isSigning) return;
    const { signatureCountMax, nowMs } = this.#options;
    const waitMs = this.#lastSignatureStartMs + this.#restMs - nowMs();
    if (waitMs <= 0 || this.#unsignedCount >= signatureCountMax) {
      this.#beginSignature();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, waitMs);
  }

  #beginSignature(): void {
    const { crypto, store, engine, writer, signer, nowMs } = this.#options;
    const startMs = nowMs();
    this.#lastSignatureStartMs = startMs;
    this.#isSigning = true;
    const generation = this.#generation;
    this.#isSignatureWanted = false;
    this.#unsignedCount = 0;
    const seqno = store.reserve();
    assert(seqno === writer.lastTxId.seqno + 1, "a signature follows all that was executed");
    this.#options.onSignatureBegun(seqno);
    const { nodeKey, serviceKey } = signer;
    const prepared = prepareSignature({
      hash: crypto,
      tree: writer.tree,
      txId: { view: engine.view, seqno },
      nodeId: signer.nodeId,
      nodeCertificate: signer.nodeCertificate(),
      servicePublicKey: serviceKey.publicKey,
      serviceAlgorithm: serviceKey.algorithm,
      coseIssuer: signer.coseIssuer,
      issuedAtSeconds: Math.floor(Date.now() / 1000),
      treeFrom: engine.committed().seqno,
    });
    Promise.all([
      nodeKey.signSha256DerAsync(prepared.preimage),
      serviceKey.signAsync(prepared.coseToBeSigned),
    ])
      .then(([nodeSignature, coseSignature]) => {
        if (generation !== this.#generation) return;
        const writeSet = finishSignature(prepared, nodeSignature, coseSignature);
        this.#finishSignature(prepared, nodeSignature, writeSetToChanges(writeSet), startMs);
      })
      .catch(this.#options.onError);
  }

  #restAfter(durationMs: number): number {
    const { signatureDelayMs, utilisation } = this.#options;
    if (utilisation() < busyShare) return Math.max(signatureDelayMs, rest.durations * durationMs);
    const busyDelayMs = rest.delaysWhenBusy * signatureDelayMs;
    return Math.max(busyDelayMs, rest.durationsWhenBusy * durationMs);
  }

  #finishSignature(
    { txId, nodeId, nodeCertificate }: PreparedSignature,
    signature: Uint8Array,
    changes: Changes,
    startMs: number,
  ): void {
    if (this.#isStopped) return;
    const { store, writer, onAppended, onSigned, nowMs } = this.#options;
    const appended = writer.append({
      ...txId,
      writeSet: changesToWriteSet(changes),
      isSignature: true,
    });
    store.fill(txId.seqno, changes);
    this.#marks.push({ kind: "signature", seqno: txId.seqno });
    onAppended(appended, changes);
    onSigned({ seqno: txId.seqno, nodeId, certificate: nodeCertificate, signature });
    this.#isSigning = false;
    const durationMs = nowMs() - startMs;
    this.#restMs = this.#restAfter(durationMs);
    this.stats.signatureCount++;
    this.stats.signatureMs += durationMs;
    this.#write();
    this.#append();
    this.#options.onSettled();
    this.flush();
  }

  /** The disk holds everything up to `seqno`. */
  persisted(seqno: number): void {
    const { engine, carryOut } = this.#options;
    const view = engine.viewOf(seqno);
    assert(view !== undefined, "what is on disk was proposed");
    engine.persisted({ view, seqno });
    carryOut();
    this.#write();
  }

  /** The disk has nothing to do. */
  writeGathered(): void {
    this.#write();
  }

  /** Signs what is unsigned, waits until it is on disk, and takes nothing more. */
  async stop(): Promise<void> {
    while (this.#unsignedCount > 0 || this.#isSigning || this.#waiting.length > 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      if (this.settle() && this.#unsignedCount > 0) this.#beginSignature();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.#isStopped = true;
    do {
      this.#write();
      await this.#options.disk.drain();
    } while (this.#options.writer.pendingBytes > 0);
    await this.#options.disk.close();
  }
}

/** Changes of the table of nodes; undefined when there are none. */
function changesToNodeRows(changes: Changes): NodeRow[] | undefined {
  const table = changes.find(({ name }) => name === ledgerTable.nodes);
  if (table === undefined) return undefined;
  return [
    ...[...table.writes].map(([id, json]): NodeRow => [id, latin1ToUtf8(json)]),
    ...[...table.removes].map((id): NodeRow => [id, undefined]),
  ];
}

/** The store keeps one character for each byte. */
function latin1ToUtf8(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}

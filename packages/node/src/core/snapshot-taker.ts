/**
 * Takes snapshots while the executor goes on: keeps the state as of a signature, writes it to disk
 * once that signature is committed, has the service commit to its digest, and gives the file its
 * receipt and its final name when that is committed too.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { assert, isCocoError, type Log, utf8ToBytes } from "@coco/base";
import type { Engine } from "@coco/consensus";
import {
  type AppendedTransaction,
  createReceipt,
  createSnapshotEvidence,
  formatSnapshotName,
  type LedgerWriter,
  ledgerTable,
  type Receipt,
  receiptToJson,
  SnapshotStream,
  type Store,
  type StoreScan,
  scannedRowSizeBytes,
  singletonKey,
} from "@coco/store";
import type { ExecutedTransaction, SignedRoot } from "./ledger-pipeline.ts";
import { type WrittenSnapshot, writeAll, writeSnapshot } from "./snapshot-writer.ts";

export interface SnapshotTakerOptions {
  readonly directory: string;
  /** Transactions from one snapshot to the next. */
  readonly txCount: number;
  /** Of the last snapshot that is there; 0 for none. */
  readonly lastSeqno: number;
  readonly store: Store;
  readonly engine: Engine;
  readonly writer: LedgerWriter;
  /** False while the store does not hold the whole state. */
  readonly canTake: () => boolean;
  /** Takes the evidence to the ledger. */
  readonly push: (transaction: ExecutedTransaction) => void;
  /** Has one made even when nothing else is to be signed. */
  readonly requestSignature: () => void;
  readonly log: Log;
}

/** The snapshot that is being taken. */
interface Snapshot {
  readonly seqno: number;
  /** Of the node's engine when it was begun. */
  readonly view: number;
  readonly scan: StoreScan;
  /** Of the file while its receipt is missing. */
  readonly path: string;
  isWriting: boolean;
  isCompleting: boolean;
  isGivenUp: boolean;
  written?: WrittenSnapshot;
  evidenceSeqno?: number;
  appended?: AppendedTransaction;
  signed?: SignedRoot;
}

export class SnapshotTaker {
  readonly #options: SnapshotTakerOptions;
  #lastSeqno: number;
  #isRequested = false;
  #current: Snapshot | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** Figures for metrics. */
  readonly stats = { snapshotCount: 0, failedCount: 0, holdMsMax: 0 };

  constructor(options: SnapshotTakerOptions) {
    this.#options = options;
    this.#lastSeqno = options.lastSeqno;
  }

  /** A vote wants a snapshot at the next signature. */
  request(): void {
    this.#isRequested = true;
  }

  /** `seqno` is reserved for a signature: the state before it is that of a possible snapshot. */
  signatureBegun(seqno: number): void {
    const { store, engine, writer, txCount, canTake } = this.#options;
    const { view } = engine;
    // Whoever was primary meanwhile may have committed its evidence: its receipt is lost.
    if (this.#current !== undefined && this.#current.view !== view) this.#giveUp(this.#current);
    const isDue = seqno - this.#lastSeqno >= txCount;
    if (this.#isStopped || (!isDue && !this.#isRequested)) return;
    if (this.#current !== undefined || !canTake()) return;
    assert(store.seqno === seqno, "nothing follows the signature yet");
    this.#isRequested = false;
    if (isDue) this.#lastSeqno = seqno;
    // The ledger that goes with the snapshot begins with a file of its own.
    writer.requestChunkEnd();
    const scan = store.beginScan(scannedRowSizeBytes);
    const path = join(this.#options.directory, `snapshot_${seqno}.temporary`);
    const state = { isWriting: false, isCompleting: false, isGivenUp: false };
    this.#current = { seqno, view, scan, path, ...state };
  }

  appended(appended: AppendedTransaction): void {
    const snapshot = this.#current;
    if (snapshot?.evidenceSeqno === appended.txId.seqno) snapshot.appended = appended;
  }

  signed(signed: SignedRoot): void {
    const snapshot = this.#current;
    if (snapshot?.evidenceSeqno === undefined || signed.seqno < snapshot.evidenceSeqno) return;
    snapshot.signed ??= signed;
  }

  /** To be called while the tree still has the leaves of the transactions just committed. */
  committed(seqno: number): void {
    const snapshot = this.#current;
    if (snapshot === undefined || this.#isStopped) return;
    if (!snapshot.isWriting && snapshot.seqno <= seqno) {
      snapshot.isWriting = true;
      const stream = this.#createStream(snapshot);
      this.#run(snapshot, () => this.#write(snapshot, stream));
      return;
    }
    const { signed, appended, isCompleting } = snapshot;
    if (signed === undefined || appended === undefined || signed.seqno > seqno) return;
    if (isCompleting) return;
    snapshot.isCompleting = true;
    const { tree } = this.#options.writer;
    const evidenceSeqno = appended.txId.seqno;
    const receipt = createReceipt({ tree, seqno: evidenceSeqno, components: appended, signed });
    this.#run(snapshot, () => this.#complete(snapshot, receipt));
  }

  /** Transactions after `seqno` are gone. */
  rolledBack(seqno: number): void {
    const snapshot = this.#current;
    if (snapshot === undefined) return;
    if (snapshot.seqno > seqno || (snapshot.evidenceSeqno ?? 0) > seqno) this.#giveUp(snapshot);
  }

  /** Gives up what is not finished. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#current !== undefined) this.#giveUp(this.#current);
    await this.#running;
  }

  #createStream({ scan, seqno, view }: Snapshot): SnapshotStream {
    const { engine, writer } = this.#options;
    const signatureView = engine.viewOf(seqno);
    assert(signatureView !== undefined, "what is committed has a view");
    return new SnapshotStream({
      scan,
      // Not the signature's own view: a later primary may take this snapshot again.
      txId: { view, seqno },
      hashAtSnapshot: writer.tree.leaf(seqno),
      viewHistory: engine.viewFirstSeqnos().slice(0, signatureView),
    });
  }

  async #write(snapshot: Snapshot, stream: SnapshotStream): Promise<void> {
    const { engine, writer, directory } = this.#options;
    const { scan, seqno, path, view } = snapshot;
    mkdirSync(directory, { recursive: true });
    removeLeftovers(directory);
    const isCancelled = () =>
      snapshot.isGivenUp || scan.isBroken || engine.role !== "primary" || engine.view !== view;
    const { key } = writer.secrets.at(seqno);
    const written = await writeSnapshot({ stream, key, path, isCancelled });
    scan.end();
    if (written === undefined || isCancelled()) {
      this.#giveUp(snapshot);
      return;
    }
    snapshot.written = written;
    this.stats.holdMsMax = Math.max(this.stats.holdMsMax, written.holdMsMax);
    this.#pushEvidence(snapshot, written.digest);
  }

  #pushEvidence(snapshot: Snapshot, digest: Uint8Array): void {
    const { store, engine, push } = this.#options;
    const transaction = store.begin("node");
    const evidence = createSnapshotEvidence(digest, snapshot.seqno);
    transaction.table(ledgerTable.snapshotEvidence).set(singletonKey, evidence);
    const result = store.commit(transaction);
    assert(result.kind === "committed", "nothing else writes evidence of snapshots");
    const { seqno, changes } = result;
    snapshot.evidenceSeqno = seqno;
    push({ view: engine.view, seqno, changes, claimsDigest: digest });
  }

  async #complete(snapshot: Snapshot, receipt: Receipt): Promise<void> {
    const { directory, log } = this.#options;
    const { seqno, written, path } = snapshot;
    assert(written !== undefined, "there is a file before there is a receipt");
    const evidenceSeqno = snapshot.evidenceSeqno!;
    const bytes = utf8ToBytes(JSON.stringify(receiptToJson(receipt)));
    const handle = await open(path, "r+");
    try {
      await writeAll(handle, bytes, written.sizeBytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const name = formatSnapshotName({ seqno, evidenceSeqno, isCommitted: true });
    await rename(path, join(directory, name));
    this.stats.snapshotCount++;
    this.#current = undefined;
    const { sizeBytes, rowCount, holdMsMax } = written;
    log("info", "snapshot taken", { name, sizeBytes, rowCount, holdMsMax: round(holdMsMax) });
    // The signature that the request came with found this snapshot still under way.
    if (this.#isRequested && !this.#isStopped) this.#options.requestSignature();
  }

  #run(snapshot: Snapshot, work: () => Promise<void>): void {
    const settled = this.#running.then(work).catch((error: unknown) => {
      const code = isCocoError(error) ? error.code : ((error as { code?: string }).code ?? "");
      this.#options.log("warn", "snapshot failed", { seqno: snapshot.seqno, code });
      if (code === "") throw error;
      this.stats.failedCount++;
      this.#giveUp(snapshot);
    });
    this.#running = settled;
  }

  #giveUp(snapshot: Snapshot): void {
    snapshot.isGivenUp = true;
    snapshot.scan.end();
    if (this.#current === snapshot) this.#current = undefined;
    this.#running = this.#running.then(() => rm(snapshot.path, { force: true })).catch(() => {});
  }
}

/** What an executor that died has left behind. */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (/^snapshot_\d+\.temporary$/.test(name)) rmSync(join(directory, name));
  }
}

function round(timeMs: number): number {
  return Math.round(timeMs * 100) / 100;
}

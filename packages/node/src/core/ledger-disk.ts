/**
 * Writes the ledger's chunk files with group commit: whatever was queued while one flush ran goes
 * into the next, as one flush. Errors of the disk are final: what the disk holds after a failed
 * flush is unknown, so nothing is retried and the node stops.
 */
import { mkdirSync } from "node:fs";
import { type FileHandle, open, rename, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type FileChange, type LedgerBatch, type LedgerWrite, parseChunkName } from "@coco/store";
import { recoverySuffix, settleUnfinishedRecovery } from "./ledger-files.ts";

export type LedgerSync = "batch" | "none";

export interface LedgerDiskOptions {
  readonly directory: string;
  readonly sync: LedgerSync;
  /** Files from this seqno on have names of a recovery until `finishRecovery`; else undefined. */
  readonly recoverySeqno: number | undefined;
  /** Everything up to `seqno` is on disk (flushed, when it holds a signature). */
  readonly onPersisted: (seqno: number) => void;
  /** The bytes of a batch are written: its memory may be used again. */
  readonly onWritten: (batch: LedgerBatch) => void;
  /** Everything that was queued is done. */
  readonly onIdle: () => void;
  readonly onError: (error: unknown) => void;
}

interface QueuedBatch {
  readonly kind: "batch";
  readonly batch: LedgerBatch;
  /** Only signatures commit, so only they must be flushed. */
  readonly hasSignature: boolean;
}
interface QueuedChanges {
  readonly kind: "changes";
  readonly changes: readonly FileChange[];
  /** After a rollback: what the ledger then ends with. */
  readonly lastSeqno?: number;
}
type Job =
  | QueuedBatch
  | QueuedChanges
  | { readonly kind: "finishRecovery"; readonly onDone: () => void };

/** Bytes queued for the disk at most; the executor refuses requests above it. */
const queuedBytesMax = 64 * 1024 * 1024;

export class LedgerDisk {
  readonly #options: LedgerDiskOptions;
  #queue: Job[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #open: { readonly name: string; readonly handle: FileHandle } | undefined;
  #failed = false;
  /** Counts rollbacks: what was written before one is not reported after it. */
  #generation = 0;
  #recoverySeqno: number | undefined;
  /** Figures for metrics. */
  readonly stats = { flushCount: 0, flushMs: 0, writtenBytes: 0 };

  constructor(options: LedgerDiskOptions) {
    this.#options = options;
    this.#recoverySeqno = options.recoverySeqno;
    mkdirSync(options.directory, { recursive: true });
  }

  get isOverloaded(): boolean {
    return this.#queuedBytes > queuedBytesMax;
  }

  /** Files get the names of a recovery. */
  get isRecovering(): boolean {
    return this.#recoverySeqno !== undefined;
  }

  /** Work is going on: what comes now will wait. */
  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  pushBatch(batch: LedgerBatch, hasSignature: boolean): void {
    for (const write of batch.writes) this.#queuedBytes += write.bytes.length;
    this.#push({ kind: "batch", batch, hasSignature });
  }

  pushChanges(changes: readonly FileChange[]): void {
    if (changes.length > 0) this.#push({ kind: "changes", changes });
  }

  /** Cuts the ledger after `seqno`, and reports when that is done. */
  pushRollback(changes: readonly FileChange[], seqno: number): void {
    this.#generation++;
    this.#push({ kind: "changes", changes, lastSeqno: seqno });
  }

  /** Gives the files of a recovery their final names: what is in them is committed for good. */
  finishRecovery(onDone: () => void): void {
    this.#push({ kind: "finishRecovery", onDone });
  }

  /** Resolves when everything queued so far is on disk. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    await this.drain();
    await this.#closeFile();
  }

  #push(job: Job): void {
    if (this.#failed) return;
    this.#queue.push(job);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const jobs = this.#queue;
        this.#queue = [];
        this.#queuedBytes = 0;
        const generation = this.#generation;
        const seqno = await this.#perform(jobs);
        const isCurrent = generation === this.#generation;
        const isIdle = this.#queue.length === 0;
        if (isIdle) this.#running = undefined;
        // Who hears this may push the next job, which then begins a run of its own.
        if (seqno > 0 && isCurrent) this.#options.onPersisted(seqno);
        // Also after work that no seqno stands for: what gathered meanwhile waits for a word.
        if (isIdle) this.#options.onIdle();
        if (isIdle) return;
      }
    } catch (error) {
      this.#running = undefined;
      this.#failed = true;
      this.#queue = [];
      this.#options.onError(error);
    }
  }

  /**
   * Writes all of `jobs`; one flush at the end covers every signature among them.
   * @returns the last seqno
   */
  async #perform(jobs: readonly Job[]): Promise<number> {
    let seqno = 0;
    let mustFlush = false;
    for (const job of jobs) {
      if (job.kind === "changes") {
        for (const change of job.changes) await this.#change(change);
        seqno = job.lastSeqno ?? seqno;
        continue;
      }
      if (job.kind === "finishRecovery") {
        // The file that is open keeps its descriptor under its new name.
        settleUnfinishedRecovery(this.#options.directory, "adopt");
        this.#recoverySeqno = undefined;
        job.onDone();
        continue;
      }
      for (const write of job.batch.writes) await this.#write(write);
      mustFlush ||= job.hasSignature;
      seqno = job.batch.endSeqno;
      this.#options.onWritten(job.batch);
    }
    if (mustFlush && this.#open !== undefined) await this.#flush(this.#open.handle);
    return seqno;
  }

  async #write(write: LedgerWrite): Promise<void> {
    const { bytes, fileName, offset } = write;
    if (this.#open?.name !== fileName) {
      await this.#closeFile();
      const handle = await open(this.#path(fileName), offset === 0 ? "w" : "r+");
      this.#open = { name: fileName, handle };
    }
    const { handle } = this.#open!;
    let done = 0;
    while (done < bytes.length) {
      const result = await handle.write(bytes, done, bytes.length - done, offset + done);
      done += result.bytesWritten;
    }
    this.stats.writtenBytes += bytes.length;
    if (write.completion === undefined) return;
    // The offset goes in last: a chunk that has an offset has a whole table.
    await this.#flush(handle);
    await handle.write(write.completion.header, 0, write.completion.header.length, 0);
    await this.#flush(handle);
    await this.#closeFile();
    await rename(this.#path(fileName), this.#path(write.completion.newName));
  }

  async #flush(handle: FileHandle): Promise<void> {
    if (this.#options.sync === "none") return;
    const startMs = performance.now();
    await handle.datasync();
    this.stats.flushCount++;
    this.stats.flushMs += performance.now() - startMs;
  }

  async #change(change: FileChange): Promise<void> {
    if (this.#open?.name === change.name) await this.#closeFile();
    const path = this.#path(change.name);
    switch (change.kind) {
      case "remove":
        return unlink(path);
      case "rename":
        return rename(path, this.#path(change.newName));
      case "truncate":
        return truncate(path, change.sizeBytes);
      case "reopen": {
        const newPath = this.#path(change.newName);
        await rename(path, newPath);
        const handle = await open(newPath, "r+");
        await handle.write(new Uint8Array(8), 0, 8, 0);
        await handle.truncate(change.sizeBytes);
        return handle.close();
      }
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#open;
    this.#open = undefined;
    await file?.handle.close();
  }

  #path(name: string): string {
    const path = join(this.#options.directory, name);
    if (this.#recoverySeqno === undefined) return path;
    const startSeqno = parseChunkName(name)?.startSeqno ?? 0;
    return startSeqno >= this.#recoverySeqno ? path + recoverySuffix : path;
  }
}

/**
 * Writes the ledger's chunk files with group commit: whatever was queued while one flush ran goes
 * into the next, as one write and one flush. Errors of the disk are final: what the disk holds
 * after a failed flush is unknown, so nothing is retried and the node stops.
 */
import { mkdirSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@coco/base";

export type LedgerSync = "batch" | "none";

/** What to do to the files, in order. */
export type DiskOperation =
  /** Bytes that follow the last ones of the open chunk; creates the file at its first bytes. */
  | {
      readonly kind: "append";
      readonly fileName: string;
      readonly bytes: Uint8Array;
      readonly lastSeqno: number;
      /** True when the bytes hold a signature: only then must they be flushed. */
      readonly isCommittable: boolean;
    }
  /** Ends the open chunk: table at its end, offset of the table in its first bytes, new name. */
  | {
      readonly kind: "complete";
      readonly fileName: string;
      readonly newFileName: string;
      readonly table: Uint8Array;
      /** Little-endian u64 for offset 0 of the file. */
      readonly header: Uint8Array;
    };

export interface LedgerDiskOptions {
  readonly directory: string;
  readonly sync: LedgerSync;
  readonly onPersisted: (lastSeqno: number) => void;
  readonly onError: (error: unknown) => void;
}

/** Bytes queued for the disk at most; the executor stops taking requests above it. */
const queuedBytesMax = 64 * 1024 * 1024;

export class LedgerDisk {
  readonly #options: LedgerDiskOptions;
  #queue: DiskOperation[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #open: { readonly fileName: string; readonly handle: FileHandle } | undefined;
  #failed = false;
  /** Figures for metrics. */
  readonly stats = { flushCount: 0, flushMs: 0, writtenBytes: 0 };

  constructor(options: LedgerDiskOptions) {
    this.#options = options;
    mkdirSync(options.directory, { recursive: true });
  }

  get isOverloaded(): boolean {
    return this.#queuedBytes > queuedBytesMax;
  }

  push(operation: DiskOperation): void {
    this.#queue.push(operation);
    if (operation.kind === "append") this.#queuedBytes += operation.bytes.length;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when everything queued so far is on disk; then closes the open file. */
  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  /** Resolves when everything queued so far is on disk. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#failed) {
        const batch = this.#queue;
        this.#queue = [];
        this.#queuedBytes = 0;
        await this.#perform(batch);
      }
    } catch (error) {
      this.#failed = true;
      this.#queue = [];
      this.#options.onError(error);
    }
  }

  async #perform(batch: readonly DiskOperation[]): Promise<void> {
    let index = 0;
    while (index < batch.length) {
      const first = batch[index]!;
      if (first.kind === "complete") {
        await this.#complete(first);
        index++;
        continue;
      }
      const pieces: Uint8Array[] = [];
      let isCommittable = false;
      let lastSeqno = 0;
      for (; index < batch.length; index++) {
        const next = batch[index]!;
        if (next.kind !== "append" || next.fileName !== first.fileName) break;
        pieces.push(next.bytes);
        isCommittable ||= next.isCommittable;
        lastSeqno = next.lastSeqno;
      }
      await this.#append(first.fileName, pieces, isCommittable);
      this.#options.onPersisted(lastSeqno);
    }
  }

  async #append(fileName: string, pieces: readonly Uint8Array[], flush: boolean): Promise<void> {
    if (this.#open?.fileName !== fileName) {
      assert(this.#open === undefined, "a chunk is completed before the next one begins");
      const handle = await open(join(this.#options.directory, fileName), "a");
      this.#open = { fileName, handle };
    }
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    await this.#open.handle.appendFile(bytes);
    this.stats.writtenBytes += bytes.length;
    if (flush) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#options.sync === "none") return;
    const startMs = performance.now();
    await this.#open!.handle.datasync();
    this.stats.flushCount++;
    this.stats.flushMs += performance.now() - startMs;
  }

  async #complete(operation: DiskOperation & { readonly kind: "complete" }): Promise<void> {
    const path = join(this.#options.directory, operation.fileName);
    assert(this.#open?.fileName === operation.fileName, "only the open chunk can be completed");
    await this.#open.handle.appendFile(operation.table);
    await this.#flush();
    await this.#open.handle.close();
    this.#open = undefined;
    // The offset goes in last: a chunk with an offset has a whole table.
    const handle = await open(path, "r+");
    try {
      await handle.write(operation.header, 0, operation.header.length, 0);
      if (this.#options.sync === "batch") await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(path, join(this.#options.directory, operation.newFileName));
  }
}

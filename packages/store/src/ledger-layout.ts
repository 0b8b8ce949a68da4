import { assert } from "@coco/base";
import { ByteWriter } from "./byte-writer.ts";
import { formatChunkName } from "./chunk-name.ts";
import { chunkHeaderBytes } from "./chunk-reader.ts";
import { ledgerErrors } from "./errors.ts";

/** Bytes for one file, to be written in one piece. */
export interface LedgerWrite {
  /** Made new when `offset` is 0. */
  readonly fileName: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly startSeqno: number;
  readonly endSeqno: number;
  /** Where each entry begins in `bytes`. */
  readonly entryOffsets: readonly number[];
  /**
   * The chunk is full: after `bytes` are on disk, overwrite the file's first 8 bytes with `header`
   * (the offset of the table of positions, which `bytes` end with) and rename it.
   */
  readonly completion: { readonly header: Uint8Array; readonly newName: string } | undefined;
}

/** Writes in order. The bytes are valid until `release`. */
export interface LedgerBatch {
  readonly writes: readonly LedgerWrite[];
  readonly startSeqno: number;
  readonly endSeqno: number;
  readonly buffer: ByteWriter;
}

/** Something to do with the ledger's files. */
export type FileChange =
  | { readonly kind: "remove"; readonly name: string }
  | { readonly kind: "rename"; readonly name: string; readonly newName: string }
  | { readonly kind: "truncate"; readonly name: string; readonly sizeBytes: number }
  /** Rename to `newName`, overwrite the first 8 bytes with zeros, cut to `sizeBytes`. */
  | {
      readonly kind: "reopen";
      readonly name: string;
      readonly newName: string;
      readonly sizeBytes: number;
    };

/** A chunk that is not committed yet. */
interface Chunk {
  readonly startSeqno: number;
  /** From the start of the file. */
  readonly positions: number[];
  sizeBytes: number;
  isComplete: boolean;
}

/** A part of the pending buffer that goes to one file. */
interface Segment {
  readonly chunk: Chunk;
  readonly bufferStart: number;
  readonly fileOffset: number;
  readonly startSeqno: number;
  readonly entryOffsets: number[];
}

/** Small enough that a new one costs little; buffers grow and are used again. */
const bufferBytes = 65_536;
const positionMax = 0xffff_ffff;

function chunkEnd(chunk: Chunk): number {
  return chunk.startSeqno + chunk.positions.length - 1;
}

function chunkName(chunk: Chunk): string {
  return formatChunkName(chunk.startSeqno, chunk.isComplete ? chunkEnd(chunk) : undefined);
}

/** Lays entries out in chunk files: which bytes go where, and when a chunk ends. */
export class ChunkLayout {
  /** Entries are encoded straight into this buffer, between `beginEntry` and `finishEntry`. */
  buffer = new ByteWriter(bufferBytes);
  readonly #chunkSizeBytes: number;
  readonly #spare: ByteWriter[] = [];
  /** Not committed, in order; the last one may be open. */
  readonly #chunks: Chunk[] = [];
  #lastSeqno: number;
  #takenSeqno: number;
  #committedSeqno = 0;
  #isEndRequested = false;
  #segment: Segment | undefined;
  #writes: LedgerWrite[] = [];
  #entryStart = 0;
  /** What to restore when an entry is given up. */
  #lengthBefore = 0;
  #isSegmentNew = false;
  #isChunkNew = false;

  constructor(lastSeqno: number, chunkSizeBytes: number) {
    assert(chunkSizeBytes > 0 && chunkSizeBytes <= positionMax, "a chunk is below 4 GiB");
    this.#lastSeqno = lastSeqno;
    this.#takenSeqno = lastSeqno;
    this.#committedSeqno = lastSeqno;
    this.#chunkSizeBytes = chunkSizeBytes;
  }

  get pendingBytes(): number {
    return this.buffer.length;
  }

  requestChunkEnd(): void {
    this.#isEndRequested = true;
  }

  /** True when a signature of `sizeBytes` should be the last entry of the chunk. */
  isEndDue(sizeBytes: number): boolean {
    if (this.#isEndRequested) return true;
    return (this.#chunks.at(-1)?.sizeBytes ?? 0) + sizeBytes >= this.#chunkSizeBytes;
  }

  /** Prepares the place of the next entry; returns where it begins in `buffer`. */
  beginEntry(): number {
    this.#lengthBefore = this.buffer.length;
    const last = this.#chunks.at(-1);
    this.#isChunkNew = last === undefined || last.isComplete;
    if (this.#isChunkNew) {
      const startSeqno = this.#lastSeqno + 1;
      this.#chunks.push({ startSeqno, positions: [], sizeBytes: 0, isComplete: false });
    }
    this.#isSegmentNew = this.#segment === undefined;
    const chunk = this.#chunks.at(-1)!;
    this.#segment ??= {
      chunk,
      bufferStart: this.buffer.length,
      fileOffset: chunk.sizeBytes,
      startSeqno: this.#lastSeqno + 1,
      entryOffsets: [],
    };
    if (chunk.sizeBytes === 0) {
      this.buffer.zeros(chunkHeaderBytes);
      chunk.sizeBytes = chunkHeaderBytes;
    }
    if (chunk.sizeBytes > positionMax) {
      const { sizeBytes } = chunk;
      this.cancelEntry();
      throw ledgerErrors.create("EntryTooLarge", "the chunk has reached 4 GiB", { sizeBytes });
    }
    this.#entryStart = this.buffer.length;
    return this.#entryStart;
  }

  /** Gives up the entry that was begun. */
  cancelEntry(): void {
    this.buffer.length = this.#lengthBefore;
    if (this.#isSegmentNew) this.#segment = undefined;
    if (this.#isChunkNew) this.#chunks.pop();
  }

  finishEntry(sizeBytes: number, seqno: number): void {
    assert(seqno === this.#lastSeqno + 1, "sequence numbers follow without gap");
    assert(this.#entryStart + sizeBytes === this.buffer.length, "the entry ends the buffer");
    const segment = this.#segment;
    assert(segment !== undefined, "an entry was begun");
    segment.entryOffsets.push(this.#entryStart - segment.bufferStart);
    segment.chunk.positions.push(segment.chunk.sizeBytes);
    segment.chunk.sizeBytes += sizeBytes;
    this.#lastSeqno = seqno;
  }

  /** Ends the open chunk, if there is one: appends its table of positions. */
  endChunk(): void {
    this.#isEndRequested = false;
    const chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.isComplete) return;
    this.#segment ??= {
      chunk,
      bufferStart: this.buffer.length,
      fileOffset: chunk.sizeBytes,
      startSeqno: this.#lastSeqno + 1,
      entryOffsets: [],
    };
    const header = new Uint8Array(8);
    new DataView(header.buffer).setBigUint64(0, BigInt(chunk.sizeBytes), true);
    const table = new Uint8Array(chunk.positions.length * 4);
    const view = new DataView(table.buffer);
    for (const [index, position] of chunk.positions.entries()) {
      view.setUint32(index * 4, position, true);
    }
    this.buffer.raw(table);
    chunk.isComplete = true;
    this.#closeSegment({ header, newName: chunkName(chunk) });
  }

  #closeSegment(completion: LedgerWrite["completion"]): void {
    const segment = this.#segment;
    if (segment === undefined) return;
    const { buffer } = this;
    const end = buffer.length;
    const { bufferStart, entryOffsets, startSeqno } = segment;
    this.#writes.push({
      fileName: formatChunkName(segment.chunk.startSeqno),
      offset: segment.fileOffset,
      // Read late: the buffer may still grow and move until the batch is taken.
      get bytes() {
        return buffer.bytes.subarray(bufferStart, end);
      },
      startSeqno,
      endSeqno: startSeqno + entryOffsets.length - 1,
      entryOffsets,
      completion,
    });
    this.#segment = undefined;
  }

  takeBatch(): LedgerBatch | undefined {
    this.#closeSegment(undefined);
    if (this.#writes.length === 0) return undefined;
    const batch = {
      writes: this.#writes,
      startSeqno: this.#takenSeqno + 1,
      endSeqno: this.#lastSeqno,
      buffer: this.buffer,
    };
    this.#writes = [];
    this.#takenSeqno = this.#lastSeqno;
    this.buffer = this.#spare.pop() ?? new ByteWriter(bufferBytes);
    return batch;
  }

  release(batch: LedgerBatch): void {
    batch.buffer.length = 0;
    const isUsual = batch.buffer.bytes.length <= 64 * bufferBytes;
    if (isUsual && this.#spare.length < 4) this.#spare.push(batch.buffer);
  }

  truncate(seqno: number): FileChange[] {
    assert(this.buffer.length === 0, "the pending batch was taken before a rollback");
    assert(seqno >= this.#committedSeqno, "what is committed is not rolled back");
    const changes: FileChange[] = [];
    while (this.#chunks.length > 0 && this.#chunks.at(-1)!.startSeqno > seqno) {
      changes.push({ kind: "remove", name: chunkName(this.#chunks.pop()!) });
    }
    const chunk = this.#chunks.at(-1);
    if (chunk !== undefined && chunkEnd(chunk) > seqno) {
      const name = chunkName(chunk);
      const newName = formatChunkName(chunk.startSeqno);
      const kept = seqno - chunk.startSeqno + 1;
      const sizeBytes = chunk.positions[kept]!;
      chunk.positions.length = kept;
      chunk.sizeBytes = sizeBytes;
      if (chunk.isComplete) changes.push({ kind: "reopen", name, newName, sizeBytes });
      else changes.push({ kind: "truncate", name, sizeBytes });
      chunk.isComplete = false;
    }
    this.#lastSeqno = seqno;
    this.#takenSeqno = seqno;
    return changes;
  }

  commit(seqno: number): FileChange[] {
    this.#committedSeqno = Math.max(this.#committedSeqno, seqno);
    const changes: FileChange[] = [];
    const limit = Math.min(this.#committedSeqno, this.#takenSeqno);
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined || !chunk.isComplete || chunkEnd(chunk) > limit) return changes;
      const newName = formatChunkName(chunk.startSeqno, chunkEnd(chunk), true);
      changes.push({ kind: "rename", name: chunkName(chunk), newName });
      this.#chunks.shift();
    }
  }
}

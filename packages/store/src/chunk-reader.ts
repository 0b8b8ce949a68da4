import { type CocoError, isCocoError } from "@coco/base";
import { type ChunkName, parseChunkName } from "./chunk-name.ts";
import { errorDetail, ledgerErrors } from "./errors.ts";
import { decodeEntryHeader, entryFlag, entryHeaderBytes } from "./ledger-entry.ts";

/** A file of the ledger directory, opened for reading at any place. */
export interface LedgerFile {
  /** Without the directory. */
  readonly name: string;
  readonly sizeBytes: number;
  /** The bytes from `offset` on; fewer than `lengthBytes` only at the end of the file. */
  read(offset: number, lengthBytes: number): Uint8Array;
}

/** One entry in its place. */
export interface ChunkEntry {
  readonly file: string;
  /** By position in the chunk; the entry's own number has to agree. */
  readonly seqno: number;
  /** From the start of the file. */
  readonly offset: number;
  /** A view, valid as long as it is held. */
  readonly bytes: Uint8Array;
}

/** Bytes behind the last whole entry of an open chunk: a write that was cut off. */
export interface IncompleteTail {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** At the start of a file: offset of the table of positions, 0 while the chunk is open. */
export const chunkHeaderBytes = 8;
const windowBytes = 262_144;

function failChunk(file: string, detail: string, offset: number, seqno?: number): CocoError {
  const where = seqno === undefined ? "" : `, seqno ${seqno}`;
  return ledgerErrors.create("BadChunk", `${file}, byte ${offset}${where}: ${detail}`, {
    file,
    offset,
    seqno,
  });
}

function isChunkEnd(entry: Uint8Array): boolean {
  return (entry[1]! & entryFlag.endChunkAfter) !== 0;
}

/** Reads exactly `lengthBytes`. @throws {CocoError} BadChunk when the file is shorter */
function readExactly(file: LedgerFile, offset: number, lengthBytes: number): Uint8Array {
  const bytes = file.read(offset, lengthBytes);
  if (bytes.length !== lengthBytes) {
    throw failChunk(file.name, `${lengthBytes} bytes are needed, ${bytes.length} found`, offset);
  }
  return bytes;
}

/**
 * Streams one ledger file. Only a window of the file is in memory, however long the file is; an
 * entry that is longer than the window is read alone, and never beyond the end of the file.
 */
export class ChunkReader {
  readonly name: ChunkName;
  readonly file: LedgerFile;
  /** Where the entries end. */
  readonly entriesEnd: number;
  /** True when the file has a table of positions. */
  readonly isComplete: boolean;
  readonly #tableOffset: number;
  #incompleteTail: IncompleteTail | undefined;

  /** @throws {CocoError} BadChunk */
  constructor(file: LedgerFile) {
    const name = parseChunkName(file.name);
    if (name === undefined) throw failChunk(file.name, "not the name of a ledger file", 0);
    this.name = name;
    this.file = file;
    this.#tableOffset = this.#readTableOffset();
    this.isComplete = this.#tableOffset !== 0;
    this.entriesEnd = this.isComplete ? this.#tableOffset : file.sizeBytes;
    if (!this.isComplete && name.endSeqno !== undefined) {
      throw failChunk(file.name, "the name says complete, but there is no table of positions", 0);
    }
    if (this.isComplete) this.#checkTableSize();
  }

  #readTableOffset(): number {
    const { file } = this;
    // A node that stopped just after it made the file leaves it shorter than its header.
    if (this.name.state === "open" && file.sizeBytes < chunkHeaderBytes) return 0;
    const header = readExactly(file, 0, chunkHeaderBytes);
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const offset = Number(view.getBigUint64(0, true));
    if (offset !== 0 && (offset < chunkHeaderBytes || offset > file.sizeBytes)) {
      throw failChunk(file.name, "the table of positions is outside of the file", 0);
    }
    return offset;
  }

  #checkTableSize(): void {
    const { file, name } = this;
    const tableBytes = file.sizeBytes - this.#tableOffset;
    if (tableBytes === 0 || tableBytes % 4 !== 0) {
      throw failChunk(file.name, "the table of positions is cut off", this.#tableOffset);
    }
    const expected = name.endSeqno === undefined ? undefined : name.endSeqno - name.startSeqno + 1;
    if (expected !== undefined && tableBytes / 4 !== expected) {
      const detail = `${tableBytes / 4} positions, but ${expected} transactions by the name`;
      throw failChunk(file.name, detail, this.#tableOffset);
    }
  }

  /** What an open chunk has behind its last whole entry; known when `entries` has ended. */
  get incompleteTail(): IncompleteTail | undefined {
    return this.#incompleteTail;
  }

  /** Number of positions in the table; undefined for an open chunk. */
  get entryCount(): number | undefined {
    return this.isComplete ? (this.file.sizeBytes - this.#tableOffset) / 4 : undefined;
  }

  /**
   * All entries in order, each checked against the table of positions.
   * @throws {CocoError} BadChunk naming file, offset and sequence number
   */
  *entries(): Generator<ChunkEntry, void, undefined> {
    const table = new TableCursor(this.file, this.#tableOffset);
    const window = new Window(this.file);
    let offset = chunkHeaderBytes;
    let seqno = this.name.startSeqno;
    while (offset < this.entriesEnd) {
      const bytes = this.#entryAt(window, offset, seqno);
      if (bytes === undefined) return;
      if (this.isComplete) table.expect(offset, seqno);
      yield { file: this.file.name, seqno, offset, bytes };
      offset += bytes.length;
      seqno++;
      if (!this.isComplete && offset < this.entriesEnd && isChunkEnd(bytes)) {
        // The table of positions was being written when the node stopped.
        this.#incompleteTail = { offset, sizeBytes: this.entriesEnd - offset };
        return;
      }
    }
    if (this.isComplete) table.expectEnd(seqno);
  }

  #entryAt(window: Window, offset: number, seqno: number): Uint8Array | undefined {
    const left = this.entriesEnd - offset;
    let sizeBytes = entryHeaderBytes;
    if (left >= entryHeaderBytes) {
      const header = window.view(offset, entryHeaderBytes);
      try {
        sizeBytes = decodeEntryHeader(header).sizeBytes;
      } catch (cause) {
        if (!isCocoError(cause)) throw cause;
        throw failChunk(this.file.name, errorDetail(cause), offset, seqno);
      }
    }
    if (sizeBytes <= left) return window.view(offset, sizeBytes);
    if (this.isComplete) throw failChunk(this.file.name, "the entry is cut off", offset, seqno);
    this.#incompleteTail = { offset, sizeBytes: left };
    return undefined;
  }

  /**
   * Reads the entry of one transaction through the table of positions, or by walking when the
   * chunk is open; undefined when the chunk does not hold it.
   * @throws {CocoError} BadChunk
   */
  entry(seqno: number): ChunkEntry | undefined {
    const index = seqno - this.name.startSeqno;
    if (index < 0) return undefined;
    if (!this.isComplete) {
      for (const entry of this.entries()) if (entry.seqno === seqno) return entry;
      return undefined;
    }
    if (index >= this.entryCount!) return undefined;
    const position = readExactly(this.file, this.#tableOffset + 4 * index, 4);
    const offset = new DataView(position.buffer, position.byteOffset, 4).getUint32(0, true);
    if (offset < chunkHeaderBytes || offset >= this.entriesEnd) {
      throw failChunk(this.file.name, "a position is outside of the file", offset, seqno);
    }
    const bytes = this.#entryAt(new Window(this.file), offset, seqno)!;
    return { file: this.file.name, seqno, offset, bytes };
  }
}

/** A part of the file that is read ahead. Handed-out views keep their bytes: none is reused. */
class Window {
  readonly #file: LedgerFile;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(file: LedgerFile) {
    this.#file = file;
  }

  view(offset: number, lengthBytes: number): Uint8Array {
    const end = this.#start + this.#bytes.length;
    if (offset < this.#start || offset + lengthBytes > end) {
      const wanted = Math.min(Math.max(lengthBytes, windowBytes), this.#file.sizeBytes - offset);
      this.#bytes = readExactly(this.#file, offset, wanted);
      this.#start = offset;
    }
    const at = offset - this.#start;
    return this.#bytes.subarray(at, at + lengthBytes);
  }
}

/** Walks the table of positions beside the entries. */
class TableCursor {
  readonly #file: LedgerFile;
  readonly #window: Window;
  #offset: number;

  constructor(file: LedgerFile, tableOffset: number) {
    this.#file = file;
    this.#window = new Window(file);
    this.#offset = tableOffset;
  }

  expect(offset: number, seqno: number): void {
    if (this.#offset + 4 > this.#file.sizeBytes) {
      const detail = "the table of positions has fewer entries than the file";
      throw failChunk(this.#file.name, detail, this.#offset, seqno);
    }
    const bytes = this.#window.view(this.#offset, 4);
    const position = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    if (position !== offset) {
      const detail = `position ${position} in the table, but the entry is at ${offset}`;
      throw failChunk(this.#file.name, detail, this.#offset, seqno);
    }
    this.#offset += 4;
  }

  expectEnd(seqno: number): void {
    if (this.#offset !== this.#file.sizeBytes) {
      const detail = "the table of positions has more entries than the file";
      throw failChunk(this.#file.name, detail, this.#offset, seqno);
    }
  }
}

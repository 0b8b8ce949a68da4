/** Entries of past transactions, from memory where they are recent, else from the ledger files. */
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type ChunkName, parseChunkName } from "@coco/store";
import { historicalErrors } from "./errors.ts";

export interface LedgerEntriesOptions {
  /** The node's own directory first, then read-only ones. */
  readonly directories: readonly string[];
  /** An entry that may not be in the files yet; kept at least until it is. */
  readonly recent: (seqno: number) => Uint8Array | undefined;
}

/** Where an entry comes from, for messages. */
export interface EntryPlace {
  readonly seqno: number;
  /** `memory`, or the path of the file. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** Return false to stop. */
export type VisitEntry = (place: EntryPlace) => boolean;

interface KnownFile {
  readonly path: string;
  readonly chunk: ChunkName;
  /** Where an entry begins: the one after the last that was read. Makes scans continue. */
  hint: { readonly seqno: number; readonly offset: number };
}

const headerBytes = 8;
const windowBytes = 262_144;

/** Reads entries in order. The files belong to the host: whoever uses an entry verifies it. */
export class LedgerEntries {
  readonly #options: LedgerEntriesOptions;
  #files: readonly KnownFile[] = [];

  constructor(options: LedgerEntriesOptions) {
    this.#options = options;
  }

  /** Visits entries from `first` on while they are in memory. @returns the next seqno */
  visitRecent(
    first: number,
    visit: VisitEntry,
  ): { readonly next: number; readonly isDone: boolean } {
    for (let seqno = first; ; seqno++) {
      const bytes = this.#options.recent(seqno);
      if (bytes === undefined) return { next: seqno, isDone: false };
      if (!visit({ seqno, file: "memory", bytes })) return { next: seqno + 1, isDone: true };
    }
  }

  /**
   * Visits entries from `first` on until `visit` stops it.
   * @throws {CocoError} LedgerEntryMissing, LedgerEntryWrong
   */
  async visit(first: number, visit: VisitEntry): Promise<void> {
    let seqno = first;
    let isRetry = false;
    for (;;) {
      const recent = this.visitRecent(seqno, visit);
      if (recent.isDone) return;
      const before = seqno;
      seqno = recent.next;
      const file = this.#fileOf(seqno);
      if (file !== undefined) {
        const read = await this.#visitFile(file, seqno, visit);
        if (read.isDone) return;
        seqno = read.next;
      }
      if (seqno > before) {
        isRetry = false;
        continue;
      }
      // Files are renamed when they are complete and when they are committed: look again, once.
      if (isRetry) throw this.#missing(seqno);
      isRetry = true;
      await this.#list();
    }
  }

  #fileOf(seqno: number): KnownFile | undefined {
    const holds = ({ chunk }: KnownFile) =>
      chunk.startSeqno <= seqno && seqno <= (chunk.endSeqno ?? Number.POSITIVE_INFINITY);
    return this.#files.filter(holds).sort((left, right) => rank(left) - rank(right))[0];
  }

  #missing(seqno: number) {
    const { directories } = this.#options;
    const around = [...this.#files]
      .sort((left, right) => left.chunk.startSeqno - right.chunk.startSeqno)
      .map(({ path }) => path);
    const after = around.find((_, index) => this.#startOf(around[index]!) > seqno);
    const detail =
      after === undefined
        ? `seqno ${seqno}, in ${directories.join(", ")}`
        : `seqno ${seqno}: the file before ${after} is missing`;
    return historicalErrors.create("LedgerEntryMissing", detail, { seqno });
  }

  #startOf(path: string): number {
    return this.#files.find((file) => file.path === path)?.chunk.startSeqno ?? 0;
  }

  async #list(): Promise<void> {
    const hints = new Map(this.#files.map(({ path, hint }) => [path, hint]));
    const files: KnownFile[] = [];
    for (const directory of this.#options.directories) {
      const names = await readdir(directory).catch(() => []);
      for (const name of names) {
        const chunk = parseChunkName(name);
        if (chunk === undefined || chunk.isIgnored) continue;
        // Until a recovered service is open for good, its own new files are named so.
        if (chunk.isRecovery && directory !== this.#options.directories[0]) continue;
        const path = join(directory, name);
        const start = { seqno: chunk.startSeqno, offset: headerBytes };
        files.push({ path, chunk, hint: hints.get(path) ?? start });
      }
    }
    this.#files = files;
  }

  async #visitFile(
    file: KnownFile,
    seqno: number,
    visit: VisitEntry,
  ): Promise<{ readonly next: number; readonly isDone: boolean }> {
    let handle: FileHandle;
    try {
      handle = await open(file.path, "r");
    } catch {
      this.#files = this.#files.filter((known) => known !== file);
      return { next: seqno, isDone: false };
    }
    try {
      return await walkFile(file, handle, seqno, visit);
    } finally {
      await handle.close();
    }
  }
}

/** Committed files are preferred over others that hold the same entry. */
function rank({ chunk }: KnownFile): number {
  return { committed: 0, complete: 1, open: 2 }[chunk.state];
}

async function walkFile(
  file: KnownFile,
  handle: FileHandle,
  seqno: number,
  visit: VisitEntry,
): Promise<{ readonly next: number; readonly isDone: boolean }> {
  const window = new FileWindow(handle, (await handle.stat()).size);
  const table = (await window.view(0, headerBytes))?.readBigUInt64LE(0) ?? 0n;
  const end = table === 0n ? window.sizeBytes : Number(table);
  let at = await startOf(file, window, seqno, end, table !== 0n);
  for (;;) {
    const bytes = await entryAt(file, window, at, end);
    if (bytes === undefined) return { next: Math.max(at.seqno, seqno), isDone: false };
    const isWanted = at.seqno >= seqno;
    const place = { seqno: at.seqno, file: file.path, bytes };
    at = { seqno: at.seqno + 1, offset: at.offset + bytes.length };
    file.hint = at;
    if (isWanted && !visit(place)) return { next: at.seqno, isDone: true };
  }
}

/** The nearest known place at or before `seqno`: from the table of positions, or from a scan. */
async function startOf(
  file: KnownFile,
  window: FileWindow,
  seqno: number,
  end: number,
  hasTable: boolean,
): Promise<{ readonly seqno: number; readonly offset: number }> {
  const { chunk, hint } = file;
  if (hint.seqno <= seqno && (!hasTable || hint.seqno === seqno)) return hint;
  const start = { seqno: chunk.startSeqno, offset: headerBytes };
  if (!hasTable) return start;
  const position = await window.view(end + 4 * (seqno - chunk.startSeqno), 4);
  if (position === undefined) throw wrong(file, seqno, "the table of positions is cut off");
  return { seqno, offset: position.readUInt32LE(0) };
}

/** Undefined at the end of the entries, and for one that is not wholly written. */
async function entryAt(
  file: KnownFile,
  window: FileWindow,
  at: { readonly seqno: number; readonly offset: number },
  end: number,
): Promise<Buffer | undefined> {
  if (at.offset < headerBytes || at.offset > end) {
    throw wrong(file, at.seqno, "a position lies outside of the file");
  }
  const header = await window.view(at.offset, headerBytes);
  if (header === undefined || at.offset + headerBytes > end) return undefined;
  const sizeBytes = headerBytes + header.readUIntLE(2, 6);
  if (at.offset + sizeBytes > end) {
    if (file.chunk.endSeqno === undefined) return undefined;
    throw wrong(file, at.seqno, "the entry is cut off");
  }
  return window.view(at.offset, sizeBytes);
}

function wrong(file: KnownFile, seqno: number, detail: string) {
  return historicalErrors.create("LedgerEntryWrong", `${file.path}, seqno ${seqno}: ${detail}`, {
    file: file.path,
    seqno,
  });
}

/** A part of a file that is read ahead. Views stay valid: no memory is used twice. */
class FileWindow {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  /** Undefined when the file is shorter. */
  async view(offset: number, lengthBytes: number): Promise<Buffer | undefined> {
    if (offset + lengthBytes > this.sizeBytes) return undefined;
    if (offset < this.#start || offset + lengthBytes > this.#start + this.#bytes.length) {
      const wanted = Math.min(Math.max(lengthBytes, windowBytes), this.sizeBytes - offset);
      const buffer = Buffer.allocUnsafeSlow(wanted);
      const { bytesRead } = await this.#handle.read(buffer, 0, wanted, offset);
      this.#bytes = buffer.subarray(0, bytesRead);
      this.#start = offset;
      if (bytesRead < lengthBytes) return undefined;
    }
    const at = offset - this.#start;
    return this.#bytes.subarray(at, at + lengthBytes);
  }
}

/**
 * The ledger files of a node's directories. While a service is recovered, its new files carry the
 * suffix `.recovery`; the name without it is the file's name in the ledger.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  ChunkReader,
  decodeLedgerEntry,
  decodeWriteSet,
  findSingleton,
  formatChunkName,
  isSignatureWriteSet,
  type LedgerEntry,
  type LedgerFile,
  ledgerTable,
  type NamedChunk,
  orderLedgerFiles,
  parseChunkName,
  type WriteSet,
} from "@coco/store";

import { readServiceRow } from "./ledger-history.ts";

export const recoverySuffix = ".recovery";

/** A file of the ledger by its name in the ledger, wherever and as whatever it is stored. */
interface StoredFile {
  readonly name: string;
  readonly path: string;
}

/** A ledger file of a `LedgerFileSet`. */
export interface StoredLedgerFile extends LedgerFile, StoredFile {}

/** Reads files piece by piece with one descriptor, however many files there are. */
export class LedgerFileSet {
  #open: { readonly path: string; readonly descriptor: number } | undefined;

  file({ name, path }: StoredFile): StoredLedgerFile {
    return {
      name,
      path,
      sizeBytes: statSync(path).size,
      read: (offset, lengthBytes) => {
        const bytes = Buffer.allocUnsafeSlow(lengthBytes);
        return bytes.subarray(0, readSync(this.#descriptor(path), bytes, 0, lengthBytes, offset));
      },
    };
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.descriptor);
    this.#open = undefined;
  }

  #descriptor(path: string): number {
    if (this.#open?.path !== path) {
      this.close();
      this.#open = { path, descriptor: openSync(path, "r") };
    }
    return this.#open!.descriptor;
  }
}

/** Whether files of a recovery count as part of the ledger. */
export type RecoveryFiles = "include" | "leave";

/** The files of the ledger in `directories`; the first one that has a file counts. */
export function listLedgerFiles(
  directories: readonly string[],
  recoveryFiles: RecoveryFiles,
): readonly StoredFile[] {
  const files: StoredFile[] = [];
  const starts = new Set<number>();
  for (const directory of directories) {
    const found: StoredFile[] = [];
    for (const fileName of readdirSync(directory)) {
      const chunk = parseChunkName(fileName);
      if (chunk === undefined || chunk.isIgnored || starts.has(chunk.startSeqno)) continue;
      if (chunk.isRecovery && recoveryFiles === "leave") continue;
      const name = chunk.isRecovery ? fileName.slice(0, -recoverySuffix.length) : fileName;
      found.push({ name, path: join(directory, fileName) });
    }
    // Within a directory a chunk that is there twice is an error, which its reader will find.
    for (const { name } of found) starts.add(parseChunkName(name)!.startSeqno);
    files.push(...found);
  }
  return files;
}

/**
 * Name, order and continuity are checked.
 * @param firstSeqno with which the ledger must begin; undefined: any, as behind a snapshot
 * @throws {CocoError} BadLedger
 */
export function orderChunks(
  files: readonly StoredFile[],
  firstSeqno: number | undefined = 1,
): readonly NamedChunk<StoredFile>[] {
  return orderLedgerFiles(files, firstSeqno).chunks;
}

export function readPublic(entry: LedgerEntry): WriteSet {
  return decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
}

/**
 * Ends the open chunk with its last signature: cuts off what follows, writes the table of
 * positions, and gives the file its committed name. A chunk without a signature goes away.
 */
export function sealOpenChunk(files: readonly StoredFile[]): void {
  const last = orderLedgerFiles(files, undefined).chunks.at(-1);
  if (last === undefined || last.chunk.endSeqno !== undefined) return;
  const { path } = last.file;
  const signed = findLastSignature(last.file);
  if (signed === undefined) {
    unlinkSync(path);
    return;
  }
  const { positions, endOffset } = signed;
  const table = new Uint8Array(positions.length * 4);
  const view = new DataView(table.buffer);
  for (const [index, position] of positions.entries()) view.setUint32(index * 4, position, true);
  const header = new Uint8Array(8);
  new DataView(header.buffer).setBigUint64(0, BigInt(endOffset), true);
  const descriptor = openSync(path, "r+");
  try {
    ftruncateSync(descriptor, endOffset);
    writeSync(descriptor, table, 0, table.length, endOffset);
    fsyncSync(descriptor);
    writeSync(descriptor, header, 0, header.length, 0);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  const { startSeqno } = last.chunk;
  const name = formatChunkName(startSeqno, startSeqno + positions.length - 1, true);
  const suffix = path.endsWith(recoverySuffix) ? recoverySuffix : "";
  renameSync(path, join(dirname(path), name + suffix));
}

/** Where the entries up to the last signature begin, and where that one ends. */
function findLastSignature(
  file: StoredFile,
): { readonly positions: readonly number[]; readonly endOffset: number } | undefined {
  const files = new LedgerFileSet();
  const positions: number[] = [];
  let signed = { count: 0, endOffset: 0 };
  try {
    for (const { offset, bytes } of new ChunkReader(files.file(file)).entries()) {
      positions.push(offset);
      if (isSignatureWriteSet(readPublic(decodeLedgerEntry(bytes)))) {
        signed = { count: positions.length, endOffset: offset + bytes.length };
      }
    }
  } finally {
    files.close();
  }
  if (signed.count === 0) return undefined;
  return { positions: positions.slice(0, signed.count), endOffset: signed.endOffset };
}

/** What is to become of the files of a recovery that its node did not live to finish. */
export type UnfinishedRecovery =
  /** Nobody has trusted them yet: the service never opened. */
  | "drop"
  /** The service had opened; only the renaming of its files was cut short. */
  | "adopt";

/**
 * Finds out whether a recovery had come to its end: its files then are the only copy of what was
 * committed since. Undefined when there are no such files.
 * @throws {CocoError} when they cannot be read: an operator has to judge them
 */
export function judgeUnfinishedRecovery(directory: string): UnfinishedRecovery | undefined {
  const all = listLedgerFiles([directory], "include");
  const own = all.filter(({ path }) => path.endsWith(recoverySuffix));
  if (own.length === 0) return undefined;
  let status: string | undefined;
  let signedStatus: string | undefined;
  const files = new LedgerFileSet();
  try {
    for (const { file } of orderLedgerFiles(own, "any").chunks) {
      for (const { bytes } of new ChunkReader(files.file(file)).entries()) {
        const writeSet = readPublic(decodeLedgerEntry(bytes));
        status = readStatus(writeSet) ?? status;
        if (isSignatureWriteSet(writeSet)) signedStatus = status;
      }
    }
  } finally {
    files.close();
  }
  // A recovery begins with a row of the service. Files without one follow files renamed already.
  return status === undefined || signedStatus === "Open" ? "adopt" : "drop";
}

function readStatus(writeSet: WriteSet): string | undefined {
  const row = findSingleton(writeSet, ledgerTable.service);
  if (row === undefined) return undefined;
  return readServiceRow(row).status;
}

/**
 * Carries out what `judgeUnfinishedRecovery` found. Cut short at any file, the rest is judged the
 * same: renaming leaves the end of the ledger for last, removing the beginning.
 */
export function settleUnfinishedRecovery(directory: string, verdict: UnfinishedRecovery): void {
  const files = listLedgerFiles([directory], "include").filter(({ path }) =>
    path.endsWith(recoverySuffix),
  );
  const startOf = ({ name }: StoredFile) => parseChunkName(name)!.startSeqno;
  files.sort((left, right) => startOf(left) - startOf(right));
  if (verdict === "drop") for (const { path } of files.reverse()) unlinkSync(path);
  else for (const { path, name } of files) renameSync(path, join(directory, name));
}

/**
 * Raw entries of this node's ledger for other nodes: late ones from memory, older ones from the
 * ledger files. The files belong to the host; each entry is encrypted and authenticated, and
 * whoever receives it checks that.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { decodeLedgerEntry, type LedgerBatch, parseChunkName } from "@coco/store";

export interface EntrySupplyOptions {
  /** The node's own directory first, then read-only ones. */
  readonly directories: readonly string[];
  /** View of the entry at a seqno in this node's ledger. */
  readonly viewOf: (seqno: number) => number | undefined;
  /** Bytes that are kept in memory. */
  readonly sizeBytesMax?: number;
}

/** Consecutive entries, one after the other. */
interface Segment {
  readonly startSeqno: number;
  readonly endSeqno: number;
  readonly bytes: Uint8Array;
  /** Where each entry begins, and where the last one ends. */
  readonly offsets: readonly number[];
}

const defaultSizeBytesMax = 64 * 1024 * 1024;
const headerBytes = 8;
/** Bytes read from a file for one message at most, unless one entry is larger. */
const readBytesMax = 1024 * 1024;

export class EntrySupply {
  readonly #options: EntrySupplyOptions;
  #segments: Segment[] = [];
  #sizeBytes = 0;
  /** Where an entry begins in the open chunk: scans continue there. */
  #hint: { readonly path: string; readonly seqno: number; readonly offset: number } | undefined;
  /** Off while there is nobody to supply. */
  isActive = false;

  constructor(options: EntrySupplyOptions) {
    this.#options = options;
  }

  /** Copies the entries of a batch: its memory will be used again. */
  add(batch: LedgerBatch): void {
    if (!this.isActive) return;
    for (const { bytes, entryOffsets, startSeqno, endSeqno } of batch.writes) {
      if (entryOffsets.length === 0) continue;
      const offsets = [...entryOffsets];
      const last = offsets.at(-1)!;
      offsets.push(last + entrySize(bytes, last));
      const from = offsets[0]!;
      const segment = {
        startSeqno,
        endSeqno,
        bytes: bytes.slice(from, offsets.at(-1)!),
        offsets: offsets.map((offset) => offset - from),
      };
      this.#segments.push(segment);
      this.#sizeBytes += segment.bytes.length;
    }
    const { sizeBytesMax = defaultSizeBytesMax } = this.#options;
    while (this.#sizeBytes > sizeBytesMax && this.#segments.length > 1) {
      this.#sizeBytes -= this.#segments.shift()!.bytes.length;
    }
  }

  /** Entries after `seqno` are gone. */
  rollback(seqno: number): void {
    this.#hint = undefined;
    while (this.#segments.length > 0 && this.#segments.at(-1)!.endSeqno > seqno) {
      const segment = this.#segments.pop()!;
      this.#sizeBytes -= segment.bytes.length;
      if (segment.startSeqno > seqno) continue;
      const count = seqno - segment.startSeqno + 1;
      const bytes = segment.bytes.slice(0, segment.offsets[count]!);
      const offsets = segment.offsets.slice(0, count + 1);
      this.#segments.push({ startSeqno: segment.startSeqno, endSeqno: seqno, bytes, offsets });
      this.#sizeBytes += bytes.length;
    }
  }

  /** The bytes of all entries of a range; undefined when one is not at hand now. */
  read(firstSeqno: number, lastSeqno: number): Uint8Array[] | undefined {
    const parts: Uint8Array[] = [];
    let seqno = firstSeqno;
    while (seqno <= lastSeqno) {
      const segment = this.#segmentOf(seqno);
      if (segment === undefined) {
        const read = this.#readFiles(seqno, lastSeqno);
        if (read === undefined) return undefined;
        parts.push(read.bytes);
        seqno = read.next;
        continue;
      }
      const from = segment.offsets[seqno - segment.startSeqno]!;
      const end = Math.min(lastSeqno, segment.endSeqno);
      parts.push(segment.bytes.subarray(from, segment.offsets[end - segment.startSeqno + 1]!));
      seqno = end + 1;
    }
    return parts;
  }

  #segmentOf(seqno: number): Segment | undefined {
    const segments = this.#segments;
    let low = 0;
    let high = segments.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const segment = segments[middle]!;
      if (segment.endSeqno < seqno) low = middle + 1;
      else if (segment.startSeqno > seqno) high = middle - 1;
      else return segment;
    }
    return undefined;
  }

  /** Entries of one file, as many as one read gives. */
  #readFiles(
    firstSeqno: number,
    lastSeqno: number,
  ): { readonly bytes: Uint8Array; readonly next: number } | undefined {
    const path = this.#fileOf(firstSeqno);
    if (path === undefined) return undefined;
    const descriptor = openSync(path, "r");
    try {
      return this.#readFile(descriptor, path, firstSeqno, lastSeqno);
    } finally {
      closeSync(descriptor);
    }
  }

  #fileOf(seqno: number): string | undefined {
    for (const directory of this.#options.directories) {
      for (const name of readdirSync(directory)) {
        const chunk = parseChunkName(name);
        if (chunk === undefined || chunk.isIgnored || chunk.isRecovery) continue;
        const end = chunk.endSeqno ?? Number.POSITIVE_INFINITY;
        if (chunk.startSeqno <= seqno && seqno <= end) return join(directory, name);
      }
    }
    return undefined;
  }

  #readFile(
    descriptor: number,
    path: string,
    firstSeqno: number,
    lastSeqno: number,
  ): { readonly bytes: Uint8Array; readonly next: number } | undefined {
    const place = this.#placeOf(descriptor, path, firstSeqno);
    if (place === undefined) return undefined;
    const wanted = Math.min(readBytesMax, place.endOffset - place.offset);
    let bytes = readAt(descriptor, place.offset, wanted);
    let seqno = firstSeqno;
    let position = 0;
    while (seqno <= lastSeqno && position + headerBytes <= bytes.length) {
      const sizeBytes = entrySize(bytes, position);
      if (position + sizeBytes > bytes.length) {
        if (position > 0 || place.offset + sizeBytes > place.endOffset) break;
        bytes = readAt(descriptor, place.offset, sizeBytes);
        if (bytes.length < sizeBytes) return undefined;
      }
      if (!this.#isOwn(bytes.subarray(position, position + sizeBytes), seqno)) return undefined;
      position += sizeBytes;
      seqno++;
    }
    if (seqno === firstSeqno) return undefined;
    if (!place.hasTable) this.#hint = { path, seqno, offset: place.offset + position };
    return { bytes: bytes.subarray(0, position), next: seqno };
  }

  /** What was rolled back can still be in the file: it has another view. */
  #isOwn(bytes: Uint8Array, seqno: number): boolean {
    try {
      const { txId } = decodeLedgerEntry(bytes);
      return txId.seqno === seqno && txId.view === this.#options.viewOf(seqno);
    } catch {
      return false;
    }
  }

  #placeOf(
    descriptor: number,
    path: string,
    seqno: number,
  ):
    | { readonly offset: number; readonly endOffset: number; readonly hasTable: boolean }
    | undefined {
    const header = readAt(descriptor, 0, headerBytes);
    if (header.length < headerBytes) return undefined;
    const sizeBytes = fstatSync(descriptor).size;
    const table = Number(header.readBigUInt64LE(0));
    const { startSeqno } = parseChunkName(path.slice(path.lastIndexOf("/") + 1))!;
    if (table > 0) {
      const position = readAt(descriptor, table + 4 * (seqno - startSeqno), 4);
      if (position.length < 4) return undefined;
      return { offset: position.readUInt32LE(0), endOffset: table, hasTable: true };
    }
    const hint = this.#hint;
    const isNear = hint !== undefined && hint.path === path && hint.seqno <= seqno;
    let at = isNear ? hint : { seqno: startSeqno, offset: headerBytes };
    while (at.seqno < seqno) {
      const entry = readAt(descriptor, at.offset, headerBytes);
      if (entry.length < headerBytes) return undefined;
      at = { seqno: at.seqno + 1, offset: at.offset + entrySize(entry, 0) };
    }
    if (at.offset >= sizeBytes) return undefined;
    return { offset: at.offset, endOffset: sizeBytes, hasTable: false };
  }
}

/** Whole size of the entry that begins at `offset`, from its header. */
export function entrySize(bytes: Uint8Array, offset: number): number {
  let rest = 0;
  for (let index = 7; index >= 2; index--) rest = rest * 256 + bytes[offset + index]!;
  return rest + headerBytes;
}

function readAt(descriptor: number, offset: number, lengthBytes: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Math.max(0, lengthBytes));
  return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, offset));
}

/** Encodes a snapshot in pieces, from a store that goes on changing. */
import { assert, utf8ToBytes } from "@coco/base";
import { ByteWriter } from "./byte-writer.ts";
import type { ScannedTable, Seqno, StoreScan } from "./kv/types.ts";
import {
  encodeEntryHeader,
  encodeEntryIv,
  entryHeaderBytes,
  entryPrefixBytes,
  gcmHeaderBytes,
} from "./ledger-entry.ts";
import { encodeSnapshotHead, encodeSnapshotRow, snapshotRowSizeBytes } from "./snapshot.ts";
import type { TxId } from "./tx-id.ts";
import { isPublicMap } from "./write-set.ts";

/** A part of the entry after its prefix, in order; valid until the next call. */
export interface SnapshotPart {
  /** Public bytes are additional data of the encryption; private ones are to be encrypted. */
  readonly domain: "public" | "private";
  readonly bytes: Uint8Array;
}

export interface SnapshotStreamOptions {
  readonly scan: StoreScan;
  /**
   * The scan's seqno and the present view. Together they make the IV, so in one view only one
   * snapshot of a seqno may be taken: rows come in no fixed order.
   */
  readonly txId: TxId;
  readonly hashAtSnapshot: Uint8Array;
  readonly viewHistory: readonly number[];
}

/** A part ends after this many bytes, and after the row in which it has reached them. */
const partSizeBytesMax = 256 * 1024;
const rowsPerCheck = 16;

/** The size of one row, for `Store.beginScan`. */
export function scannedRowSizeBytes(key: string, value: string): number {
  return snapshotRowSizeBytes(key, value);
}

/** Measures first, then gives the prefix and the parts. */
export class SnapshotStream {
  readonly #options: SnapshotStreamOptions;
  readonly #writer = new ByteWriter(partSizeBytesMax * 2);
  readonly #head = new ByteWriter(1024);
  /** Public ones first. */
  readonly #tables: readonly ScannedTable[];
  #tableIndex = 0;
  #isTableBegun = false;
  #isHeadGiven = false;
  #isMeasured = false;
  #rowCount = 0;

  constructor(options: SnapshotStreamOptions) {
    this.#options = options;
    assert(options.txId.seqno === options.scan.seqno, "a snapshot is of the scanned state");
    const tables = options.scan.tables();
    const isPublic = ({ name }: ScannedTable) => isPublicMap(name);
    this.#tables = [...tables.filter(isPublic), ...tables.filter((table) => !isPublic(table))];
    encodeSnapshotHead(this.#head, options);
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** @returns whether everything is measured; call it again otherwise */
  measure(isTimeUp: () => boolean): boolean {
    while (this.#tableIndex < this.#tables.length) {
      if (!this.#tables[this.#tableIndex]!.measure(isTimeUp)) return false;
      this.#tableIndex++;
    }
    this.#tableIndex = 0;
    this.#isMeasured = true;
    return true;
  }

  /** Of the whole entry, when it is measured. */
  get sizeBytes(): number {
    return entryPrefixBytes + this.#domainSizeBytes("public") + this.#domainSizeBytes("private");
  }

  get iv(): Uint8Array {
    const iv = new Uint8Array(12);
    encodeEntryIv(iv, 0, this.#options.txId, true);
    return iv;
  }

  /** Header, tag, IV and length of the public domain: 44 bytes, once the tag is known. */
  prefix(tag: Uint8Array): Uint8Array {
    assert(this.#isMeasured && tag.length === 16, "the prefix is made when everything is known");
    const prefix = new ByteWriter(entryPrefixBytes);
    prefix.zeros(entryPrefixBytes);
    encodeEntryHeader(prefix.bytes, 0, 0, this.sizeBytes);
    prefix.bytes.set(tag, entryHeaderBytes);
    prefix.bytes.set(this.iv, entryHeaderBytes + 16);
    prefix.patchU64(entryHeaderBytes + gcmHeaderBytes, this.#domainSizeBytes("public"));
    return prefix.bytes;
  }

  /** The next part; undefined at the end. */
  next(isTimeUp: () => boolean): SnapshotPart | undefined {
    assert(this.#isMeasured, "lengths come before contents");
    const writer = this.#writer;
    writer.length = 0;
    if (!this.#isHeadGiven) {
      this.#isHeadGiven = true;
      return { domain: "public", bytes: this.#head.bytes.subarray(0, this.#head.length) };
    }
    const first = this.#tables[this.#tableIndex];
    if (first === undefined) return undefined;
    const domain = domainOf(first);
    while (this.#tableIndex < this.#tables.length) {
      const table = this.#tables[this.#tableIndex]!;
      if (domainOf(table) !== domain) break;
      if (!this.#appendTable(table, isTimeUp)) break;
      this.#tableIndex++;
      this.#isTableBegun = false;
    }
    return { domain, bytes: writer.bytes.subarray(0, writer.length) };
  }

  /** @returns whether the table is finished */
  #appendTable(table: ScannedTable, isTimeUp: () => boolean): boolean {
    const writer = this.#writer;
    if (!this.#isTableBegun) {
      writer.sized(utf8ToBytes(table.name));
      writer.u64(table.version);
      writer.u64(table.sizeBytes);
      this.#isTableBegun = true;
    }
    const visit = (key: string, value: string, version: Seqno): void => {
      this.#rowCount++;
      encodeSnapshotRow(writer, { key, value, version });
    };
    let count = 0;
    return table.read(visit, () => {
      if (writer.length >= partSizeBytesMax) return true;
      return ++count % rowsPerCheck === 0 && isTimeUp();
    });
  }

  #domainSizeBytes(domain: SnapshotPart["domain"]): number {
    let size = domain === "public" ? this.#head.length : 0;
    for (const table of this.#tables) {
      if (domainOf(table) === domain) size += mapHeadSizeBytes(table) + table.sizeBytes;
    }
    return size;
  }
}

function domainOf({ name }: ScannedTable): SnapshotPart["domain"] {
  return isPublicMap(name) ? "public" : "private";
}

function mapHeadSizeBytes({ name }: ScannedTable): number {
  return 24 + utf8ToBytes(name).length;
}

import {
  type Aead,
  assert,
  bytesToHex,
  bytesToUtf8,
  type Certificates,
  type CocoError,
  equalBytes,
  type Hash,
  isCocoError,
  utf8ToBytes,
  type Verifier,
} from "@coco/base";
import { ByteReader } from "./byte-reader.ts";
import { type ByteText, ByteWriter } from "./byte-writer.ts";
import { openEntry } from "./entry-decryption.ts";
import { ledgerErrors } from "./errors.ts";
import { parseJson } from "./json-record.ts";
import {
  decodeEntryHeader,
  decodeLedgerEntry,
  encodeEntryHeader,
  encodeEntryIv,
  entryHeaderBytes,
  entryPrefixBytes,
  entryType,
  gcmHeaderBytes,
  type LedgerEntry,
} from "./ledger-entry.ts";
import {
  parseReceipt,
  type Receipt,
  type ReceiptExpectation,
  receiptRefusal,
  type VerifiedReceipt,
  verifyReceipt,
} from "./receipt.ts";
import type { TxId } from "./tx-id.ts";
import { isPublicMap } from "./write-set.ts";

/** One row of a map in a snapshot. */
export interface SnapshotRow<B extends ByteText = Uint8Array> {
  readonly key: B;
  readonly value: B;
  /** Transaction that wrote it last. */
  readonly version: number;
}

export interface SnapshotMap<B extends ByteText = Uint8Array> {
  readonly name: string;
  /** Transaction that wrote the map last. */
  readonly version: number;
  readonly rows: Iterable<SnapshotRow<B>>;
}

/** The state of the store at one transaction, which is a signature. */
export interface SnapshotContent<B extends ByteText = Uint8Array> {
  /** The view is that of the IV, which other services write as 0. */
  readonly txId: TxId;
  /** Leaf of that transaction in the Merkle tree; 32 bytes, or empty. */
  readonly hashAtSnapshot: Uint8Array;
  /** First sequence number of each view, from view 1 on. */
  readonly viewHistory: readonly number[];
  readonly maps: Iterable<SnapshotMap<B>>;
}

/** A snapshot file: one entry of type 1, then the receipt of its evidence. */
export interface SnapshotFile {
  readonly entry: LedgerEntry;
  /** The public maps; rows are views into the file. */
  readonly content: SnapshotContent & { readonly maps: readonly SnapshotMap[] };
  /** JSON; undefined while the evidence is not committed, and in files of version 1. */
  readonly receipt: Receipt | undefined;
}

function failSnapshot(detail: string, offset: number): CocoError {
  return ledgerErrors.create("BadSnapshot", `${detail} at byte ${offset}`, { offset });
}

/** Rows are padded so that each key and each value begins at a multiple of 8 within its map. */
function padding(sizeBytes: number): number {
  return -sizeBytes & 7;
}

/** What `encodeSnapshotRow` writes for a row. */
export function snapshotRowSizeBytes(key: ByteText, value: ByteText): number {
  const keySize = key.length + padding(key.length);
  return 24 + keySize + value.length + padding(value.length);
}

export function encodeSnapshotRow(writer: ByteWriter, row: SnapshotRow<ByteText>): void {
  writer.sized(row.key);
  writer.zeros(padding(row.key.length));
  writer.u64(row.value.length + 8);
  writer.u64(row.version);
  writer.text(row.value);
  writer.zeros(padding(row.value.length));
}

function encodeMap(writer: ByteWriter, map: SnapshotMap<ByteText>): void {
  writer.sized(utf8ToBytes(map.name));
  writer.u64(map.version);
  const sizeAt = writer.length;
  writer.u64(0);
  for (const row of map.rows) encodeSnapshotRow(writer, row);
  writer.patchU64(sizeAt, writer.length - sizeAt - 8);
}

/** The begin of the public domain, before its maps. */
export function encodeSnapshotHead(
  writer: ByteWriter,
  content: Pick<SnapshotContent<ByteText>, "txId" | "hashAtSnapshot" | "viewHistory">,
): void {
  writer.u8(entryType.snapshot);
  writer.u64(content.txId.seqno);
  writer.u64(0);
  writer.sized(content.hashAtSnapshot);
  writer.u64(content.viewHistory.length * 8);
  for (const seqno of content.viewHistory) writer.u64(seqno);
}

/**
 * Encodes the snapshot entry. Public maps are written in clear, the others encrypted.
 * @param key ledger secret in force at the snapshot, 32 bytes
 * @param content its maps in the order in which they are to be written
 */
export function encodeSnapshot(
  aead: Aead,
  key: Uint8Array,
  content: SnapshotContent<ByteText>,
): Uint8Array {
  const writer = new ByteWriter();
  writer.zeros(entryPrefixBytes);
  const domainStart = writer.length;
  encodeSnapshotHead(writer, content);
  const maps = [...content.maps];
  for (const map of maps) if (isPublicMap(map.name)) encodeMap(writer, map);
  const privateStart = writer.length;
  for (const map of maps) if (!isPublicMap(map.name)) encodeMap(writer, map);
  writer.patchU64(domainStart - 8, privateStart - domainStart);
  const bytes = writer.bytes.subarray(0, writer.length);
  encodeEntryHeader(bytes, 0, 0, bytes.length);
  const iv = bytes.subarray(entryHeaderBytes + 16, entryHeaderBytes + gcmHeaderBytes);
  encodeEntryIv(iv, 0, content.txId, true);
  const sealed = aead.seal(
    key,
    iv,
    bytes.subarray(privateStart),
    bytes.subarray(domainStart, privateStart),
  );
  assert(sealed.ciphertext.length === bytes.length - privateStart, "GCM keeps the length");
  bytes.set(sealed.ciphertext, privateStart);
  bytes.set(sealed.tag, entryHeaderBytes);
  return bytes;
}

function decodeRow(reader: ByteReader): SnapshotRow | undefined {
  const key = reader.sized("key");
  reader.take(padding(key.length), "padding");
  const size = reader.u64("value size");
  if (size < 8) throw reader.error("a value is too short for its version");
  // Deletions were kept in snapshots of earlier versions, with a negative version and no value.
  const isDeleted = reader.left >= 8 && reader.bytes[reader.offset + 7]! >= 0x80;
  const version = isDeleted ? 0 : reader.u64("version");
  if (isDeleted) reader.take(8, "version");
  const value = reader.take(size - 8, "value");
  reader.take(padding(size), "padding");
  return isDeleted ? undefined : { key, value, version };
}

function decodeMaps(reader: ByteReader): SnapshotMap[] {
  const maps: SnapshotMap[] = [];
  while (reader.left > 0) {
    let name: string;
    const nameBytes = reader.sized("map name");
    try {
      name = bytesToUtf8(nameBytes);
    } catch {
      throw reader.error("a map name is not UTF-8");
    }
    const version = reader.u64("map version");
    const size = reader.u64("map size");
    if (size > reader.left) throw reader.error("a map is larger than the snapshot");
    const end = reader.offset + size;
    const rows: SnapshotRow[] = [];
    const inner = new ByteReader(reader.bytes, failSnapshot, reader.offset, end);
    while (inner.left > 0) {
      const row = decodeRow(inner);
      if (row !== undefined) rows.push(row);
    }
    reader.offset = end;
    maps.push({ name, version, rows });
  }
  return maps;
}

function decodeReceipt(bytes: Uint8Array): Receipt | undefined {
  if (bytes.length === 0) return undefined;
  const fail = (detail: string) => ledgerErrors.create("BadSnapshot", `receipt: ${detail}`);
  try {
    return parseReceipt(parseJson(bytes, fail));
  } catch (cause) {
    if (isCocoError(cause) && cause.code === "BadReceipt") throw fail(cause.message);
    throw cause;
  }
}

/**
 * Decodes a snapshot file without its private maps. Nothing is verified yet.
 * @throws {CocoError} BadSnapshot
 */
export function decodeSnapshotFile(bytes: Uint8Array): SnapshotFile {
  let entry: LedgerEntry;
  try {
    const { sizeBytes } = decodeEntryHeader(bytes);
    if (sizeBytes > bytes.length) throw failSnapshot("the file is cut off", bytes.length);
    entry = decodeLedgerEntry(bytes.subarray(0, sizeBytes));
  } catch (cause) {
    if (!isCocoError(cause) || cause.code !== "BadEntry") throw cause;
    throw ledgerErrors.create("BadSnapshot", cause.message, cause.facts, cause);
  }
  if (entry.type !== entryType.snapshot) throw failSnapshot("not a snapshot", entryPrefixBytes);
  const reader = new ByteReader(entry.publicDomain, failSnapshot, entry.mapsOffset);
  const hashAtSnapshot = reader.sized("hash");
  const viewBytes = reader.u64("view history");
  if (viewBytes % 8 !== 0 || viewBytes > reader.left) throw reader.error("the view history");
  const viewHistory = Array.from({ length: viewBytes / 8 }, () => reader.u64("view history"));
  return {
    entry,
    content: { txId: entry.txId, hashAtSnapshot, viewHistory, maps: decodeMaps(reader) },
    receipt: decodeReceipt(bytes.subarray(entry.bytes.length)),
  };
}

/**
 * Decrypts the private maps. That authenticates the public ones too.
 * @param key ledger secret in force at the snapshot
 * @throws {CocoError} WrongSecret, BadSnapshot
 */
export function decryptSnapshotMaps(
  aead: Aead,
  entry: LedgerEntry,
  key: Uint8Array,
): SnapshotMap[] {
  let plain: Uint8Array;
  try {
    plain = openEntry(aead, key, entry);
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    throw ledgerErrors.create("WrongSecret", "the snapshot", {}, cause);
  }
  return decodeMaps(new ByteReader(plain, failSnapshot));
}

/** What the evidence of a snapshot, and the claims of its transaction, commit to. */
export function snapshotDigest(hash: Hash, entry: LedgerEntry): Uint8Array {
  return new Uint8Array(hash.sha256(entry.bytes));
}

/**
 * Verifies that the service committed exactly this snapshot: the receipt's claims digest is the
 * digest of the entry, and the receipt leads to the service.
 * @throws {CocoError} BadSnapshot when there is no receipt, ReceiptNotVerified
 */
export function verifySnapshot(
  crypto: Hash & Verifier & Certificates,
  snapshot: SnapshotFile,
  expected: Pick<ReceiptExpectation, "serviceCertificate">,
): VerifiedReceipt {
  const { receipt, entry } = snapshot;
  if (receipt === undefined) throw ledgerErrors.create("BadSnapshot", "it has no receipt");
  const digest = snapshotDigest(crypto, entry);
  if ("root" in receipt.leaf || receipt.leaf.claimsDigest === undefined) {
    throw receiptRefusal("claims", "the snapshot's receipt has no claims");
  }
  if (!equalBytes(receipt.leaf.claimsDigest, digest)) {
    throw receiptRefusal("claims", "the snapshot is not the one that was committed");
  }
  return verifyReceipt(crypto, receipt, { ...expected, claimsDigest: digest });
}

/** The row that records a snapshot in its table of evidence, as JSON. */
export function createSnapshotEvidence(digest: Uint8Array, seqno: number): Uint8Array {
  return utf8ToBytes(JSON.stringify({ hash: bytesToHex(digest), version: seqno }));
}

export interface SnapshotName {
  readonly seqno: number;
  readonly evidenceSeqno: number;
  readonly isCommitted: boolean;
}

const snapshotPattern = /^snapshot_([1-9][0-9]{0,15})_([1-9][0-9]{0,15})(\.committed)?$/;

/** Undefined when `name` is not the name of a snapshot file. */
export function parseSnapshotName(name: string): SnapshotName | undefined {
  const match = snapshotPattern.exec(name);
  if (match === null) return undefined;
  const seqno = Number(match[1]);
  const evidenceSeqno = Number(match[2]);
  if (!Number.isSafeInteger(seqno) || !Number.isSafeInteger(evidenceSeqno)) return undefined;
  return { seqno, evidenceSeqno, isCommitted: match[3] !== undefined };
}

/** `snapshot_<seqno>_<evidence seqno>[.committed]`. */
export function formatSnapshotName({ seqno, evidenceSeqno, isCommitted }: SnapshotName): string {
  return `snapshot_${seqno}_${evidenceSeqno}${isCommitted ? ".committed" : ""}`;
}

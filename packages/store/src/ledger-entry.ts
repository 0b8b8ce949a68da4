import { assert, type CocoError } from "@coco/base";
import { ByteReader } from "./byte-reader.ts";
import { ledgerErrors } from "./errors.ts";
import type { TxId } from "./tx-id.ts";

/** First byte of the public domain. Types 0, 2 and 3 were written by earlier versions. */
export const entryType = {
  writeSet: 0,
  snapshot: 1,
  writeSetWithClaims: 2,
  writeSetWithCommitEvidence: 3,
  writeSetWithBoth: 4,
} as const;

/** Flags in the header: the chunk ends after, or before, this entry. */
export const entryFlag = { endChunkAfter: 1, endChunkBefore: 2 } as const;

export const entryHeaderBytes = 8;
/** Tag 16 bytes, IV 12 bytes. */
export const gcmHeaderBytes = 28;
const entryVersion = 1;
/** Bytes before the public domain: header, GCM header, length of the public domain. */
export const entryPrefixBytes = entryHeaderBytes + gcmHeaderBytes + 8;
/** A chunk's position table has 32-bit offsets, so no entry can be as long as this. */
export const entrySizeBytesMax = 0x8000_0000;

export interface EntryHeader {
  readonly flags: number;
  /** Bytes of the entry, this header included. */
  readonly sizeBytes: number;
}

/** One entry, its domains still undecoded. All byte fields are views. */
export interface LedgerEntry {
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly txId: TxId;
  /** The view field's top bit. */
  readonly isSnapshotIv: boolean;
  readonly tag: Uint8Array;
  readonly iv: Uint8Array;
  /** Additional data of the encryption. */
  readonly publicDomain: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly type: number;
  readonly claimsDigest: Uint8Array | undefined;
  readonly commitEvidenceDigest: Uint8Array | undefined;
  /** Where the maps begin in `publicDomain`. */
  readonly mapsOffset: number;
}

function failEntry(detail: string, offset: number): CocoError {
  return ledgerErrors.create("BadEntry", `${detail} at byte ${offset}`, { offset });
}

/**
 * Reads the 8 bytes before an entry: version 1, flags, 48-bit size of the rest.
 * @throws {CocoError} BadEntry
 */
export function decodeEntryHeader(bytes: Uint8Array, offset = 0): EntryHeader {
  if (bytes.length - offset < entryHeaderBytes) throw failEntry("the header is cut off", offset);
  const version = bytes[offset]!;
  const flags = bytes[offset + 1]!;
  if (version !== entryVersion) throw failEntry(`version ${version} is unknown`, offset);
  if (flags > 3) throw failEntry(`flags ${flags} are unknown`, offset + 1);
  let rest = 0;
  for (let index = 7; index >= 2; index--) rest = rest * 256 + bytes[offset + index]!;
  if (rest < gcmHeaderBytes + 8) throw failEntry(`size ${rest} is too small`, offset + 2);
  if (rest + entryHeaderBytes > entrySizeBytesMax) {
    throw failEntry(`size ${rest} is too large`, offset + 2);
  }
  return { flags, sizeBytes: rest + entryHeaderBytes };
}

/** Bytes 0-7 seqno, bytes 8-11 view of 31 bits, top bit 1 for snapshots; little-endian. */
export function encodeEntryIv(target: Uint8Array, offset: number, txId: TxId, isSnapshot = false) {
  assert(txId.view < 0x8000_0000, "a view has 31 bits");
  let seqno = txId.seqno;
  for (let index = 0; index < 8; index++) {
    target[offset + index] = seqno % 256;
    seqno = Math.floor(seqno / 256);
  }
  const view = txId.view;
  target[offset + 8] = view & 0xff;
  target[offset + 9] = (view >> 8) & 0xff;
  target[offset + 10] = (view >> 16) & 0xff;
  target[offset + 11] = ((view >> 24) & 0x7f) | (isSnapshot ? 0x80 : 0);
}

/** Writes the header of an entry of `sizeBytes` bytes. */
export function encodeEntryHeader(
  target: Uint8Array,
  offset: number,
  flags: number,
  sizeBytes: number,
): void {
  target[offset] = entryVersion;
  target[offset + 1] = flags;
  let rest = sizeBytes - entryHeaderBytes;
  for (let index = 2; index < 8; index++) {
    target[offset + index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

function hasClaims(type: number): boolean {
  return type === entryType.writeSetWithClaims || type === entryType.writeSetWithBoth;
}

function hasCommitEvidence(type: number): boolean {
  return type === entryType.writeSetWithCommitEvidence || type === entryType.writeSetWithBoth;
}

/**
 * Decodes the entry that fills `bytes`; snapshots too. The IV must agree with the sequence number
 * in the public domain, so that a node's clear-text index cannot lie about either.
 * @throws {CocoError} BadEntry
 */
export function decodeLedgerEntry(bytes: Uint8Array): LedgerEntry {
  const header = decodeEntryHeader(bytes);
  if (header.sizeBytes !== bytes.length) throw failEntry("the size does not fit", 2);
  const reader = new ByteReader(bytes, failEntry, entryHeaderBytes);
  const tag = reader.take(16, "tag");
  const iv = reader.take(12, "IV");
  const publicDomain = reader.sized("public domain");
  const ciphertext = reader.take(reader.left, "private domain");
  const domainStart = entryPrefixBytes;
  const domain = new ByteReader(bytes, failEntry, domainStart, domainStart + publicDomain.length);
  const type = domain.u8("entry type");
  if (type > 4) throw failEntry(`entry type ${type} is unknown`, domainStart);
  const seqno = domain.u64("sequence number");
  const claimsDigest = hasClaims(type) ? domain.take(32, "claims digest") : undefined;
  const commitEvidenceDigest = hasCommitEvidence(type)
    ? domain.take(32, "commit evidence digest")
    : undefined;
  // Written as 0 today; it was the highest conflicting version in versions before 3.
  domain.take(8, "reserved field");
  const ivReader = new ByteReader(iv, failEntry);
  if (ivReader.u64("IV") !== seqno) throw failEntry("the IV has another sequence number", 24);
  const viewField = ivReader.u32("IV");
  const isSnapshotIv = viewField >= 0x8000_0000;
  if (isSnapshotIv !== (type === entryType.snapshot)) {
    throw failEntry("the IV does not fit the entry type", 35);
  }
  return {
    bytes,
    flags: header.flags,
    txId: { view: viewField % 0x8000_0000, seqno },
    isSnapshotIv,
    tag,
    iv,
    publicDomain,
    ciphertext,
    type,
    claimsDigest,
    commitEvidenceDigest,
    mapsOffset: domain.offset - domainStart,
  };
}

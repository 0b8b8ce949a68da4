import { type Aead, assert } from "@coco/base";
import type { ByteText, ByteWriter } from "./byte-writer.ts";
import {
  encodeEntryHeader,
  encodeEntryIv,
  entryHeaderBytes,
  entryPrefixBytes,
  entryType,
  gcmHeaderBytes,
} from "./ledger-entry.ts";
import { wordsToBytes } from "./sha256.ts";
import { encodeWriteSet, type WriteSet } from "./write-set.ts";

/** The parts of an entry. */
export interface EntryParts {
  readonly view: number;
  readonly seqno: number;
  readonly writeSet: WriteSet<ByteText>;
  /** 32 bytes. */
  readonly claimsDigest: Uint8Array;
  /** 8 words. */
  readonly commitEvidenceDigest: Int32Array;
  /** Ledger secret, 32 bytes. */
  readonly key: Uint8Array;
}

/**
 * Appends one entry of type 4 to `writer`: header (version 1, flags 0, 48-bit size), tag, IV,
 * public domain with its length, encrypted private domain. The private domain is encoded in its
 * place and then encrypted there, with the public domain as additional data.
 * @returns the size of the entry
 */
export function encodeLedgerEntry(writer: ByteWriter, aead: Aead, parts: EntryParts): number {
  assert(parts.claimsDigest.length === 32, "a claims digest has 32 bytes");
  const start = writer.length;
  writer.zeros(entryPrefixBytes);
  const domainStart = writer.length;
  writer.u8(entryType.writeSetWithBoth);
  writer.u64(parts.seqno);
  writer.raw(parts.claimsDigest);
  writer.reserve(40);
  wordsToBytes(parts.commitEvidenceDigest, 0, writer.bytes, writer.length);
  writer.length += 32;
  writer.u64(0);
  encodeWriteSet(writer, parts.writeSet, "public");
  const privateStart = writer.length;
  encodeWriteSet(writer, parts.writeSet, "private");
  writer.patchU64(domainStart - 8, privateStart - domainStart);
  const { bytes, length } = writer;
  encodeEntryHeader(bytes, start, 0, length - start);
  const ivStart = start + entryHeaderBytes + 16;
  assert(ivStart + 12 === start + entryHeaderBytes + gcmHeaderBytes, "the IV ends the GCM header");
  encodeEntryIv(bytes, ivStart, { view: parts.view, seqno: parts.seqno });
  const sealed = aead.seal(
    parts.key,
    bytes.subarray(ivStart, ivStart + 12),
    bytes.subarray(privateStart, length),
    bytes.subarray(domainStart, privateStart),
  );
  assert(sealed.ciphertext.length === length - privateStart, "GCM keeps the length");
  assert(sealed.tag.length === 16, "the tag has 16 bytes");
  bytes.set(sealed.ciphertext, privateStart);
  bytes.set(sealed.tag, start + entryHeaderBytes);
  return length - start;
}

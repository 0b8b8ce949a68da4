import type { Hash } from "@coco/base";
import { latin1ToBytes } from "@coco/base";
import { entryType, type LedgerEntry } from "./ledger-entry.ts";
import {
  bytesToWords,
  createHmacKey,
  emptyHashState,
  finishHash,
  type HmacKey,
  hmacShort,
  wordsToBytes,
} from "./sha256.ts";
import type { TxId } from "./tx-id.ts";

/** The digest that stands for "no claims": 32 zero bytes. */
export const noClaimsDigest: Uint8Array = new Uint8Array(32);

const commitSecretLabel = latin1ToBytes("Commit S");
const hexAlphabet = latin1ToBytes("0123456789abcdef");

/** The longest text is `ce:`, two numbers of 16 digits, two separators and 64 digits. */
const evidenceScratch = new Uint8Array(192);
const nonceScratch = new Uint8Array(128);
const nonceWords = new Int32Array(8);
const nonceBytes = new Uint8Array(32);

function writeDecimal(target: Uint8Array, offset: number, value: number): number {
  if (value >= 10_000_000_000) {
    const text = String(value);
    for (let index = 0; index < text.length; index++) {
      target[offset + index] = text.charCodeAt(index);
    }
    return offset + text.length;
  }
  let digits = 1;
  for (let limit = 10; limit <= value; limit *= 10) digits++;
  let rest = value;
  for (let index = offset + digits - 1; index >= offset; index--) {
    const tenth = Math.floor(rest / 10);
    target[index] = 48 + (rest - tenth * 10);
    rest = tenth;
  }
  return offset + digits;
}

function writeTxId(target: Uint8Array, offset: number, view: number, seqno: number): number {
  const dot = writeDecimal(target, offset, view);
  target[dot] = 0x2e;
  return writeDecimal(target, dot + 1, seqno);
}

/**
 * Derives commit evidence: a text that only a holder of the ledger secret can know before the
 * transaction is committed. Its digest is in the ledger, the text is in receipts.
 *
 * commit secret = HMAC-SHA-256(ledger secret, "Commit S");
 * nonce = HMAC-SHA-256(commit secret, "view.seqno"); text = "ce:view.seqno:" + hex(nonce).
 */
export class CommitEvidence {
  readonly #key: HmacKey;

  /** @param ledgerSecret 32 bytes */
  constructor(ledgerSecret: Uint8Array, hash: Hash) {
    this.#key = createHmacKey(hash.hmacSha256(ledgerSecret, commitSecretLabel));
  }

  /** Writes the text into the scratch buffer; returns its length. */
  #write(view: number, seqno: number): number {
    const idLength = writeTxId(nonceScratch, 0, view, seqno);
    hmacShort(this.#key, nonceScratch, idLength, nonceWords);
    wordsToBytes(nonceWords, 0, nonceBytes);
    evidenceScratch[0] = 0x63;
    evidenceScratch[1] = 0x65;
    evidenceScratch[2] = 0x3a;
    let at = writeTxId(evidenceScratch, 3, view, seqno);
    evidenceScratch[at++] = 0x3a;
    for (const byte of nonceBytes) {
      evidenceScratch[at++] = hexAlphabet[byte >> 4]!;
      evidenceScratch[at++] = hexAlphabet[byte & 15]!;
    }
    return at;
  }

  text(txId: TxId): string {
    const length = this.#write(txId.view, txId.seqno);
    return String.fromCharCode(...evidenceScratch.subarray(0, length));
  }

  /** SHA-256 of the text, as 8 words in `output`. */
  digestWords(view: number, seqno: number, output: Int32Array): void {
    finishHash(emptyHashState, evidenceScratch, this.#write(view, seqno), output);
  }

  digest(txId: TxId): Uint8Array {
    const output = new Int32Array(8);
    this.digestWords(txId.view, txId.seqno, output);
    return wordsToBytes(output);
  }
}

const leafScratch = new Uint8Array(128);

/** Merkle leaf of a transaction of the current type, in 8 words. */
export function leafToWords(
  writeSetDigest: Uint8Array,
  commitEvidenceDigest: Int32Array,
  claimsDigest: Uint8Array,
  output: Int32Array,
): void {
  leafScratch.set(writeSetDigest);
  wordsToBytes(commitEvidenceDigest, 0, leafScratch, 32);
  leafScratch.set(claimsDigest, 64);
  finishHash(emptyHashState, leafScratch, 96, output);
}

/** What a receipt reveals of a leaf. */
export interface LeafComponents {
  readonly writeSetDigest: Uint8Array;
  readonly commitEvidence: string;
  readonly claimsDigest: Uint8Array;
}

/** SHA-256(write set digest || SHA-256(commit evidence) || claims digest). */
export function leafComponentsToDigest(hash: Hash, components: LeafComponents): Uint8Array {
  const evidence = hash.sha256(latin1ToBytes(components.commitEvidence));
  const output = new Int32Array(8);
  leafToWords(components.writeSetDigest, bytesToWords(evidence), components.claimsDigest, output);
  return wordsToBytes(output);
}

/**
 * The Merkle leaf of an entry as read from a ledger: the digest of all its bytes, joined with the
 * commit evidence digest and the claims digest as far as its type has them.
 */
export function entryToLeaf(hash: Hash, entry: LedgerEntry): Uint8Array {
  const writeSetDigest = hash.sha256(entry.bytes);
  if (entry.type === entryType.writeSet) return new Uint8Array(writeSetDigest);
  const { commitEvidenceDigest, claimsDigest } = entry;
  const joined = new Uint8Array(
    32 + (commitEvidenceDigest?.length ?? 0) + (claimsDigest?.length ?? 0),
  );
  joined.set(writeSetDigest);
  if (commitEvidenceDigest !== undefined) joined.set(commitEvidenceDigest, 32);
  if (claimsDigest !== undefined) joined.set(claimsDigest, joined.length - 32);
  return new Uint8Array(hash.sha256(joined));
}

import { type Aead, type CocoError, equalBytes, isCocoError } from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import type { LedgerEntry } from "./ledger-entry.ts";
import type { LedgerSecrets } from "./ledger-secrets.ts";
import { txIdToText } from "./tx-id.ts";
import { decodeWriteSet, type WriteSet } from "./write-set.ts";

function fail(entry: LedgerEntry, detail: string, cause?: unknown): CocoError {
  const txId = txIdToText(entry.txId);
  return ledgerErrors.create("WrongSecret", `${txId}: ${detail}`, { txId }, cause);
}

/** The private domain in clear. @throws {CocoError} DecryptionFailed */
export function openEntry(aead: Aead, key: Uint8Array, entry: LedgerEntry): Uint8Array {
  const { iv, ciphertext, tag, publicDomain } = entry;
  const plain = aead.open(key, iv, ciphertext, tag, publicDomain);
  // Platforms give subclasses whose `slice` shares memory; readers expect the plain class.
  return new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
}

/**
 * Decrypts the private part of a transaction. That authenticates the public part too.
 * @throws {CocoError} SecretMissing, WrongSecret, BadWriteSet
 */
export function decryptEntry(aead: Aead, entry: LedgerEntry, secrets: LedgerSecrets): WriteSet {
  const { key } = secrets.at(entry.txId.seqno);
  try {
    return decodeWriteSet(openEntry(aead, key, entry), "private");
  } catch (cause) {
    if (!isCocoError(cause) || cause.code !== "DecryptionFailed") throw cause;
    throw fail(entry, "the key does not fit, or the bytes were changed", cause);
  }
}

/**
 * Recomputes the commit evidence of a transaction and compares it with the recorded digest.
 * @returns false when the transaction records none
 * @throws {CocoError} SecretMissing, WrongSecret
 */
export function checkCommitEvidence(entry: LedgerEntry, secrets: LedgerSecrets): boolean {
  const recorded = entry.commitEvidenceDigest;
  if (recorded === undefined) return false;
  const { commitEvidence } = secrets.at(entry.txId.seqno);
  if (!equalBytes(commitEvidence.digest(entry.txId), recorded)) {
    throw fail(entry, "its commit evidence does not come from the ledger secret");
  }
  return true;
}

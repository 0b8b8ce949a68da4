/** Checks entries of the primary before a backup takes them. */
import { bytesToHex, type Crypto, equalBytes } from "@coco/base";
import {
  type Changes,
  checkCoseSignature,
  decryptEntry,
  type LedgerSecrets,
  type MerkleTree,
  readSignature,
  type TxId,
  type WriteSet,
  writeSetToChanges,
} from "@coco/store";
import type { ReceivedEntry } from "./consensus-driver.ts";
import { nodeErrors } from "./errors.ts";

export interface VerificationOptions {
  readonly crypto: Crypto;
  readonly secrets: LedgerSecrets;
  readonly tree: MerkleTree;
  /** DER SubjectPublicKeyInfo of the service. */
  readonly servicePublicKey: Uint8Array;
  /** Transaction that created the service: those before it are covered by later signatures. */
  readonly createSeqno: number;
}

/**
 * Decrypts, which authenticates the public part too, and checks roots and signatures.
 * @returns what the entry changes
 * @throws {CocoError} LedgerNotOurs and of the ledger formats
 */
export function verifyReceived(options: VerificationOptions, received: ReceivedEntry): Changes {
  const { entry, publicPart, isSignature } = received;
  const secret = decryptEntry(options.crypto, entry, options.secrets);
  const writeSet = { maps: [...publicPart.maps, ...secret.maps] };
  if (isSignature && entry.txId.seqno >= options.createSeqno)
    checkRoot(options, writeSet, entry.txId);
  return writeSetToChanges(writeSet);
}

/** @throws {CocoError} LedgerNotOurs */
export function checkRoot(
  options: Omit<VerificationOptions, "secrets" | "createSeqno">,
  writeSet: WriteSet,
  txId: TxId,
): void {
  const { crypto, servicePublicKey, tree } = options;
  const { root, cose } = readSignature(writeSet);
  const actual = tree.root(txId.seqno);
  const problem = !equalBytes(root, actual)
    ? `its root is ${bytesToHex(root)}, the entries give ${bytesToHex(actual)}`
    : cose === undefined
      ? "it has no signature of the service"
      : checkCoseSignature(crypto, cose, servicePublicKey, root);
  if (problem === undefined) return;
  const place = `signature ${txId.view}.${txId.seqno}: ${problem}`;
  throw nodeErrors.create("LedgerNotOurs", place, { seqno: txId.seqno });
}

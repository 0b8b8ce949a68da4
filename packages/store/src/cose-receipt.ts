import {
  type CborValue,
  type Certificates,
  type CocoError,
  type CoseSign1,
  decodeCbor,
  decodeCoseSign1,
  encodeCbor,
  encodeCoseSign1,
  type Hash,
  isCocoError,
  pemToDer,
  type Verifier,
  verifyCoseSign1,
} from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import { foldProof, type ProofStep } from "./merkle-tree.ts";
import {
  checkExpectation,
  commitEvidencePattern,
  type ReceiptExpectation,
  receiptRefusal,
  type VerifiedReceipt,
} from "./receipt.ts";
import { checkCoseSignature, coseTxId } from "./signature-transaction.ts";
import { type LeafComponents, leafComponentsToDigest } from "./transaction-digest.ts";

/** Unprotected header of verifiable proofs. @source COSE receipts draft, section 4 */
const verifiableProofs = 396;
const inclusionProofs = -1;
const proofLeaf = 1;
const proofPath = 2;
const proofStepsMax = 53;

/** A proof that the service key itself signed. */
export interface CoseReceipt {
  readonly cose: CoseSign1;
  readonly leaf: LeafComponents;
  readonly proof: readonly ProofStep[];
}

function malformed(detail: string): CocoError {
  return ledgerErrors.create("BadReceipt", detail);
}

/**
 * Puts the proof of one transaction into the service's signature over the root.
 * @param rootSignature the COSE_Sign1 of the signature transaction that covers it
 */
export function createCoseReceipt(
  rootSignature: Uint8Array,
  leaf: LeafComponents,
  proof: readonly ProofStep[],
): Uint8Array {
  const cose = decodeCoseSign1(rootSignature);
  const inclusion = encodeCbor(
    new Map<CborValue, CborValue>([
      [proofLeaf, [leaf.writeSetDigest, leaf.commitEvidence, leaf.claimsDigest]],
      [proofPath, proof.map(({ side, hash }) => [side === "left", hash])],
    ]),
  );
  return encodeCoseSign1({
    protectedBytes: cose.protectedBytes,
    unprotectedHeaders: new Map([[verifiableProofs, new Map([[inclusionProofs, [inclusion]]])]]),
    payload: undefined,
    signature: cose.signature,
  });
}

function isDigest(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function parseStep(step: CborValue): ProofStep {
  if (!Array.isArray(step) || step.length !== 2) throw malformed("a step of the proof");
  const [isLeft, hash] = step as readonly CborValue[];
  if (typeof isLeft !== "boolean" || !isDigest(hash)) throw malformed("a step of the proof");
  return { side: isLeft ? "left" : "right", hash };
}

function parseInclusion(bytes: Uint8Array): { leaf: LeafComponents; proof: ProofStep[] } {
  const map = decodeCbor(bytes);
  if (!(map instanceof Map) || map.size !== 2) throw malformed("the inclusion proof");
  const leaf = map.get(proofLeaf) as CborValue | undefined;
  const path = map.get(proofPath) as CborValue | undefined;
  if (!Array.isArray(leaf) || leaf.length !== 3) throw malformed("the leaf");
  const [writeSetDigest, commitEvidence, claimsDigest] = leaf as readonly CborValue[];
  if (!isDigest(writeSetDigest) || !isDigest(claimsDigest)) throw malformed("the leaf");
  if (typeof commitEvidence !== "string" || !commitEvidencePattern.test(commitEvidence)) {
    throw malformed("the commit evidence");
  }
  if (!Array.isArray(path) || path.length < 1 || path.length > proofStepsMax) {
    throw malformed("the path");
  }
  return { leaf: { writeSetDigest, commitEvidence, claimsDigest }, proof: path.map(parseStep) };
}

/** @throws {CocoError} BadReceipt */
export function parseCoseReceipt(bytes: Uint8Array): CoseReceipt {
  try {
    const cose = decodeCoseSign1(bytes);
    const proofs = cose.unprotectedHeaders.get(verifiableProofs);
    const list = proofs instanceof Map ? (proofs.get(inclusionProofs) as CborValue) : undefined;
    const isSingle = Array.isArray(list) && list.length === 1;
    const first = isSingle ? (list as readonly CborValue[])[0] : undefined;
    if (!(first instanceof Uint8Array)) throw malformed("it needs one inclusion proof");
    return { cose, ...parseInclusion(first) };
  } catch (cause) {
    if (!isCocoError(cause) || cause.code === "BadReceipt") throw cause;
    throw malformed(cause.message);
  }
}

/**
 * Verifies a COSE receipt offline: the leaf and the proof give the root, which the service key
 * must have signed.
 * @param endorsements from `previous_service_identity_endorsement`, newest first, when the service
 *   was recovered since: each names the key before
 * @throws {CocoError} ReceiptNotVerified; its fact `check` names the failed check
 */
export function verifyCoseReceipt(
  crypto: Hash & Verifier & Certificates,
  receipt: CoseReceipt,
  expected: ReceiptExpectation & { readonly endorsements?: readonly Uint8Array[] },
): VerifiedReceipt {
  const trusted = crypto.parse(pemToDer(expected.serviceCertificate)).publicKey;
  const key = followServiceEndorsements(crypto, trusted, expected.endorsements ?? []);
  const leaf = leafComponentsToDigest(crypto, receipt.leaf);
  const { root } = foldProof(leaf, receipt.proof);
  const refusal = checkCoseSignature(crypto, receipt.cose, key, root, 1);
  if (refusal !== undefined) {
    throw receiptRefusal(refusal.includes("key") ? "key" : "signature", refusal);
  }
  const txId = checkExpectation(receipt.leaf, expected);
  const signedTxId = coseTxId(receipt.cose);
  if (signedTxId === undefined) throw receiptRefusal("transaction", "the signature names none");
  return { root, txId, claimsDigest: receipt.leaf.claimsDigest };
}

/**
 * The service key before recoveries, from the current one: each endorsement is a COSE_Sign1 by a
 * key over the key before it.
 * @returns DER SubjectPublicKeyInfo of the oldest
 * @throws {CocoError} ReceiptNotVerified
 */
export function followServiceEndorsements(
  verifier: Verifier,
  servicePublicKey: Uint8Array,
  endorsements: readonly Uint8Array[],
): Uint8Array {
  let key = servicePublicKey;
  for (const bytes of endorsements) {
    let isSigned = false;
    let previous: Uint8Array | undefined;
    try {
      const endorsement = decodeCoseSign1(bytes);
      previous = endorsement.payload;
      isSigned = previous !== undefined && verifyCoseSign1(verifier, endorsement, key);
    } catch (cause) {
      if (!isCocoError(cause)) throw cause;
    }
    if (!isSigned || previous === undefined) {
      throw receiptRefusal("endorsement", "a service key does not endorse the one before it");
    }
    key = previous;
  }
  return key;
}

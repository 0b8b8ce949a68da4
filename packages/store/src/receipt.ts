import {
  bytesToBase64,
  bytesToHex,
  type CertificateInfo,
  type Certificates,
  type CocoError,
  concatBytes,
  equalBytes,
  type Hash,
  isCocoError,
  pemToDer,
  utf8ToBytes,
  type Verifier,
} from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import { base64Field, digestField, type JsonRecord, textField, toRecord } from "./json-record.ts";
import { foldProof, type MerkleTree, type ProofStep } from "./merkle-tree.ts";
import {
  type LeafComponents,
  leafComponentsToDigest,
  noClaimsDigest,
} from "./transaction-digest.ts";
import { type TxId, textToTxId, txIdToText } from "./tx-id.ts";

/** Proof that a service committed a transaction. */
export interface Receipt {
  /** By the node over the Merkle root; DER. */
  readonly signature: Uint8Array;
  /** PEM: of the node, endorsed by the service. */
  readonly certificate: string;
  /** Hexadecimal SHA-256 of the node's public key. */
  readonly nodeId: string;
  /** From the leaf to the root; empty for a signature transaction. */
  readonly proof: readonly ProofStep[];
  /** The leaf's parts; of a signature transaction only the signed root itself is known. */
  readonly leaf: ReceiptLeaf | { readonly root: Uint8Array };
  /** PEM: former service certificates that lead from the node's to the current one's. */
  readonly serviceEndorsements: readonly string[];
}

/** The parts of a leaf; services leave the claims digest out when the reader should know it. */
export interface ReceiptLeaf extends Omit<LeafComponents, "claimsDigest"> {
  readonly claimsDigest: Uint8Array | undefined;
}

/** Which step of a verification failed. */
export type ReceiptCheck =
  | "certificate"
  | "nodeId"
  | "endorsement"
  | "signature"
  | "claims"
  | "transaction"
  | "key";

/** Longest proof that can occur: the height of a tree with 2^53 leaves. */
const proofStepsMax = 53;
const endorsementsMax = 1000;
export const commitEvidencePattern = /^ce:([0-9]{1,16}\.[0-9]{1,16}):[0-9a-f]{64}$/;

function malformed(detail: string): CocoError {
  return ledgerErrors.create("BadReceipt", detail);
}

/** @throws {CocoError} ReceiptNotVerified whose facts name the failed check */
export function receiptRefusal(check: ReceiptCheck, detail: string): CocoError {
  return ledgerErrors.create("ReceiptNotVerified", detail, { check });
}

/**
 * The receipt of one transaction from the signature that covers it.
 * @param tree over the ledger; @param signed seqno of the signature transaction
 */
export function createReceipt(options: {
  readonly tree: MerkleTree;
  readonly seqno: number;
  readonly components: LeafComponents;
  readonly signed: {
    readonly seqno: number;
    readonly nodeId: string;
    readonly certificate: string;
    readonly signature: Uint8Array;
  };
  readonly serviceEndorsements?: readonly string[];
}): Receipt {
  const { tree, seqno, components, signed } = options;
  return {
    signature: signed.signature,
    certificate: signed.certificate,
    nodeId: signed.nodeId,
    proof: tree.path(seqno, signed.seqno),
    leaf: completeLeaf(components, undefined),
    serviceEndorsements: options.serviceEndorsements ?? [],
  };
}

/** The receipt of a signature transaction: the signed root itself, without a proof. */
export function createSignatureReceipt(signed: {
  readonly root: Uint8Array;
  readonly nodeId: string;
  readonly certificate: string;
  readonly signature: Uint8Array;
}): Receipt {
  const { root, nodeId, certificate, signature } = signed;
  return { signature, certificate, nodeId, proof: [], leaf: { root }, serviceEndorsements: [] };
}

/** The object that services send as JSON, its keys in alphabetical order. */
export function receiptToJson(receipt: Receipt): Record<string, unknown> {
  const { leaf, serviceEndorsements } = receipt;
  const json: Record<string, unknown> = { cert: receipt.certificate };
  if ("root" in leaf) json["leaf"] = bytesToHex(leaf.root);
  else {
    const { claimsDigest } = leaf;
    json["leaf_components"] = {
      ...(claimsDigest === undefined ? {} : { claims_digest: bytesToHex(claimsDigest) }),
      commit_evidence: leaf.commitEvidence,
      write_set_digest: bytesToHex(leaf.writeSetDigest),
    };
  }
  json["node_id"] = receipt.nodeId;
  json["proof"] = receipt.proof.map(({ side, hash }) => ({ [side]: bytesToHex(hash) }));
  if (serviceEndorsements.length > 0) json["service_endorsements"] = serviceEndorsements;
  json["signature"] = bytesToBase64(receipt.signature);
  return json;
}

function parseStep(value: unknown): ProofStep {
  const step = toRecord(value, malformed);
  const keys = Object.keys(step);
  const side = keys[0];
  if (keys.length !== 1 || (side !== "left" && side !== "right")) {
    throw malformed("a step of the proof is neither left nor right");
  }
  return { side, hash: digestField(step, side, malformed) };
}

function parseComponents(value: unknown): ReceiptLeaf {
  const components = toRecord(value, malformed);
  const commitEvidence = textField(components, "commit_evidence", malformed);
  if (!commitEvidencePattern.test(commitEvidence)) throw malformed("the commit evidence");
  const hasClaims = components["claims_digest"] !== undefined;
  return {
    writeSetDigest: digestField(components, "write_set_digest", malformed),
    commitEvidence,
    claimsDigest: hasClaims ? digestField(components, "claims_digest", malformed) : undefined,
  };
}

function parseEndorsements(receipt: JsonRecord): string[] {
  const list = receipt["service_endorsements"] ?? [];
  if (!Array.isArray(list) || list.length > endorsementsMax) {
    throw malformed("service_endorsements is no list");
  }
  for (const item of list) {
    if (typeof item !== "string") throw malformed("a service endorsement is no text");
  }
  return list as string[];
}

/**
 * Reads a receipt from parsed JSON.
 * @throws {CocoError} BadReceipt
 */
export function parseReceipt(json: unknown): Receipt {
  const record = toRecord(json, malformed);
  const { leaf_components: components, leaf, proof, is_signature_transaction: isFlagged } = record;
  if ((components === undefined) === (leaf === undefined)) {
    throw malformed("it needs either leaf_components or leaf");
  }
  if (!Array.isArray(proof) || proof.length > proofStepsMax) throw malformed("the proof");
  const isSignature = components === undefined;
  if (isFlagged !== undefined && isFlagged !== isSignature) {
    throw malformed("is_signature_transaction does not fit the other fields");
  }
  if (isSignature !== (proof.length === 0)) throw malformed("the proof does not fit the leaf");
  const nodeId = textField(record, "node_id", malformed);
  if (!/^[0-9a-f]{64}$/.test(nodeId)) throw malformed("node_id is not an identifier");
  return {
    signature: base64Field(record, "signature", malformed),
    certificate: textField(record, "cert", malformed),
    nodeId,
    proof: proof.map(parseStep),
    leaf: isSignature
      ? { root: digestField(record, "leaf", malformed) }
      : parseComponents(components),
    serviceEndorsements: parseEndorsements(record),
  };
}

export interface ReceiptExpectation {
  /** PEM of the service identity that the person trusts. */
  readonly serviceCertificate: string;
  /** The digest of the claims that the person knows: they must be what was committed. */
  readonly claimsDigest?: Uint8Array | undefined;
  /** The transaction that the receipt must be for. */
  readonly txId?: string | undefined;
}

export interface VerifiedReceipt {
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Undefined for a signature transaction, whose receipt does not name it. */
  readonly txId: TxId | undefined;
  readonly claimsDigest: Uint8Array | undefined;
}

/** One block and nothing around it, so that no part of a receipt can be changed unnoticed. */
const certificatePattern =
  /^-----BEGIN CERTIFICATE-----[\r\n]+[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----[\r\n]*$/;

function parseCertificate(
  certificates: Certificates,
  pem: string,
  check: ReceiptCheck,
): CertificateInfo {
  if (!certificatePattern.test(pem)) throw receiptRefusal(check, "a certificate is not PEM");
  try {
    return certificates.parse(pemToDer(pem));
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    throw receiptRefusal(check, "a certificate cannot be read");
  }
}

/** Node certificate, former service certificates in order, the trusted one. */
function checkChain(
  certificates: Certificates,
  node: CertificateInfo,
  receipt: Receipt,
  trusted: CertificateInfo,
): void {
  let subject = node;
  const chain = receipt.serviceEndorsements.map((pem) =>
    parseCertificate(certificates, pem, "endorsement"),
  );
  for (const issuer of [...chain, trusted]) {
    if (!certificates.isIssuedBy(subject, issuer)) {
      throw receiptRefusal("endorsement", "the service did not endorse the node's certificate");
    }
    subject = issuer;
  }
}

/** A claims digest that is left out is the one that the person knows, or none. */
function completeLeaf(leaf: ReceiptLeaf, known: Uint8Array | undefined): LeafComponents {
  // Field by field: the parts may be derived by getters, which spreading would lose.
  return {
    writeSetDigest: leaf.writeSetDigest,
    commitEvidence: leaf.commitEvidence,
    claimsDigest: leaf.claimsDigest ?? known ?? noClaimsDigest,
  };
}

/**
 * What the leaf can be. A claims digest that is neither in the receipt nor known is none, or the
 * transaction is from before there were claims: then its leaf has two components.
 */
function leafDigests(
  hash: Hash,
  leaf: ReceiptLeaf | { readonly root: Uint8Array },
  known: Uint8Array | undefined,
): readonly Uint8Array[] {
  if ("root" in leaf) return [leaf.root];
  const full = leafComponentsToDigest(hash, completeLeaf(leaf, known));
  if (leaf.claimsDigest !== undefined || known !== undefined) return [full];
  const evidence = hash.sha256(utf8ToBytes(leaf.commitEvidence));
  return [full, hash.sha256(concatBytes(leaf.writeSetDigest, evidence))];
}

/** What the person expects of the content. @throws {CocoError} ReceiptNotVerified */
export function checkExpectation(
  leaf: LeafComponents | undefined,
  expected: { readonly claimsDigest?: Uint8Array | undefined; readonly txId?: string | undefined },
): TxId | undefined {
  const { claimsDigest, txId } = expected;
  if (claimsDigest !== undefined) {
    if (leaf === undefined || !equalBytes(leaf.claimsDigest, claimsDigest)) {
      throw receiptRefusal("claims", "it is for other claims");
    }
  }
  const match = leaf === undefined ? null : commitEvidencePattern.exec(leaf.commitEvidence);
  const found = match === null ? undefined : textToTxId(match[1]!);
  if (txId !== undefined && (found === undefined || txIdToText(found) !== txId)) {
    throw receiptRefusal("transaction", "it is for another transaction");
  }
  return found;
}

/**
 * Verifies a receipt offline: leaf, proof, the node's signature over the root, the endorsement of
 * the node by the service, and what the person expects. Validity times are not checked: a receipt
 * holds longer than the certificates of the day it was made.
 * @throws {CocoError} ReceiptNotVerified; its fact `check` names the failed check
 */
export function verifyReceipt(
  crypto: Hash & Verifier & Certificates,
  receipt: Receipt,
  expected: ReceiptExpectation,
): VerifiedReceipt {
  const trusted = crypto.parse(pemToDer(expected.serviceCertificate));
  const node = parseCertificate(crypto, receipt.certificate, "certificate");
  if (bytesToHex(crypto.sha256(node.publicKey)) !== receipt.nodeId) {
    throw receiptRefusal("nodeId", "node_id is not the identifier of the certificate's key");
  }
  checkChain(crypto, node, receipt, trusted);
  const { leaf, signature } = receipt;
  const components = "root" in leaf ? undefined : completeLeaf(leaf, expected.claimsDigest);
  const folded = leafDigests(crypto, leaf, expected.claimsDigest).map((start) =>
    foldProof(start, receipt.proof),
  );
  const signed = folded.find(({ root, preimage }) =>
    preimage === undefined
      ? crypto.verifyEcdsaDigest(node.publicKey, root, signature)
      : crypto.verifyEcdsaSha256(node.publicKey, preimage, signature),
  );
  if (signed === undefined) {
    throw receiptRefusal("signature", "the node did not sign the root of the proof");
  }
  const { root } = signed;
  const txId = checkExpectation(components, expected);
  return { root, txId, claimsDigest: components?.claimsDigest };
}

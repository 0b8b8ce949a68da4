import {
  bytesToBase64,
  bytesToHex,
  type Certificates,
  type CocoError,
  type CoseSign1,
  coseAlgorithmNumber,
  coseHeader,
  coseToBeSigned,
  decodeCoseSign1,
  encodeCbor,
  encodeCoseSign1,
  equalBytes,
  type Hash,
  isCocoError,
  keyIdToBytes,
  pemToDer,
  type SignatureAlgorithm,
  utf8ToBytes,
  type Verifier,
  verifyCoseSign1,
} from "@coco/base";
import { ledgerErrors } from "./errors.ts";
import {
  base64Field,
  decodeBase64,
  digestField,
  integerField,
  parseJson,
  parseJsonRecord,
  textField,
  toSortedJson,
} from "./json-record.ts";
import { findMap, findSingleton, ledgerTable, singletonKey } from "./ledger-tables.ts";
import type { MerkleTree } from "./merkle-tree.ts";
import { type TxId, txIdToText } from "./tx-id.ts";
import type { WriteSet } from "./write-set.ts";

/** Protected header labels of root signatures. @source RFC 9597, RFC 9942 (receipts draft) */
const verifiableDataStructure = 395;
/** The value of that header: a ledger of this format with SHA-256. */
const ledgerSha256 = 2;
const claimIssuer = 1;
const claimSubject = 2;
const claimIssuedAt = 6;
const ledgerHeaders = "ccf.v1";

/** The name under which the service signs. */
export interface CoseIssuer {
  readonly issuer: string;
  readonly subject: string;
}

export interface SignatureRequest {
  readonly hash: Hash;
  /** The tree over all transactions before the signature. */
  readonly tree: MerkleTree;
  /** Of the signature transaction itself. */
  readonly txId: TxId;
  readonly nodeId: string;
  /** PEM, endorsed by the service. */
  readonly nodeCertificate: string;
  /** DER SubjectPublicKeyInfo of the service identity. */
  readonly servicePublicKey: Uint8Array;
  readonly serviceAlgorithm: SignatureAlgorithm;
  readonly coseIssuer: CoseIssuer;
  readonly issuedAtSeconds: number;
  /** First leaf to record in the tree table: the last committed transaction. */
  readonly treeFrom: number;
}

/** What the two keys have to sign, and what the transaction will record. */
export interface PreparedSignature {
  readonly txId: TxId;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** The node key signs SHA-256 of these 64 bytes: that is the root itself. ECDSA, DER. */
  readonly preimage: Uint8Array;
  /** The service key signs these bytes with the algorithm of the header. ECDSA: r||s. */
  readonly coseToBeSigned: Uint8Array;
  readonly coseProtected: Uint8Array;
  readonly nodeId: string;
  readonly nodeCertificate: string;
  readonly serialisedTree: Uint8Array;
}

/** Key id of a service: ASCII hexadecimal of the SHA-256 of its public key in DER. */
export function serviceKeyId(hash: Hash, servicePublicKey: Uint8Array): string {
  return bytesToHex(hash.sha256(servicePublicKey));
}

/** Computes what has to be signed at this point of the ledger. Signing may then take its time. */
export function prepareSignature(request: SignatureRequest): PreparedSignature {
  const { tree, txId } = request;
  const size = txId.seqno;
  const root = tree.root(size);
  const preimage = tree.rootPreimage(size);
  if (preimage === undefined) {
    throw ledgerErrors.create("BadSignatureTransaction", "there is nothing to sign yet");
  }
  const coseProtected = encodeCbor(
    new Map<
      number | string,
      Map<number, number | string> | Map<string, string> | Uint8Array | number
    >([
      [coseHeader.algorithm, coseAlgorithmNumber(request.serviceAlgorithm)],
      [coseHeader.keyId, keyIdToBytes(serviceKeyId(request.hash, request.servicePublicKey))],
      [verifiableDataStructure, ledgerSha256],
      [
        coseHeader.cwtClaims,
        new Map<number, number | string>([
          [claimIssuedAt, request.issuedAtSeconds],
          [claimIssuer, request.coseIssuer.issuer],
          [claimSubject, request.coseIssuer.subject],
        ]),
      ],
      [ledgerHeaders, new Map([["txid", txIdToText(txId)]])],
    ]),
  );
  return {
    txId,
    root,
    preimage,
    coseProtected,
    coseToBeSigned: coseToBeSigned(coseProtected, root),
    nodeId: request.nodeId,
    nodeCertificate: request.nodeCertificate,
    serialisedTree: tree.serialise(request.treeFrom, size),
  };
}

/**
 * The write set of the signature transaction.
 * @param nodeSignature DER
 * @param coseSignature r||s
 */
export function finishSignature(
  prepared: PreparedSignature,
  nodeSignature: Uint8Array,
  coseSignature: Uint8Array,
): WriteSet {
  const record = toSortedJson({
    cert: prepared.nodeCertificate,
    commit_seqno: 0,
    commit_view: 0,
    hashed_nonce: "0".repeat(64),
    node: prepared.nodeId,
    root: bytesToHex(prepared.root),
    seqno: prepared.txId.seqno,
    sig: bytesToBase64(nodeSignature),
    view: prepared.txId.view,
  });
  const cose = encodeCoseSign1({
    protectedBytes: prepared.coseProtected,
    payload: undefined,
    signature: coseSignature,
  });
  const value = (name: string, bytes: Uint8Array) => ({
    name,
    readVersion: 0,
    writes: [[singletonKey, bytes]] as [Uint8Array, Uint8Array][],
    removes: [],
  });
  return {
    maps: [
      value(ledgerTable.coseSignatures, utf8ToBytes(JSON.stringify(bytesToBase64(cose)))),
      value(ledgerTable.signatures, record),
      value(ledgerTable.tree, prepared.serialisedTree),
    ],
  };
}

/** The signatures that a transaction records. */
export interface RecordedSignature {
  readonly seqno: number;
  readonly view: number;
  readonly nodeId: string;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** DER. */
  readonly signature: Uint8Array;
  /** PEM; absent in ledgers of version 1. */
  readonly certificate: string | undefined;
  readonly cose: CoseSign1 | undefined;
  /** The COSE_Sign1 as recorded; the base of COSE receipts. */
  readonly coseBytes: Uint8Array | undefined;
  readonly serialisedTree: Uint8Array | undefined;
}

function fail(detail: string): CocoError {
  return ledgerErrors.create("BadSignatureTransaction", detail);
}

/** True when the transaction records a signature. */
export function isSignatureWriteSet(writeSet: WriteSet): boolean {
  return findMap(writeSet, ledgerTable.signatures) !== undefined;
}

/**
 * Reads the tables of a signature transaction.
 * @throws {CocoError} BadSignatureTransaction
 */
export function readSignature(writeSet: WriteSet): RecordedSignature {
  const changes = findMap(writeSet, ledgerTable.signatures);
  if (changes?.writes.length !== 1 || changes.removes.length !== 0) {
    throw fail("it does not record exactly one signature");
  }
  const record = parseJsonRecord(changes.writes[0]![1], fail);
  const coseBytes = readCoseBytes(writeSet);
  return {
    seqno: integerField(record, "seqno", fail),
    view: integerField(record, "view", fail),
    nodeId: textField(record, "node", fail),
    root: digestField(record, "root", fail),
    signature: base64Field(record, "sig", fail),
    certificate: record["cert"] === undefined ? undefined : textField(record, "cert", fail),
    cose: coseBytes === undefined ? undefined : readCose(coseBytes),
    coseBytes,
    serialisedTree: findSingleton(writeSet, ledgerTable.tree),
  };
}

function readCoseBytes(writeSet: WriteSet): Uint8Array | undefined {
  const value = findSingleton(writeSet, ledgerTable.coseSignatures);
  if (value === undefined) return undefined;
  const text = parseJson(value, fail);
  if (typeof text !== "string") throw fail("the COSE signature is not a text");
  return decodeBase64(text, fail, "the COSE signature");
}

function readCose(bytes: Uint8Array): CoseSign1 {
  try {
    return decodeCoseSign1(bytes);
  } catch (cause) {
    if (isCocoError(cause)) throw fail(cause.message);
    throw cause;
  }
}

/** Checks of root signatures. Each gives what is wrong, or undefined. */
export type Refusal = string | undefined;

/**
 * Checks the node's signature over the root.
 * @param preimage the 64 bytes whose SHA-256 is the root; without it the slower check is used
 */
export function checkNodeSignature(
  verifier: Verifier,
  publicKey: Uint8Array,
  root: Uint8Array,
  preimage: Uint8Array | undefined,
  signature: Uint8Array,
): Refusal {
  const isValid =
    preimage === undefined
      ? verifier.verifyEcdsaDigest(publicKey, root, signature)
      : verifier.verifyEcdsaSha256(publicKey, preimage, signature);
  return isValid ? undefined : "the node's signature over the root does not verify";
}

/** The transaction that a COSE root signature names. */
export function coseTxId(cose: CoseSign1): string | undefined {
  const headers = cose.protectedHeaders.get(ledgerHeaders);
  const text = headers instanceof Map ? headers.get("txid") : undefined;
  return typeof text === "string" ? text : undefined;
}

/**
 * Checks the service's signature over the root: headers, key id and signature.
 * @param servicePublicKey DER SubjectPublicKeyInfo
 */
export function checkCoseSignature(
  crypto: Hash & Verifier,
  cose: CoseSign1,
  servicePublicKey: Uint8Array,
  root: Uint8Array,
): Refusal {
  if (cose.payload !== undefined) return "the COSE signature carries a payload";
  if (cose.protectedHeaders.get(verifiableDataStructure) !== ledgerSha256) {
    return "the COSE signature is for another data structure";
  }
  const keyId = cose.protectedHeaders.get(coseHeader.keyId);
  const expected = keyIdToBytes(serviceKeyId(crypto, servicePublicKey));
  if (!(keyId instanceof Uint8Array) || !equalBytes(keyId, expected)) {
    return "the COSE signature names another service key";
  }
  try {
    if (verifyCoseSign1(crypto, cose, servicePublicKey, root)) return undefined;
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
  }
  return "the COSE signature over the root does not verify";
}

/** DER SubjectPublicKeyInfo of a certificate in PEM form; undefined when it cannot be read. */
export function certificateToPublicKey(
  certificates: Certificates,
  pem: string,
): Uint8Array | undefined {
  try {
    return certificates.parse(pemToDer(pem)).publicKey;
  } catch (cause) {
    if (isCocoError(cause)) return undefined;
    throw cause;
  }
}

import {
  assert,
  bytesToBase64,
  bytesToHex,
  type CborValue,
  type CocoError,
  type CoseSign1,
  concatBytes,
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
  type JsonRecord,
  parseJson,
  parseJsonRecord,
  textField,
  toSortedJson,
} from "./json-record.ts";
import { isSingletonKey, ledgerTable, singletonKey } from "./ledger-tables.ts";
import type { MerkleTree } from "./merkle-tree.ts";
import { type TxId, txIdToText } from "./tx-id.ts";
import type { MapChanges, WriteSet } from "./write-set.ts";

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

/** A map of fewer than 24 pairs in the given order, which services keep though it is not sorted. */
function encodeMapInOrder(pairs: readonly (readonly [CborValue, Uint8Array])[]): Uint8Array {
  assert(pairs.length < 24, "the number of pairs fits into the first byte");
  const parts = pairs.flatMap(([key, value]) => [encodeCbor(key), value]);
  return concatBytes(Uint8Array.of(0xa0 + pairs.length), ...parts);
}

/** Protected header: alg, kid, data structure, CWT claims (iat, iss, sub), transaction. */
function encodeProtected(request: SignatureRequest): Uint8Array {
  const { coseIssuer, hash } = request;
  const claims = encodeMapInOrder([
    [claimIssuedAt, encodeCbor(request.issuedAtSeconds)],
    [claimIssuer, encodeCbor(coseIssuer.issuer)],
    [claimSubject, encodeCbor(coseIssuer.subject)],
  ]);
  const keyId = keyIdToBytes(serviceKeyId(hash, request.servicePublicKey));
  return encodeMapInOrder([
    [coseHeader.algorithm, encodeCbor(coseAlgorithmNumber(request.serviceAlgorithm))],
    [coseHeader.keyId, encodeCbor(keyId)],
    [verifiableDataStructure, encodeCbor(ledgerSha256)],
    [coseHeader.cwtClaims, claims],
    [ledgerHeaders, encodeMapInOrder([["txid", encodeCbor(txIdToText(request.txId))]])],
  ]);
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
  const coseProtected = encodeProtected(request);
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
  readonly serialisedTree: Uint8Array;
}

function fail(detail: string): CocoError {
  return ledgerErrors.create("BadSignatureTransaction", detail);
}

const signatureTables: ReadonlySet<string> = new Set([
  ledgerTable.signatures,
  ledgerTable.coseSignatures,
  ledgerTable.tree,
]);

/** True when the transaction writes a table that only signature transactions may write. */
export function isSignatureWriteSet(writeSet: WriteSet): boolean {
  return writeSet.maps.some(({ name }) => signatureTables.has(name));
}

/** The only row of a table that a signature transaction writes. */
function readRow(map: MapChanges): Uint8Array {
  const row = map.writes[0];
  const isSingle = map.writes.length === 1 && map.removes.length === 0;
  if (row === undefined || !isSingle || map.readVersion !== 0 || !isSingletonKey(row[0])) {
    throw fail("a table of the signature has not exactly its one row");
  }
  return row[1];
}

const hexZeros = /^0*$/;

/** What the record says of the commit: earlier versions wrote it, the current one writes zeros. */
function checkCommitFields(record: JsonRecord, seqno: number, view: number): void {
  const commitSeqno = integerField(record, "commit_seqno", fail);
  const commitView = integerField(record, "commit_view", fail);
  if (commitSeqno >= seqno || commitView > view || (commitSeqno === 0) !== (commitView === 0)) {
    throw fail("it names an impossible commit");
  }
  if (!hexZeros.test(textField(record, "hashed_nonce", fail))) throw fail("it has a nonce");
}

/**
 * Reads the tables of a signature transaction. They must be exactly what a service writes: what is
 * in the last signature of a ledger is covered by no other signature.
 * @throws {CocoError} BadSignatureTransaction
 */
export function readSignature(writeSet: WriteSet): RecordedSignature {
  const rows = new Map<string, Uint8Array>();
  for (const map of writeSet.maps) {
    if (!signatureTables.has(map.name)) throw fail("it writes other tables too");
    rows.set(map.name, readRow(map));
  }
  const value = rows.get(ledgerTable.signatures);
  if (value === undefined) throw fail("it records no signature");
  const record = parseJsonRecord(value, fail);
  if (!equalBytes(toSortedJson(record), value)) throw fail("its record is not in normal form");
  const seqno = integerField(record, "seqno", fail);
  const view = integerField(record, "view", fail);
  checkCommitFields(record, seqno, view);
  const coseValue = rows.get(ledgerTable.coseSignatures);
  const coseBytes = coseValue === undefined ? undefined : readCoseBytes(coseValue);
  if (coseBytes !== undefined && record["commit_seqno"] !== 0) throw fail("it names a commit");
  const serialisedTree = rows.get(ledgerTable.tree);
  if (serialisedTree === undefined) throw fail("it records no tree");
  return {
    seqno,
    view,
    nodeId: textField(record, "node", fail),
    root: digestField(record, "root", fail),
    signature: base64Field(record, "sig", fail),
    certificate: record["cert"] === undefined ? undefined : textField(record, "cert", fail),
    cose: coseBytes === undefined ? undefined : readCose(coseBytes),
    coseBytes,
    serialisedTree,
  };
}

function readCoseBytes(value: Uint8Array): Uint8Array {
  const text = parseJson(value, fail);
  if (typeof text !== "string") throw fail("the COSE signature is not a text");
  if (text.length + 2 !== value.length) throw fail("the COSE signature is not in normal form");
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
 * @param allowedUnprotected number of unprotected headers; a receipt carries its proof in one
 */
export function checkCoseSignature(
  crypto: Hash & Verifier,
  cose: CoseSign1,
  servicePublicKey: Uint8Array,
  root: Uint8Array,
  allowedUnprotected = 0,
): Refusal {
  if (cose.unprotectedHeaders.size > allowedUnprotected) {
    return "the COSE signature has unprotected headers";
  }
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

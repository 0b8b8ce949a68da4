/** COSE_Sign1: the signed message of governance, of ledger signatures and of receipts. */
import { utf8ToBytes } from "./bytes.ts";
import { baseErrors } from "./catalogue.ts";
import { CborTag, type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
import type { SignatureAlgorithm, Signer, Verifier } from "./ports.ts";

export type CoseHeaders = ReadonlyMap<CborValue, CborValue>;

export interface CoseSign1 {
  readonly protectedHeaders: CoseHeaders;
  /** The protected headers as they were signed. */
  readonly protectedBytes: Uint8Array;
  readonly unprotectedHeaders: CoseHeaders;
  /** Undefined when the payload is detached. */
  readonly payload: Uint8Array | undefined;
  readonly signature: Uint8Array;
}

/** Labels of the common header parameters. @source RFC 9052 section 3.1, RFC 9597 */
export const coseHeader = { algorithm: 1, contentType: 3, keyId: 4, cwtClaims: 15, x5chain: 33 };

const coseAlgorithms = new Map<CborValue, SignatureAlgorithm>([
  [-7, "ES256"],
  [-35, "ES384"],
  [-36, "ES512"],
  [-37, "PS256"],
  [-38, "PS384"],
  [-39, "PS512"],
  [-257, "RS256"],
  [-258, "RS384"],
  [-259, "RS512"],
  [-8, "EdDSA"],
]);

/** The COSE number of an algorithm. @source RFC 9053 section 2 */
export function coseAlgorithmNumber(algorithm: SignatureAlgorithm): number {
  for (const [number, name] of coseAlgorithms) if (name === algorithm) return number as number;
  throw baseErrors.create("BadCose", `algorithm ${algorithm}`);
}

/** The algorithm that the protected header names. @throws {CocoError} BadCose */
export function coseAlgorithm(message: CoseSign1): SignatureAlgorithm {
  const name = coseAlgorithms.get(message.protectedHeaders.get(coseHeader.algorithm));
  if (name === undefined)
    throw baseErrors.create("BadCose", "no known alg in the protected header");
  return name;
}

/** Decodes a tagged COSE_Sign1. @throws {CocoError} BadCose */
export function decodeCoseSign1(bytes: Uint8Array): CoseSign1 {
  let decoded: CborValue;
  try {
    decoded = decodeCbor(bytes);
  } catch (cause) {
    throw baseErrors.create("BadCose", cause instanceof Error ? cause.message : "", {}, cause);
  }
  if (!(decoded instanceof CborTag) || decoded.tag !== 18) {
    throw baseErrors.create("BadCose", "tag 18 is missing");
  }
  const parts = decoded.value as CborValue;
  if (!Array.isArray(parts) || parts.length !== 4)
    throw baseErrors.create("BadCose", "not 4 parts");
  const [protectedBytes, unprotectedHeaders, payload, signature] = parts;
  if (
    !(protectedBytes instanceof Uint8Array) ||
    !(unprotectedHeaders instanceof Map) ||
    !(payload === null || payload instanceof Uint8Array) ||
    !(signature instanceof Uint8Array)
  ) {
    throw baseErrors.create("BadCose", "a part has the wrong type");
  }
  return {
    protectedHeaders: decodeProtected(protectedBytes),
    protectedBytes,
    unprotectedHeaders,
    payload: payload ?? undefined,
    signature,
  };
}

function decodeProtected(bytes: Uint8Array): CoseHeaders {
  if (bytes.length === 0) return new Map();
  let headers: CborValue;
  try {
    headers = decodeCbor(bytes);
  } catch (cause) {
    throw baseErrors.create("BadCose", "protected header", {}, cause);
  }
  if (!(headers instanceof Map)) throw baseErrors.create("BadCose", "protected header is no map");
  return headers;
}

/** Encodes with tag 18. */
export function encodeCoseSign1(message: {
  readonly protectedBytes: Uint8Array;
  readonly unprotectedHeaders?: CoseHeaders;
  readonly payload: Uint8Array | undefined;
  readonly signature: Uint8Array;
}): Uint8Array {
  return encodeCbor(
    new CborTag(18, [
      message.protectedBytes,
      message.unprotectedHeaders ?? new Map(),
      message.payload ?? null,
      message.signature,
    ]),
  );
}

/** The bytes that are signed: Sig_structure. @source RFC 9052 section 4.4 */
export function coseToBeSigned(
  protectedBytes: Uint8Array,
  payload: Uint8Array,
  externalData: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return encodeCbor(["Signature1", protectedBytes, externalData, payload]);
}

/** Signs; `detached` leaves the payload out of the result. */
export function signCoseSign1(options: {
  readonly signer: Signer;
  /** Without alg, which is added. */
  readonly headers: CoseHeaders;
  readonly payload: Uint8Array;
  readonly detached?: boolean;
}): Uint8Array {
  const { signer, headers, payload, detached } = options;
  const protectedBytes = encodeCbor(
    new Map([[coseHeader.algorithm, coseAlgorithmNumber(signer.algorithm)], ...headers]),
  );
  return encodeCoseSign1({
    protectedBytes,
    payload: detached === true ? undefined : payload,
    signature: signer.sign(coseToBeSigned(protectedBytes, payload)),
  });
}

/**
 * Checks the signature with the algorithm that the protected header names.
 * @param publicKey DER SubjectPublicKeyInfo
 * @param detachedPayload needed exactly when the message carries none
 * @throws {CocoError} BadCose when the header names no known algorithm
 */
export function verifyCoseSign1(
  verifier: Verifier,
  message: CoseSign1,
  publicKey: Uint8Array,
  detachedPayload?: Uint8Array,
): boolean {
  const payload = message.payload ?? detachedPayload;
  if (payload === undefined) return false;
  const signed = coseToBeSigned(message.protectedBytes, payload);
  return verifier.verify(coseAlgorithm(message), publicKey, signed, message.signature);
}

/** The key id as text: CCF puts ASCII hex there. */
export function coseKeyId(message: CoseSign1): string | undefined {
  const keyId = message.protectedHeaders.get(coseHeader.keyId);
  if (!(keyId instanceof Uint8Array)) return undefined;
  return String.fromCharCode(...keyId.subarray(0, 256));
}

/** The bytes of a key id given as text. */
export function keyIdToBytes(keyId: string): Uint8Array {
  return utf8ToBytes(keyId);
}

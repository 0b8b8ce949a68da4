/** JSON Web Keys to DER public keys. @source RFC 7517, RFC 7518 section 6 */
import {
  base64ToBytes,
  certificateToPublicKey,
  concatBytes,
  derBitString,
  derElement,
  derInteger,
  derObjectIdentifier,
  derSequence,
  derTag,
  isCocoError,
  type SignatureAlgorithm,
  type Verifier,
} from "@coco/base";
import { isRecord } from "../endpoints/stored-endpoint.ts";
import { requestErrors } from "../request-errors.ts";

/** One key of a key set, checked. */
export interface ParsedJwk {
  readonly kid: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** CCF's extension `issuer`: the only issuer whose tokens this key may sign. */
  readonly constraint: string | undefined;
}

const keyCountMax = 256;
const modulusSizeBytesMax = 1024;

const curves: Readonly<
  Record<string, { readonly identifier: string; readonly sizeBytes: number; readonly hash: number }>
> = {
  "P-256": { identifier: "1.2.840.10045.3.1.7", sizeBytes: 32, hash: 256 },
  "P-384": { identifier: "1.3.132.0.34", sizeBytes: 48, hash: 384 },
  "P-521": { identifier: "1.3.132.0.35", sizeBytes: 66, hash: 512 },
};

type Fields = Readonly<Record<string, unknown>>;

function fail(kid: string, detail: string, cause?: unknown): Error {
  return requestErrors.create("BadJwks", `key ${kid.slice(0, 80)}: ${detail}`, {}, cause);
}

/** A text that is there and not empty. */
function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function rsaToDer(n: Uint8Array, e: Uint8Array): Uint8Array {
  const algorithm = derSequence(
    derObjectIdentifier("1.2.840.113549.1.1.1"),
    derElement(derTag.null),
  );
  return derSequence(algorithm, derBitString(derSequence(derInteger(n), derInteger(e))));
}

function readRsa(kid: string, fields: Fields): Uint8Array | undefined {
  const n = textOf(fields, "n");
  const e = textOf(fields, "e");
  if (n === undefined || e === undefined) return undefined;
  const modulus = base64ToBytes(n);
  const exponent = base64ToBytes(e);
  if (modulus.length > modulusSizeBytesMax || exponent.length > 8) throw fail(kid, "n is too long");
  return rsaToDer(modulus, exponent);
}

function readEc(kid: string, fields: Fields): Uint8Array | undefined {
  const [name, x, y] = ["crv", "x", "y"].map((field) => textOf(fields, field));
  if (name === undefined || x === undefined || y === undefined) return undefined;
  const curve = Object.hasOwn(curves, name) ? curves[name] : undefined;
  if (curve === undefined) throw fail(kid, `the curve ${name.slice(0, 20)} is not supported`);
  const point = [base64ToBytes(x), base64ToBytes(y)];
  if (point.some((coordinate) => coordinate.length !== curve.sizeBytes)) {
    throw fail(kid, `x and y need ${curve.sizeBytes} bytes`);
  }
  const algorithm = derSequence(
    derObjectIdentifier("1.2.840.10045.2.1"),
    derObjectIdentifier(curve.identifier),
  );
  return derSequence(algorithm, derBitString(concatBytes(Uint8Array.of(4), ...point)));
}

function readCertificate(fields: Fields): Uint8Array | undefined {
  const chain = fields["x5c"];
  const first: unknown = Array.isArray(chain) ? chain[0] : undefined;
  return typeof first === "string" ? certificateToPublicKey(base64ToBytes(first)) : undefined;
}

/** Asks the verifier whether the key can be used at all: points off the curve cannot. */
function checkUsable(kid: string, publicKey: Uint8Array, verifier: Verifier): void {
  const algorithms: SignatureAlgorithm[] = ["RS256", "ES256"];
  try {
    for (const algorithm of algorithms) {
      verifier.verify(algorithm, publicKey, new Uint8Array(1), new Uint8Array(64));
    }
  } catch (error) {
    if (!isCocoError(error)) throw error;
    throw fail(kid, "no RSA or EC public key", error);
  }
}

/**
 * Reads one key: n and e, or crv, x and y, or the first certificate of x5c, in this order.
 * @throws {CocoError} BadJwks
 */
function parseJwk(value: unknown, verifier: Verifier): ParsedJwk {
  if (!isRecord(value)) throw requestErrors.create("BadJwks", "a key is no object");
  const kid = textOf(value, "kid");
  if (kid === undefined || kid.length > 512) {
    throw requestErrors.create("BadJwks", "Missing kid for JWT signing key");
  }
  let publicKey: Uint8Array | undefined;
  try {
    publicKey = readRsa(kid, value) ?? readEc(kid, value) ?? readCertificate(value);
  } catch (error) {
    if (!isCocoError(error) || error.code === "BadJwks") throw error;
    throw fail(kid, error.message, error);
  }
  if (publicKey === undefined) throw fail(kid, "neither RSA/EC public key or x5c");
  checkUsable(kid, publicKey, verifier);
  const { issuer } = value;
  if (issuer !== undefined && issuer !== null && typeof issuer !== "string") {
    throw fail(kid, "issuer is not a string");
  }
  return { kid, publicKey, constraint: typeof issuer === "string" ? issuer : undefined };
}

/** Reads a key set `{keys: [...]}`. @throws {CocoError} BadJwks */
export function parseJwks(value: unknown, verifier: Verifier): ParsedJwk[] {
  const keys = isRecord(value) ? value["keys"] : undefined;
  if (!Array.isArray(keys)) throw requestErrors.create("BadJwks", "keys is no array");
  if (keys.length === 0) throw requestErrors.create("BadJwks", "the set has no keys");
  if (keys.length > keyCountMax) {
    throw requestErrors.create("BadJwks", `more than ${keyCountMax} keys`);
  }
  const parsed = new Map<string, ParsedJwk>();
  // As in CCF the first of several keys with one kid counts.
  for (const key of keys.map((item: unknown) => parseJwk(item, verifier))) {
    if (!parsed.has(key.kid)) parsed.set(key.kid, key);
  }
  return [...parsed.values()];
}

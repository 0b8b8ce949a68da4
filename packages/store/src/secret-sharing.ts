/** Shamir's secret sharing over the field of 2^31 - 1 elements, ten elements at once. */
import { assert, type CocoError, type Hash, type Rng } from "@coco/base";
import { ledgerErrors } from "./errors.ts";

const prime = 0x7fff_ffff;
/** Ten limbs of 31 bits hold more than 256 bits of entropy. */
const limbCount = 10;
const shareBytes = 4 + 4 * limbCount;

/** A point of the polynomials. `x` = 0 is the secret itself. */
export interface Share {
  readonly x: number;
  /** Ten field elements. */
  readonly y: readonly number[];
}

function multiply(left: number, right: number): number {
  // Products of 62 bits are taken in two halves that a double holds exactly.
  const high = (left * (right >>> 16)) % prime;
  return (high * 0x1_0000 + left * (right & 0xffff)) % prime;
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let square = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

function randomElement(rng: Rng): number {
  for (;;) {
    const bytes = rng.bytes(4);
    const element = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) & prime;
    if (element !== prime) return element;
  }
}

/**
 * Draws a secret and `count` shares, any `threshold` of which give it back.
 * @param threshold 1 to `count`; @param count 1 to 254
 */
export function splitSecret(
  rng: Rng,
  threshold: number,
  count: number,
): { readonly secret: Share; readonly shares: readonly Share[] } {
  assert(Number.isInteger(count) && count >= 1 && count <= 254, "there are 1 to 254 shares");
  assert(Number.isInteger(threshold) && threshold >= 1, "the threshold is at least 1");
  assert(threshold <= count, "the threshold is not above the number of shares");
  const polynomials = Array.from({ length: limbCount }, () =>
    Array.from({ length: threshold }, () => randomElement(rng)),
  );
  const evaluate = (x: number): Share => ({
    x,
    y: polynomials.map((polynomial) =>
      polynomial.reduceRight((sum, term) => (multiply(sum, x) + term) % prime, 0),
    ),
  });
  return {
    secret: evaluate(0),
    shares: Array.from({ length: count }, (_, index) => evaluate(index + 1)),
  };
}

function fail(detail: string): CocoError {
  return ledgerErrors.create("BadShare", detail);
}

/**
 * The secret from exactly as many shares as the threshold. Wrong shares give a wrong secret; only
 * its use shows it.
 * @throws {CocoError} BadShare when two shares are the same point
 */
export function combineShares(shares: readonly Share[]): Share {
  assert(shares.length >= 1, "at least one share");
  const weights = shares.map((own, index) => {
    let numerator = 1;
    let denominator = 1;
    for (const [otherIndex, other] of shares.entries()) {
      if (otherIndex === index) continue;
      numerator = multiply(numerator, other.x % prime);
      denominator = multiply(denominator, ((other.x % prime) + prime - (own.x % prime)) % prime);
    }
    if (denominator === 0) throw fail("two shares are the same point");
    return multiply(numerator, power(denominator, prime - 2));
  });
  const y = Array.from({ length: limbCount }, (_, limb) =>
    shares.reduce((sum, share, index) => {
      return (sum + multiply(weights[index]!, share.y[limb]! % prime)) % prime;
    }, 0),
  );
  return { x: 0, y };
}

/** 44 bytes: x, then the ten elements, each 4 bytes little-endian. */
export function encodeShare(share: Share): Uint8Array {
  const bytes = new Uint8Array(shareBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, share.x, true);
  for (const [index, element] of share.y.entries()) view.setUint32(4 + 4 * index, element, true);
  return bytes;
}

/** @throws {CocoError} BadShare */
export function decodeShare(bytes: Uint8Array): Share {
  if (bytes.length !== shareBytes) throw fail(`${bytes.length} bytes instead of ${shareBytes}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const y = Array.from({ length: limbCount }, (_, index) => view.getUint32(4 + 4 * index, true));
  return { x: view.getUint32(0, true), y };
}

/** The key that wraps the ledger secret: HKDF-SHA-256 of the ten elements, which are info too. */
export function shareToWrappingKey(hash: Hash, secret: Share): Uint8Array {
  const elements = encodeShare(secret).subarray(4);
  return hash.hkdfSha256(elements, new Uint8Array(0), elements, 32);
}

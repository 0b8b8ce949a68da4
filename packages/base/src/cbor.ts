/** Deterministic CBOR. @source RFC 8949 sections 3 and 4.2 */
import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { baseErrors } from "./catalogue.ts";

/** A tagged value, for example tag 18 around a COSE_Sign1. */
export { Tagged as CborTag } from "cborg";

/** CBOR values as this project uses them; maps keep the types of their keys. */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<CborValue, CborValue>
  | Tagged;

/** Tags that appear in COSE messages and in attestation evidence. */
const tags = Tagged.preserve(0, 1, 16, 17, 18, 24, 32, 61, 96, 97, 98);

/** Deterministic encoding: shortest forms, map keys in bytewise order of their encodings. */
export function encodeCbor(value: CborValue): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes one value that fills `bytes`. Nesting and lengths are bounded by the input.
 * @throws {CocoError} BadCbor for malformed bytes, duplicate keys, keys that are no numbers or
 *   texts, unknown tags, trailing bytes
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  try {
    const value: unknown = decode(bytes, { useMaps: true, rejectDuplicateMapKeys: true, tags });
    if (holdsUnusable(value)) throw new Error("a map has a break code or an object as key");
    return value as CborValue;
  } catch (cause) {
    throw baseErrors.create("BadCbor", cause instanceof Error ? cause.message : "", {}, cause);
  }
}

/**
 * What the library lets pass: a break code for a value where a map of known length has its last
 * one; and keys that are objects, whose duplicates it does not see and which it cannot encode.
 */
function holdsUnusable(value: unknown): boolean {
  if (typeof value === "symbol") return true;
  if (Array.isArray(value)) return value.some(holdsUnusable);
  if (value instanceof Tagged) return holdsUnusable(value.value);
  if (!(value instanceof Map)) return false;
  for (const [key, item] of value) {
    if (typeof key === "object" && key !== null) return true;
    if (holdsUnusable(key) || holdsUnusable(item)) return true;
  }
  return false;
}

/** Bytes, and the few text forms that formats use. All functions are pure and allocate anew. */
import { baseErrors } from "./catalogue.ts";

/** The parts of the platform that exist in every runtime but not in the ECMAScript library. */
interface Platform {
  readonly TextEncoder: new () => { encode(text: string): Uint8Array };
  readonly TextDecoder: new (
    label: string,
    options: { fatal: boolean; ignoreBOM: boolean },
  ) => { decode(bytes: Uint8Array): string };
  readonly Buffer?: {
    readonly prototype: {
      latin1Slice(start: number, end: number): string;
      latin1Write(text: string, offset: number, length: number): number;
    };
    from(
      buffer: ArrayBufferLike,
      offset: number,
      length: number,
    ): {
      toString(encoding: "latin1" | "hex" | "base64"): string;
    };
    from(text: string, encoding: "latin1" | "base64"): Uint8Array;
  };
}
const platform = globalThis as unknown as Platform;
/** These work on any byte array, without the view that Buffer.from would make for each call. */
const latin1Slice = platform.Buffer?.prototype.latin1Slice as
  | ((this: Uint8Array, start: number, end: number) => string)
  | undefined;
const latin1Write = platform.Buffer?.prototype.latin1Write as
  | ((this: Uint8Array, text: string, offset: number, length: number) => number)
  | undefined;
/** From this length on the call into the platform costs less than a loop. */
const latin1WriteLengthMin = 128;
const encoder = new platform.TextEncoder();
const decoder = new platform.TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const emptyBytes = new Uint8Array(0);

const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** UTF-8 bytes of `text`. */
export function utf8ToBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @throws {CocoError} NotUtf8 */
export function bytesToUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw baseErrors.create("NotUtf8", `${bytes.length} bytes`, {}, cause);
  }
}

/** Lower-case hexadecimal. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += hexDigits[byte];
  return hex;
}

/** @throws {CocoError} NotHex unless `hex` is an even number of hexadecimal digits. */
export function hexToBytes(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) {
    throw baseErrors.create("NotHex", `${hex.length} characters`);
  }
  const bytes = new Uint8Array(hex.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

/**
 * One character U+0000..U+00FF per byte: the compact form in which the store keeps keys and values
 * (one-byte strings are cheaper than one buffer object for each).
 */
export function bytesToLatin1(bytes: Uint8Array): string {
  if (latin1Slice !== undefined) return latin1Slice.call(bytes, 0, bytes.length);
  let text = "";
  for (let start = 0; start < bytes.length; start += 4096) {
    text += String.fromCharCode.apply(
      null,
      bytes.subarray(start, start + 4096) as unknown as number[],
    );
  }
  return text;
}

/** Inverse of `bytesToLatin1`; characters above U+00FF lose their upper bits. */
export function latin1ToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  if (latin1Write !== undefined && text.length >= latin1WriteLengthMin) {
    latin1Write.call(bytes, text, 0, text.length);
    return bytes;
  }
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const base64Values = new Int16Array(128).fill(-1);
for (let index = 0; index < 64; index++) base64Values[base64Alphabet.charCodeAt(index)] = index;
base64Values["-".charCodeAt(0)] = 62;
base64Values["_".charCodeAt(0)] = 63;

/** Standard base64 with padding (RFC 4648 section 4). */
export function bytesToBase64(bytes: Uint8Array): string {
  const { Buffer } = platform;
  if (Buffer !== undefined) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  }
  let text = "";
  for (let index = 0; index < bytes.length; index += 3) {
    const left = bytes.length - index;
    const word =
      (bytes[index]! << 16) |
      (left > 1 ? bytes[index + 1]! << 8 : 0) |
      (left > 2 ? bytes[index + 2]! : 0);
    text += base64Alphabet[word >> 18]! + base64Alphabet[(word >> 12) & 63]!;
    text += left > 1 ? base64Alphabet[(word >> 6) & 63]! : "=";
    text += left > 2 ? base64Alphabet[word & 63]! : "=";
  }
  return text;
}

/** URL-safe base64 without padding (RFC 4648 section 5). */
export function bytesToBase64Url(bytes: Uint8Array): string {
  return bytesToBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Decodes base64 or base64url, with or without padding. Strict: no white space, no stray bits.
 * @throws {CocoError} NotBase64
 */
export function base64ToBytes(text: string): Uint8Array {
  const body = text.endsWith("==")
    ? text.slice(0, -2)
    : text.endsWith("=")
      ? text.slice(0, -1)
      : text;
  const rest = body.length % 4;
  const padded = text.length !== body.length;
  if (rest === 1 || (padded && text.length % 4 !== 0)) {
    throw baseErrors.create("NotBase64", `${text.length} characters`);
  }
  const bytes = new Uint8Array(Math.floor((body.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < body.length; index++) {
    const code = body.charCodeAt(index);
    const value = code < 128 ? base64Values[code]! : -1;
    if (value < 0) throw baseErrors.create("NotBase64", `character ${index} of ${text.length}`);
    word = ((word << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >> bits) & 0xff;
    }
  }
  if ((word & ((1 << bits) - 1)) !== 0) throw baseErrors.create("NotBase64", "stray final bits");
  return bytes;
}

/** The parts one after the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 0) return emptyBytes;
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Equality of public bytes; for secrets use `equalSecretBytes`. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
  return true;
}

/** Equality whose time depends on the length only. */
export function equalSecretBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index++) difference |= left[index]! ^ right[index]!;
  return difference === 0;
}

/** Lexicographic order of bytes: negative, zero or positive. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const difference = left[index]! - right[index]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

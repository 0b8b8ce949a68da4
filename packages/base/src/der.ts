/** DER: a strict bounded reader and a writer. @source ITU-T X.690 section 10 and 11 */
import { assert } from "./assert.ts";
import { bytesToLatin1, bytesToUtf8, concatBytes, latin1ToBytes, utf8ToBytes } from "./bytes.ts";
import { baseErrors } from "./catalogue.ts";

/** Identifier octets (class, constructed bit and number) of the types that certificates use. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of the context-specific tag `[number]`. */
export function derContextTag(number: number, isConstructed = true): number {
  assert(number >= 0 && number < 31, "a context tag number fits in one octet");
  return 0x80 | (isConstructed ? 0x20 : 0) | number;
}

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Identifier, length and content octets. */
  readonly bytes: Uint8Array;
}

function fail(detail: string): never {
  throw baseErrors.create("BadDer", detail);
}

/**
 * Reads elements one after the other. It accepts DER only: definite shortest lengths, one-octet
 * tags, shortest integers. Every method throws BadDer for anything else; it never reads past the
 * end and copies nothing.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Identifier octet of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next element, which must carry `tag` when that is given. @throws {CocoError} BadDer */
  element(tag?: number): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = bytes[start];
    if (found === undefined) fail("an element is missing");
    if (tag !== undefined && found !== tag) fail(`tag ${found} instead of ${tag}`);
    if ((found & 0x1f) === 0x1f) fail("a tag of several octets");
    let at = start + 1;
    let length = bytes[at++] ?? fail("the length is missing");
    if (length > 0x7f) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 4) fail("an indefinite or overlong length");
      length = 0;
      for (let index = 0; index < octets; index++) {
        length = length * 256 + (bytes[at++] ?? fail("the length is cut off"));
      }
      const isShortest = length > 0x7f && (octets === 1 || length >= 256 ** (octets - 1));
      if (!isShortest) fail("a length that is not the shortest");
    }
    const end = at + length;
    if (end > bytes.length) fail(`${end - bytes.length} bytes are missing`);
    this.#at = end;
    return { tag: found, content: bytes.subarray(at, end), bytes: bytes.subarray(start, end) };
  }

  /** A reader of the content of the next element. @throws {CocoError} BadDer */
  enter(tag: number): DerReader {
    return new DerReader(this.element(tag).content);
  }

  /** The next element when it carries `tag`, else nothing is read. @throws {CocoError} BadDer */
  optional(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.element(tag) : undefined;
  }

  /** Two's complement, big endian, shortest form. @throws {CocoError} BadDer */
  integer(): Uint8Array {
    const { content } = this.element(derTag.integer);
    const [first, second] = content;
    if (first === undefined) fail("an empty integer");
    if (second !== undefined) {
      const isPadded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
      if (isPadded) fail("an integer that is not the shortest");
    }
    return content;
  }

  /** Magnitude of a non-negative integer, without the sign octet. @throws {CocoError} BadDer */
  unsignedInteger(): Uint8Array {
    const content = this.integer();
    if (content[0]! > 0x7f) fail("a negative integer");
    return content.length > 1 && content[0] === 0 ? content.subarray(1) : content;
  }

  /** A non-negative integer below 2^48. @throws {CocoError} BadDer */
  smallInteger(): number {
    const magnitude = this.unsignedInteger();
    if (magnitude.length > 6) fail("an integer that is too large");
    return magnitude.reduce((value, octet) => value * 256 + octet, 0);
  }

  /** @throws {CocoError} BadDer */
  boolean(): boolean {
    const { content } = this.element(derTag.boolean);
    if (content.length !== 1) fail("a boolean that is not one octet");
    if (content[0] !== 0 && content[0] !== 0xff) fail("a boolean that is neither 0 nor 255");
    return content[0] === 0xff;
  }

  /** Dotted decimal form. @throws {CocoError} BadDer */
  objectIdentifier(): string {
    const { content } = this.element(derTag.objectIdentifier);
    const arcs: number[] = [];
    let arc = 0;
    let isInside = false;
    for (const octet of content) {
      if (!isInside && octet === 0x80) fail("an object identifier arc with leading zeros");
      arc = arc * 128 + (octet & 0x7f);
      if (arc > 0xffff_ffff_ffff) fail("an object identifier arc that is too large");
      isInside = octet > 0x7f;
      if (isInside) continue;
      if (arcs.length === 0) {
        const first = Math.min(2, Math.floor(arc / 40));
        arcs.push(first, arc - 40 * first);
      } else {
        arcs.push(arc);
      }
      if (arcs.length > 64) fail("an object identifier with too many arcs");
      arc = 0;
    }
    if (isInside || arcs.length === 0) fail("an object identifier that is cut off");
    return arcs.join(".");
  }

  /** @throws {CocoError} BadDer unless the string is a whole number of octets. */
  bitString(): Uint8Array {
    const { content } = this.element(derTag.bitString);
    if (content[0] !== 0) fail("a bit string that is not a whole number of octets");
    return content.subarray(1);
  }

  /** @throws {CocoError} BadDer */
  octetString(): Uint8Array {
    return this.element(derTag.octetString).content;
  }

  /** UTCTime or GeneralizedTime, in milliseconds since 1970. @throws {CocoError} BadDer */
  timeMs(): number {
    const { tag, content } = this.element();
    if (tag !== derTag.utcTime && tag !== derTag.generalizedTime) fail("no time");
    const text = content.length <= 15 ? bytesToLatin1(content) : "";
    const digits = tag === derTag.utcTime ? 2 : 4;
    const pattern = digits === 2 ? /^\d{12}Z$/ : /^\d{14}Z$/;
    if (!pattern.test(text)) fail("a time that is not in the form YYMMDDHHMMSSZ");
    const part = (index: number) => Number(text.slice(digits + 2 * index, digits + 2 * index + 2));
    const written = Number(text.slice(0, digits));
    // RFC 5280 section 4.1.2.5.1: two-digit years below 50 are in the 21st century.
    const year = digits === 4 ? written : written < 50 ? 2000 + written : 1900 + written;
    const date = new Date(0);
    date.setUTCFullYear(year, part(0) - 1, part(1));
    date.setUTCHours(part(2), part(3), part(4));
    const isReal =
      date.getUTCMonth() === part(0) - 1 &&
      date.getUTCDate() === part(1) &&
      date.getUTCHours() === part(2) &&
      date.getUTCMinutes() === part(3) &&
      date.getUTCSeconds() === part(4);
    if (!isReal) fail("a time that does not exist");
    return date.getTime();
  }

  /** @throws {CocoError} BadDer when something is left. */
  end(): void {
    if (!this.isAtEnd) fail(`${this.#bytes.length - this.#at} bytes are left over`);
  }
}

/** The text of a string element of a name or of an alternative name. @throws {CocoError} BadDer */
export function derElementToText(element: DerElement): string {
  const { tag, content } = element;
  if (tag === derTag.utf8String) {
    try {
      return bytesToUtf8(content);
    } catch {
      return fail("a UTF8String that is not UTF-8");
    }
  }
  if (tag === 0x1e) {
    let text = "";
    for (let index = 0; index + 1 < content.length; index += 2) {
      text += String.fromCharCode(content[index]! * 256 + content[index + 1]!);
    }
    return text;
  }
  const isOneOctetText = [0x12, derTag.printableString, 0x14, derTag.ia5String, 0x1a].includes(tag);
  return isOneOctetText ? bytesToLatin1(content) : fail(`tag ${tag} instead of a string`);
}

/** Writes one element. */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const content of contents) length += content.length;
  const header = [tag];
  if (length < 0x80) {
    header.push(length);
  } else {
    const octets: number[] = [];
    for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
    header.push(0x80 | octets.length, ...octets);
  }
  return concatBytes(Uint8Array.from(header), ...contents);
}

export function derSequence(...elements: readonly Uint8Array[]): Uint8Array {
  return derElement(derTag.sequence, ...elements);
}

/** A non-negative integer given by its big-endian magnitude. */
export function derInteger(magnitude: Uint8Array | number): Uint8Array {
  if (typeof magnitude === "number") {
    assert(magnitude >= 0 && magnitude < 0x8000_0000, "a small integer has at most 31 bits");
    const octets = [magnitude >>> 24, magnitude >>> 16, magnitude >>> 8, magnitude];
    return derInteger(Uint8Array.from(octets.map((octet) => octet & 0xff)));
  }
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const shortest = magnitude.subarray(start);
  const isSignNeeded = shortest.length === 0 || shortest[0]! > 0x7f;
  return derElement(derTag.integer, Uint8Array.from(isSignNeeded ? [0] : []), shortest);
}

/** @param identifier dotted decimal form */
export function derObjectIdentifier(identifier: string): Uint8Array {
  const [first, second, ...rest] = identifier.split(".").map(Number);
  assert(first !== undefined && second !== undefined, "an object identifier has two arcs or more");
  const octets: number[] = [];
  for (const arc of [40 * first + second, ...rest]) {
    assert(Number.isSafeInteger(arc) && arc >= 0, "an arc is a non-negative integer");
    const reversed = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      reversed.push(0x80 | (left % 128));
    }
    octets.push(...reversed.reverse());
  }
  return derElement(derTag.objectIdentifier, Uint8Array.from(octets));
}

/** A bit string of whole octets, or with the given number of unused bits at the end. */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return derElement(derTag.bitString, Uint8Array.of(unusedBits), bytes);
}

export function derOctetString(bytes: Uint8Array): Uint8Array {
  return derElement(derTag.octetString, bytes);
}

export function derBoolean(value: boolean): Uint8Array {
  return derElement(derTag.boolean, Uint8Array.of(value ? 0xff : 0));
}

export function derUtf8String(text: string): Uint8Array {
  return derElement(derTag.utf8String, utf8ToBytes(text));
}

/** UTCTime until 2049, then GeneralizedTime; whole seconds. @source RFC 5280 section 4.1.2.5 */
export function derTime(timeMs: number): Uint8Array {
  const date = new Date(timeMs);
  const year = date.getUTCFullYear();
  assert(year >= 0 && year <= 9999, "a certificate time lies in the years 0 to 9999");
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:T]/g, "");
  const isShort = year >= 1950 && year < 2050;
  return isShort
    ? derElement(derTag.utcTime, latin1ToBytes(digits.slice(2)))
    : derElement(derTag.generalizedTime, latin1ToBytes(digits));
}

/** ECDSA signature r||s to DER SEQUENCE {r, s}. @throws {CocoError} BadDer for an odd length */
export function ecdsaRawToDer(raw: Uint8Array): Uint8Array {
  if (raw.length === 0 || raw.length % 2 !== 0) fail("an ECDSA signature of odd length");
  const half = raw.length / 2;
  return derSequence(derInteger(raw.subarray(0, half)), derInteger(raw.subarray(half)));
}

/**
 * ECDSA signature DER SEQUENCE {r, s} to r||s.
 * @param coordinateSizeBytes 32 for P-256, 48 for P-384, 66 for P-521
 * @throws {CocoError} BadDer
 */
export function ecdsaDerToRaw(der: Uint8Array, coordinateSizeBytes: number): Uint8Array {
  const outer = new DerReader(der);
  const reader = outer.enter(derTag.sequence);
  const r = reader.unsignedInteger();
  const s = reader.unsignedInteger();
  reader.end();
  outer.end();
  if (r.length > coordinateSizeBytes || s.length > coordinateSizeBytes) {
    fail("an ECDSA signature that is too large for the curve");
  }
  const raw = new Uint8Array(2 * coordinateSizeBytes);
  raw.set(r, coordinateSizeBytes - r.length);
  raw.set(s, 2 * coordinateSizeBytes - s.length);
  return raw;
}

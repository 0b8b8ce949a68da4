/** How typed keys and values stand in tables, in the store's one-byte-string form. */
import {
  assert,
  bytesToLatin1,
  bytesToUtf8,
  isCocoError,
  latin1ToBytes,
  utf8ToBytes,
} from "@coco/base";
import { storeErrors } from "./errors.ts";

/** One character U+0000..U+00FF per byte on the stored side. */
export interface Codec<Value> {
  encode(value: Value): string;
  /** @throws {CocoError} BadValue */
  decode(stored: string): Value;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the class of all ASCII characters
const asciiPattern = /^[\x00-\x7f]*$/;

/** Text in UTF-8. Text that is not well-formed loses its lone surrogates. */
export const textCodec: Codec<string> = {
  encode: (text) => (asciiPattern.test(text) ? text : bytesToLatin1(utf8ToBytes(text))),
  decode(stored) {
    if (asciiPattern.test(stored)) return stored;
    try {
      return bytesToUtf8(latin1ToBytes(stored));
    } catch (cause) {
      if (isCocoError(cause)) throw storeErrors.create("BadValue", "not UTF-8", {}, cause);
      throw cause;
    }
  },
};

export const bytesCodec: Codec<Uint8Array> = { encode: bytesToLatin1, decode: latin1ToBytes };

const hexIdPattern = /^[0-9a-f]{64}$/;

/** Ids of members, users, nodes and proposals: 64 lower-case hexadecimal digits, as text. */
export const hexIdCodec: Codec<string> = {
  encode: (id) => textCodec.encode(id),
  decode(stored) {
    if (!hexIdPattern.test(stored)) throw storeErrors.create("BadValue", "not a hexadecimal id");
    return stored;
  },
};

/** Whole numbers from 0 to 2^53 - 1 as 8 bytes, little-endian. */
export const u64Codec: Codec<number> = {
  encode(value) {
    assert(Number.isSafeInteger(value) && value >= 0, "a stored number is whole and not negative");
    let text = "";
    for (let index = 0, rest = value; index < 8; index++, rest = Math.floor(rest / 256)) {
      text += String.fromCharCode(rest % 256);
    }
    return text;
  },
  decode(stored) {
    let value = 0;
    for (let index = 7; index >= 0; index--) value = value * 256 + stored.charCodeAt(index);
    if (stored.length !== 8 || !Number.isSafeInteger(value)) {
      throw storeErrors.create("BadValue", `${stored.length} bytes are not a number below 2^53`);
    }
    return value;
  },
};

const anyJsonCodec: Codec<unknown> = {
  encode(value) {
    const text: string | undefined = JSON.stringify(value);
    assert(text !== undefined, "a value of a JSON table has a JSON form");
    return textCodec.encode(text);
  },
  decode(stored) {
    const text = textCodec.decode(stored);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw storeErrors.create("BadValue", "not JSON", {}, cause);
    }
  },
};

/** Compact JSON in UTF-8, the names in the order in which the object has them. */
export function jsonCodec<Value>(): Codec<Value> {
  return anyJsonCodec as Codec<Value>;
}

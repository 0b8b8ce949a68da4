import { base64ToBytes, bytesToUtf8, type CocoError, isCocoError, utf8ToBytes } from "@coco/base";

export type JsonRecord = Readonly<Record<string, unknown>>;
type Fail = (detail: string) => CocoError;

/** Parses JSON; whatever is wrong with it becomes the error that `fail` makes. */
export function parseJson(bytes: Uint8Array, fail: Fail): unknown {
  try {
    return JSON.parse(bytesToUtf8(bytes));
  } catch {
    // The parser's own message quotes its input, which may be secret.
    throw fail("not JSON");
  }
}

export function toRecord(value: unknown, fail: Fail): JsonRecord {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail("not a JSON object");
  }
  return value as JsonRecord;
}

export function parseJsonRecord(bytes: Uint8Array, fail: Fail): JsonRecord {
  return toRecord(parseJson(bytes, fail), fail);
}

export function textField(record: JsonRecord, name: string, fail: Fail): string {
  const value = Object.hasOwn(record, name) ? record[name] : undefined;
  if (typeof value !== "string") throw fail(`${name} is not a text`);
  return value;
}

/** An integer from 0 to 2^53 - 1. */
export function integerField(record: JsonRecord, name: string, fail: Fail): number {
  const value = Object.hasOwn(record, name) ? record[name] : undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw fail(`${name} is not a number`);
  }
  return value;
}

/** Undefined when the field is absent or null. */
export function optionalIntegerField(
  record: JsonRecord,
  name: string,
  fail: Fail,
): number | undefined {
  return (record[name] ?? undefined) === undefined ? undefined : integerField(record, name, fail);
}

export function base64Field(record: JsonRecord, name: string, fail: Fail): Uint8Array {
  return decodeBase64(textField(record, name, fail), fail, name);
}

export function decodeBase64(text: string, fail: Fail, name: string): Uint8Array {
  try {
    return base64ToBytes(text);
  } catch (cause) {
    if (isCocoError(cause)) throw fail(`${name} is not base64`);
    throw cause;
  }
}

/** 64 hexadecimal digits as 32 bytes. */
export function digestField(record: JsonRecord, name: string, fail: Fail): Uint8Array {
  const text = textField(record, name, fail);
  if (!/^[0-9a-f]{64}$/.test(text)) throw fail(`${name} is not a digest in hexadecimal`);
  const bytes = new Uint8Array(32);
  for (let index = 0; index < 32; index++) {
    bytes[index] = Number.parseInt(text.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

/** JSON with the keys of every object in alphabetical order, as the ledger's tables have them. */
export function toSortedJson(value: unknown): Uint8Array {
  return utf8ToBytes(JSON.stringify(sortKeys(value)));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  entries.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  return Object.fromEntries(entries.map(([key, field]) => [key, sortKeys(field)]));
}

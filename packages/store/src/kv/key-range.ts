/** Ranges of keys in the store's one-byte-string form. */
import { assert, bytesToLatin1 } from "@coco/base";
import type { RangeOptions, TextRangeOptions } from "./types.ts";

/** Keys from `from` (inclusive) to `to` (exclusive; undefined: no end). */
export interface KeyRange {
  readonly from: string;
  readonly to: string | undefined;
}

export function isInRange(range: KeyRange, key: string): boolean {
  return key >= range.from && (range.to === undefined || key < range.to);
}

/** The part of `range` that ends, in its order, with `last`. */
export function rangeUpTo(range: KeyRange, isReverse: boolean, last: string): KeyRange {
  return isReverse ? { from: last, to: range.to } : { from: range.from, to: `${last}\0` };
}

/** The part of `range` that follows, in its order, after `last`. */
export function rangeAfter(range: KeyRange, isReverse: boolean, last: string): KeyRange {
  return isReverse ? { from: range.from, to: last } : { from: `${last}\0`, to: range.to };
}

/** The keys that the options ask for, leaving order and count aside. */
export function optionsToRange(options: TextRangeOptions): KeyRange {
  const { prefix = "" } = options;
  let from = options.from ?? "";
  let to = options.to;
  if (prefix > from) from = prefix;
  const prefixEnd = prefixToEnd(prefix);
  if (prefixEnd !== undefined && (to === undefined || prefixEnd < to)) to = prefixEnd;
  return { from, to };
}

export function rangeOptionsToText(options: RangeOptions): TextRangeOptions {
  const { from, to, prefix, reverse, countMax } = options;
  return {
    ...(from === undefined ? {} : { from: bytesToLatin1(from) }),
    ...(to === undefined ? {} : { to: bytesToLatin1(to) }),
    ...(prefix === undefined ? {} : { prefix: bytesToLatin1(prefix) }),
    ...(reverse === undefined ? {} : { reverse }),
    ...(countMax === undefined ? {} : { countMax }),
  };
}

/** @throws {AssertionError} unless the limit is absent or a number of entries */
export function optionsToCountMax(options: TextRangeOptions): number {
  const { countMax = Number.POSITIVE_INFINITY } = options;
  assert(countMax >= 0, "the limit of a range is not negative");
  return countMax;
}

/** The least key above every key that begins with `prefix`; undefined when there is none. */
export function prefixToEnd(prefix: string): string | undefined {
  let length = prefix.length;
  while (length > 0 && prefix.charCodeAt(length - 1) === 0xff) length--;
  if (length === 0) return undefined;
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1);
}

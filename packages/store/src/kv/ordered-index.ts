/**
 * The keys of a table in order: a sorted array cut into chunks. JavaScript compares strings by
 * code units, which for one-byte strings is the bytewise order.
 */
import { assert } from "@coco/base";

const chunkCountMax = 512;

export class OrderedIndex {
  /** Never empty except as the only chunk; every key of a chunk is below every key of the next. */
  readonly #chunks: string[][] = [];

  /** Builds the index of `keys`, which are distinct, in any order. */
  constructor(keys: Iterable<string>) {
    const sorted = Array.from(keys).sort();
    const fill = chunkCountMax / 2;
    for (let start = 0; start < sorted.length; start += fill) {
      this.#chunks.push(sorted.slice(start, start + fill));
    }
    if (this.#chunks.length === 0) this.#chunks.push([]);
  }

  /** Adds `key`; nothing happens when it is there. */
  insert(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    const index = lowerBound(chunk, key);
    if (chunk[index] === key) return;
    chunk.splice(index, 0, key);
    if (chunk.length > chunkCountMax) {
      this.#chunks.splice(at + 1, 0, chunk.splice(chunk.length >> 1));
    }
  }

  /** Removes `key`; nothing happens when it is not there. */
  delete(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    const index = lowerBound(chunk, key);
    if (chunk[index] !== key) return;
    chunk.splice(index, 1);
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(at, 1);
  }

  /**
   * At most `countMax` keys from `from` (inclusive) to `to` (exclusive; undefined: no end): the
   * lowest in ascending order, or with `isReverse` the highest in descending order.
   */
  keys(from: string, to: string | undefined, isReverse: boolean, countMax: number): string[] {
    assert(countMax > 0, "a slice of an index holds at least one key");
    return isReverse ? this.#descending(from, to, countMax) : this.#ascending(from, to, countMax);
  }

  #ascending(from: string, to: string | undefined, countMax: number): string[] {
    const found: string[] = [];
    let at = this.#chunkOf(from);
    let index = lowerBound(this.#chunks[at]!, from);
    for (; at < this.#chunks.length; at++, index = 0) {
      const chunk = this.#chunks[at]!;
      for (; index < chunk.length; index++) {
        const key = chunk[index]!;
        if (to !== undefined && key >= to) return found;
        found.push(key);
        if (found.length === countMax) return found;
      }
    }
    return found;
  }

  #descending(from: string, to: string | undefined, countMax: number): string[] {
    const found: string[] = [];
    let at = to === undefined ? this.#chunks.length - 1 : this.#chunkOf(to);
    let chunk = this.#chunks[at]!;
    let index = (to === undefined ? chunk.length : lowerBound(chunk, to)) - 1;
    while (true) {
      for (; index >= 0; index--) {
        const key = chunk[index]!;
        if (key < from) return found;
        found.push(key);
        if (found.length === countMax) return found;
      }
      if (at === 0) return found;
      chunk = this.#chunks[--at]!;
      index = chunk.length - 1;
    }
  }

  /** Position of the last chunk whose first key is not above `key`, or 0. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#chunks[middle]![0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Position of the first of the sorted `keys` that is not below `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What one transaction has written to one table so far. */
import type { KeyRange } from "./key-range.ts";
import { lowerBound } from "./ordered-index.ts";
import type { Seqno, TableChanges } from "./types.ts";

/** Stands in until the first write; most tables are only read. */
const noValues = new Map<string, string | undefined>();
const nothingRemoved: ReadonlySet<string> = new Set();

export class OwnWrites {
  /** Undefined where the key was removed. */
  values: Map<string, string | undefined> = noValues;
  #sortedKeys: string[] | undefined;

  set(key: string, value: string | undefined): void {
    if (this.values === noValues) this.values = new Map();
    if (this.#sortedKeys !== undefined && !this.values.has(key)) this.#sortedKeys = undefined;
    this.values.set(key, value);
  }

  /** Those in `range`, in its order, as they are now. */
  inRange(range: KeyRange, isReverse: boolean): [key: string, value: string | undefined][] {
    if (this.values.size === 0) return [];
    this.#sortedKeys ??= Array.from(this.values.keys()).sort();
    const keys = this.#sortedKeys;
    const first = lowerBound(keys, range.from);
    const end = range.to === undefined ? keys.length : lowerBound(keys, range.to);
    const found: [string, string | undefined][] = [];
    for (let index = first; index < end; index++) {
      found.push([keys[index]!, this.values.get(keys[index]!)]);
    }
    return isReverse ? found.reverse() : found;
  }

  /**
   * As changes in order of keys; undefined when nothing changes, because the only removed keys
   * are not there.
   * @param present the keys that the table holds now
   */
  toChanges(
    name: string,
    readVersion: Seqno,
    present: ReadonlyMap<string, unknown>,
  ): TableChanges | undefined {
    if (this.values.size === 0) return undefined;
    if (this.#isPlain()) {
      const writes = this.values as ReadonlyMap<string, string>;
      return { name, readVersion, writes, removes: nothingRemoved };
    }
    const writes = new Map<string, string>();
    const removes = new Set<string>();
    for (const key of Array.from(this.values.keys()).sort()) {
      const value = this.values.get(key);
      if (value !== undefined) writes.set(key, value);
      else if (present.has(key)) removes.add(key);
    }
    return writes.size + removes.size > 0 ? { name, readVersion, writes, removes } : undefined;
  }

  /** Whether the keys are already in order and none is removed. */
  #isPlain(): boolean {
    let previous = "";
    for (const [key, value] of this.values) {
      if (value === undefined || key < previous) return false;
      previous = key;
    }
    return true;
  }
}

/** Reads one table as it was when a transaction began, and remembers what was read. */
import { storeErrors } from "./errors.ts";
import { isInRange, type KeyRange, rangeAfter, rangeUpTo } from "./key-range.ts";
import { entriesSince, type StoreState } from "./store-state.ts";
import { type Entry, EntryScan, type TableState } from "./table-state.ts";
import type { Seqno } from "./types.ts";

/** The part of a range that was read so far. */
export interface RangeRead extends KeyRange {
  readonly isReverse: boolean;
  /** The last key that was handed out; undefined before the first. */
  last: string | undefined;
  /** Whether the range was read to its end. */
  isComplete: boolean;
}

/** Keys and their entries; undefined where there was none. */
type Patch = ReadonlyMap<string, Entry | undefined>;

const noPatch: Patch = new Map();
const noVersions: Seqno[] = [];

/** More than the seqnos of a service's life. */
const seqnoSpan = 2 ** 40;
/** Reads of single keys after which repetitions are looked for. */
const readCountMaxFirst = 1024;

export class SnapshotReader {
  readonly table: TableState;
  readonly #store: StoreState;
  readonly #readVersion: Seqno;
  readonly #rewriteCount: number;
  /** Keys that were read, with repetitions, and the versions found there; 0 for nothing. */
  #readKeys: string[] | undefined;
  #readVersions: Seqno[] = noVersions;
  #readCountMax = readCountMaxFirst;
  #rangeReads: RangeRead[] | undefined;
  #isReadWhole = false;
  #patch: Patch = noPatch;
  #patchVersion: Seqno = 0;

  constructor(store: StoreState, table: TableState, readVersion: Seqno) {
    this.#store = store;
    this.table = table;
    this.#readVersion = readVersion;
    this.#rewriteCount = store.rewriteCount;
  }

  get(key: string): Entry | undefined {
    const entry = this.#entryAtBegin(key);
    if (this.#readKeys === undefined) {
      this.#readVersions = [];
      this.#readKeys = [];
    }
    this.#readVersions.push(entry === undefined ? 0 : entry.version);
    this.#readKeys.push(key);
    if (this.#readKeys.length >= this.#readCountMax) this.#forgetRepetitions();
    return entry;
  }

  /** Number of keys. */
  size(): number {
    this.#isReadWhole = true;
    let size = this.table.entries.size;
    for (const [key, before] of this.#changedSince()) {
      if (this.table.entries.has(key)) size--;
      if (before !== undefined) size++;
    }
    return size;
  }

  /** A number that no other state of the table has; undefined when it has changed since. */
  stamp(): number | undefined {
    this.#isReadWhole = true;
    this.#checkNotRewritten();
    const { version } = this.table;
    if (version > this.#readVersion) return undefined;
    // After a rollback the same seqno can come again with other contents.
    return this.#rewriteCount * seqnoSpan + version;
  }

  /** Visits every entry, in no promised order, until `visit` returns false. */
  visitAll(visit: (key: string, entry: Entry) => boolean): boolean {
    this.#isReadWhole = true;
    const patch = this.#changedSince();
    const scan = new EntryScan(this.table);
    try {
      for (let item = scan.next(); item !== undefined; item = scan.next()) {
        if (patch.has(item[0])) continue;
        if (!visit(item[0], item[1])) return false;
      }
    } finally {
      scan.close();
    }
    for (const [key, before] of patch) {
      if (before !== undefined && !visit(key, before)) return false;
    }
    return true;
  }

  /** Remembers that (some of) a range is about to be read. */
  beginRange(range: KeyRange, isReverse: boolean): RangeRead {
    const read: RangeRead = { ...range, isReverse, last: undefined, isComplete: false };
    this.#rangeReads ??= [];
    this.#rangeReads.push(read);
    return read;
  }

  /**
   * The next entries of a range, in its order, at most about `countMax`; and what is then left
   * of the range, undefined when nothing is.
   */
  slice(range: KeyRange, isReverse: boolean, countMax: number): Slice {
    const patch = this.#changedSince();
    const keys = this.table.orderedIndex().keys(range.from, range.to, isReverse, countMax);
    const last = keys.length < countMax ? undefined : keys.at(-1);
    const covered = last === undefined ? range : rangeUpTo(range, isReverse, last);
    const rest = last === undefined ? undefined : rangeAfter(range, isReverse, last);
    const found: [string, string][] = [];
    for (const key of keys) {
      if (!patch.has(key)) found.push([key, this.table.entries.get(key)!.value]);
    }
    if (patch.size > 0) mergePatch(found, patch, covered, isReverse);
    return { entries: found, covered, rest };
  }

  /** Whether a commit at the present state would have read the same. */
  isValid(): boolean {
    const current = this.#store.tables.get(this.table.name) ?? this.table;
    const keys = this.#readKeys ?? [];
    for (let index = 0; index < keys.length; index++) {
      const version = current.entries.get(keys[index]!)?.version ?? 0;
      if (version !== this.#readVersions[index]) return false;
    }
    if (current.version <= this.#readVersion) return true;
    if (this.#isReadWhole) return false;
    if (this.#rangeReads === undefined) return true;
    const changed = entriesSince(this.#store, current, this.#readVersion);
    if (changed === undefined) return false;
    for (const key of changed.keys()) {
      if (this.#rangeReads.some((read) => isInRangeRead(read, key))) return false;
    }
    return true;
  }

  /** Keeps what a loop over the same keys has read within bounds. */
  #forgetRepetitions(): void {
    const versions = new Map<string, Seqno>();
    for (const [index, key] of this.#readKeys!.entries()) {
      versions.set(key, this.#readVersions[index]!);
    }
    this.#readKeys = Array.from(versions.keys());
    this.#readVersions = Array.from(versions.values());
    this.#readCountMax = Math.max(readCountMaxFirst, 2 * versions.size);
  }

  #entryAtBegin(key: string): Entry | undefined {
    this.#checkNotRewritten();
    const entry = this.table.entries.get(key);
    if (this.table.version <= this.#readVersion) return entry;
    if (entry !== undefined && entry.version <= this.#readVersion) return entry;
    return this.#changedSince().get(key);
  }

  /** What stood, when the transaction began, at the keys that were changed since. */
  #changedSince(): Patch {
    this.#checkNotRewritten();
    const { version } = this.table;
    if (version <= this.#readVersion) return noPatch;
    if (version !== this.#patchVersion) {
      const patch = entriesSince(this.#store, this.table, this.#readVersion);
      if (patch === undefined) throw this.#conflict();
      this.#patch = patch;
      this.#patchVersion = version;
    }
    return this.#patch;
  }

  #checkNotRewritten(): void {
    if (this.#rewriteCount !== this.#store.rewriteCount) throw this.#conflict();
  }

  #conflict(): Error {
    return storeErrors.create("TransactionConflict", this.table.name, {
      readVersion: this.#readVersion,
      seqno: this.#store.seqno,
    });
  }
}

/** Some entries of a range in its order, the part of it that they cover, and what is left. */
export interface Slice {
  readonly entries: readonly (readonly [key: string, value: string])[];
  readonly covered: KeyRange;
  readonly rest: KeyRange | undefined;
}

function isInRangeRead(read: RangeRead, key: string): boolean {
  if (!isInRange(read, key)) return false;
  if (read.isComplete) return true;
  if (read.last === undefined) return false;
  return read.isReverse ? key >= read.last : key <= read.last;
}

/** Puts the entries of `patch` that lie in `range` into their places among `entries`. */
function mergePatch(
  entries: [string, string][],
  patch: Patch,
  range: KeyRange,
  isReverse: boolean,
): void {
  for (const [key, entry] of patch) {
    if (entry !== undefined && isInRange(range, key)) entries.push([key, entry.value]);
  }
  const direction = isReverse ? -1 : 1;
  entries.sort(([left], [right]) => (left < right ? -direction : left > right ? direction : 0));
}

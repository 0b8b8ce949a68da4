/** One table as one transaction sees it. */
import { bytesToLatin1, latin1ToBytes } from "@coco/base";
import { type AccessRights, accessToRights, explainRefusal } from "./access.ts";
import { storeErrors } from "./errors.ts";
import {
  isInRange,
  type KeyRange,
  optionsToCountMax,
  optionsToRange,
  rangeOptionsToText,
} from "./key-range.ts";
import { OwnWrites } from "./own-writes.ts";
import { SnapshotReader } from "./snapshot-reader.ts";
import type { StoreState } from "./store-state.ts";
import type { TableState } from "./table-state.ts";
import type { RangeOptions, Seqno, Table, TextRangeOptions, Transaction } from "./types.ts";

/** Entries read ahead from an ordered index: few at first, because most ranges end early. */
const sliceCountFirst = 16;
const sliceCountMax = 1024;

export class TableView implements Table {
  readonly name: string;
  readonly writes = new OwnWrites();
  readonly reader: SnapshotReader;
  readonly #transaction: Transaction;
  readonly #rights: AccessRights;

  constructor(store: StoreState, table: TableState, transaction: Transaction) {
    this.name = table.name;
    this.reader = new SnapshotReader(store, table, transaction.readVersion);
    this.#transaction = transaction;
    this.#rights = accessToRights(transaction.access, table.tableClass);
  }

  get size(): number {
    this.#checkRead();
    let size = this.reader.size();
    for (const [key, value] of this.writes.values) {
      const isThere = this.reader.get(key) !== undefined;
      if (isThere && value === undefined) size--;
      else if (!isThere && value !== undefined) size++;
    }
    return size;
  }

  get stamp(): number | undefined {
    this.#checkRead();
    return this.writes.values.size > 0 ? undefined : this.reader.stamp();
  }

  getText(key: string): string | undefined {
    this.#checkRead();
    return this.#value(key);
  }

  hasText(key: string): boolean {
    this.#checkRead();
    return this.#value(key) !== undefined;
  }

  setText(key: string, value: string): void {
    this.#checkWrite();
    this.writes.set(key, value);
  }

  deleteText(key: string): boolean {
    this.#checkWrite();
    const isThere = this.#value(key) !== undefined;
    this.writes.set(key, undefined);
    return isThere;
  }

  versionOfText(key: string): Seqno | undefined {
    this.#checkRead();
    return this.reader.get(key)?.version;
  }

  clear(): void {
    this.#checkWrite();
    const keys: string[] = [];
    this.#forEach((_, key) => keys.push(key));
    for (const key of keys) this.writes.set(key, undefined);
  }

  forEachText(visit: (value: string, key: string) => unknown): void {
    this.#checkRead();
    this.#forEach(visit);
  }

  rangeText(options: TextRangeOptions = {}): Iterable<readonly [string, string]> {
    this.#checkRead();
    const range = optionsToRange(options);
    const isReverse = options.reverse === true;
    const countMax = optionsToCountMax(options);
    const own = this.writes.inRange(range, isReverse);
    return { [Symbol.iterator]: () => this.#walk(range, isReverse, countMax, own) };
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const value = this.getText(bytesToLatin1(key));
    return value === undefined ? undefined : latin1ToBytes(value);
  }

  has(key: Uint8Array): boolean {
    return this.hasText(bytesToLatin1(key));
  }

  set(key: Uint8Array, value: Uint8Array): void {
    this.setText(bytesToLatin1(key), bytesToLatin1(value));
  }

  delete(key: Uint8Array): boolean {
    return this.deleteText(bytesToLatin1(key));
  }

  versionOf(key: Uint8Array): Seqno | undefined {
    return this.versionOfText(bytesToLatin1(key));
  }

  forEach(visit: (value: Uint8Array, key: Uint8Array) => unknown): void {
    this.forEachText((value, key) => visit(latin1ToBytes(value), latin1ToBytes(key)));
  }

  range(options: RangeOptions = {}): Iterable<readonly [Uint8Array, Uint8Array]> {
    const entries = this.rangeText(rangeOptionsToText(options));
    return {
      *[Symbol.iterator]() {
        for (const [key, value] of entries) yield [latin1ToBytes(key), latin1ToBytes(value)];
      },
    };
  }

  #value(key: string): string | undefined {
    const own = this.writes.values;
    if (own.size > 0) {
      const value = own.get(key);
      if (value !== undefined || own.has(key)) return value;
    }
    return this.reader.get(key)?.value;
  }

  #forEach(visit: (value: string, key: string) => unknown): void {
    const own = new Map(this.writes.values);
    const isFinished = this.reader.visitAll(
      (key, entry) => own.has(key) || visit(entry.value, key) !== false,
    );
    if (!isFinished) return;
    for (const [key, value] of own) {
      if (value !== undefined && visit(value, key) === false) return;
    }
  }

  /** Merges the entries of the table with `own`, which both are in the range's order. */
  *#walk(
    range: KeyRange,
    isReverse: boolean,
    countMax: number,
    own: readonly (readonly [string, string | undefined])[],
  ): Generator<readonly [string, string]> {
    if (countMax === 0) return;
    const read = this.reader.beginRange(range, isReverse);
    let count = 0;
    let ownIndex = 0;
    let sliceCount = Math.min(sliceCountFirst, countMax);
    let rest: KeyRange | undefined = range;
    while (rest !== undefined) {
      this.#checkRead();
      const slice = this.reader.slice(rest, isReverse, sliceCount);
      const ownEnd = endOfOwn(own, ownIndex, slice.covered);
      for (const [key, value] of merge(slice.entries, own, ownIndex, ownEnd, isReverse)) {
        read.last = key;
        yield [key, value];
        if (++count >= countMax) return;
      }
      ownIndex = ownEnd;
      rest = slice.rest;
      sliceCount = Math.min(sliceCount * 2, sliceCountMax);
    }
    read.isComplete = true;
  }

  #checkRead(): void {
    if (this.#transaction.isEnded || !this.#rights.canRead) throw this.#refusal();
  }

  #checkWrite(): void {
    if (this.#transaction.isEnded || !this.#rights.canWrite) throw this.#refusal();
  }

  #refusal(): Error {
    if (this.#transaction.isEnded) return storeErrors.create("TransactionEnded", this.name);
    const { access } = this.#transaction;
    const detail = explainRefusal(this.name, access, this.#rights);
    return storeErrors.create("TableAccessDenied", detail, { table: this.name, access });
  }
}

/** Index of the first of `own` from `start` on that lies outside `covered`. */
function endOfOwn(
  own: readonly (readonly [string, string | undefined])[],
  start: number,
  covered: KeyRange,
): number {
  let end = start;
  while (end < own.length && isInRange(covered, own[end]![0])) end++;
  return end;
}

/** Entries and own writes `start..end` in one order; own writes stand in for entries. */
function* merge(
  entries: readonly (readonly [string, string])[],
  own: readonly (readonly [string, string | undefined])[],
  start: number,
  end: number,
  isReverse: boolean,
): Generator<readonly [string, string]> {
  let at = start;
  for (const [key, stored] of entries) {
    let isReplaced = false;
    for (; at < end; at++) {
      const [ownKey, value] = own[at]!;
      if (isReverse ? ownKey < key : ownKey > key) break;
      if (ownKey === key) isReplaced = true;
      if (value !== undefined) yield [ownKey, value];
    }
    if (!isReplaced) yield [key, stored];
  }
  for (; at < end; at++) {
    const [ownKey, value] = own[at]!;
    if (value !== undefined) yield [ownKey, value];
  }
}

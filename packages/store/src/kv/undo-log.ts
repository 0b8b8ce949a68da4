/** What it takes to undo the transactions that are not yet committed for good. */
import { assert } from "@coco/base";
import type { Entry, TableState } from "./table-state.ts";
import type { Changes, Seqno, TableChanges } from "./types.ts";

/** One table of one transaction: its changes, and what stood there before. */
export interface UndoTable {
  readonly state: TableState;
  readonly changes: TableChanges;
  readonly versionBefore: Seqno;
  /** The entries of the written keys, to be changed in place; undefined for new keys. */
  readonly entries: readonly (Entry | undefined)[];
  /** Before, of the written keys and then of the removed keys; undefined where nothing was. */
  readonly valuesBefore: readonly (string | undefined)[];
  readonly versionsBefore: readonly Seqno[];
}

export interface UndoRecord {
  readonly seqno: Seqno;
  readonly changes: Changes;
  readonly tables: readonly UndoTable[];
  /** The content comes later. */
  readonly isReserved: boolean;
}

/** Calls `visit` with each key that `table` changed, and what stood there before. */
export function forEachUndone(
  table: UndoTable,
  visit: (key: string, value: string | undefined, version: Seqno) => void,
): void {
  const { changes, valuesBefore, versionsBefore } = table;
  let index = 0;
  for (const key of changes.writes.keys()) {
    visit(key, valuesBefore[index], versionsBefore[index] ?? 0);
    index++;
  }
  for (const key of changes.removes) {
    visit(key, valuesBefore[index], versionsBefore[index] ?? 0);
    index++;
  }
}

/** Records of consecutive seqnos. Each method can be cut short and called again. */
export class UndoLog {
  /** Records up to and including this seqno are forgotten. */
  floor: Seqno;
  /** The first record belongs to seqno `origin + 1`. */
  #window: { readonly origin: Seqno; readonly records: (UndoRecord | undefined)[] };

  constructor(floor: Seqno) {
    this.floor = floor;
    this.#window = { origin: floor, records: [] };
  }

  get(seqno: Seqno): UndoRecord | undefined {
    if (seqno <= this.floor) return undefined;
    return this.#window.records[seqno - this.#window.origin - 1];
  }

  put(record: UndoRecord): void {
    const index = record.seqno - this.#window.origin - 1;
    assert(index <= this.#window.records.length, "undo records are consecutive");
    this.#window.records[index] = record;
  }

  /** Forgets the records after `seqno`, which were undone. */
  truncate(seqno: Seqno): void {
    const length = Math.max(0, seqno - this.#window.origin);
    if (length < this.#window.records.length) this.#window.records.length = length;
  }

  /** Forgets the records up to `seqno`, which are never undone. */
  compact(seqno: Seqno): void {
    const { origin, records } = this.#window;
    const first = this.floor - origin;
    const count = seqno - origin;
    this.floor = seqno;
    for (let index = first; index < count; index++) records[index] = undefined;
    if (count >= 1024 && count * 2 >= records.length) {
      this.#window = { origin: seqno, records: records.slice(count) };
    }
  }
}

/** The committed contents of one table. */
import { type TableClass, tableNameToClass } from "./access.ts";
import { OrderedIndex } from "./ordered-index.ts";
import type { TableKeeper } from "./store-scan.ts";
import type { Seqno } from "./types.ts";

/** Changed in place by a later write, which saves a second look-up of the key. */
export interface Entry {
  value: string;
  version: Seqno;
}

/** An entry of a table, with the mark of the last walk for a snapshot that has passed it. */
export interface LiveEntry extends Entry {
  mark: number;
}

export class TableState {
  readonly name: string;
  readonly tableClass: TableClass;
  readonly entries = new Map<string, LiveEntry>();
  /** Seqno of the last transaction that changed this table; 0 before the first. */
  version: Seqno = 0;
  /** Scans under way, which copy what is left of them before the table changes. */
  readonly scans = new Set<EntryScan>();
  /** Keeps what a snapshot still has to read; undefined while none is taken. */
  keeper: TableKeeper | undefined;
  /** Set while the index is being built, so that `repair` knows of a build cut short. */
  isIndexBuilding = false;
  #index: OrderedIndex | undefined;

  constructor(name: string) {
    this.name = name;
    this.tableClass = tableNameToClass(name);
  }

  /** The keys in order; sorting them is left to the first ordered use of the table. */
  orderedIndex(): OrderedIndex {
    if (this.#index === undefined) {
      this.isIndexBuilding = true;
      this.#index = new OrderedIndex(this.entries.keys());
      this.isIndexBuilding = false;
    }
    return this.#index;
  }

  /** Builds anew an index whose building was cut short: outside of the guard it has the time. */
  finishIndex(): void {
    if (!this.isIndexBuilding) return;
    this.orderedIndex();
    this.isIndexBuilding = false;
  }

  dropIndex(): void {
    this.#index = undefined;
  }

  /** Adds a key that is not there. Doing it twice changes nothing. */
  insert(key: string, value: string, version: Seqno): void {
    this.#index?.insert(key);
    this.entries.set(key, { value, version, mark: 0 });
  }

  /** Doing it twice changes nothing. */
  delete(key: string): void {
    this.#index?.delete(key);
    this.entries.delete(key);
  }

  /** Puts a value (undefined: nothing) in the place of `key`. Doing it twice changes nothing. */
  restore(key: string, value: string | undefined, version: Seqno): void {
    if (value === undefined) this.delete(key);
    else this.insert(key, value, version);
  }

  /** Makes scans independent of the change that is about to happen. */
  detachScans(): void {
    if (this.scans.size === 0) return;
    for (const scan of this.scans) scan.detach();
    this.scans.clear();
  }
}

/** A walk over the entries of a table that does not see later changes. */
export class EntryScan {
  readonly #state: TableState;
  #entries: Iterator<[string, Entry]>;

  constructor(state: TableState) {
    this.#state = state;
    this.#entries = state.entries.entries();
    state.scans.add(this);
  }

  next(): [string, Entry] | undefined {
    const result = this.#entries.next();
    return result.done === true ? undefined : result.value;
  }

  detach(): void {
    const rest: [string, Entry][] = [];
    for (let item = this.next(); item !== undefined; item = this.next()) {
      rest.push([item[0], { value: item[1].value, version: item[1].version }]);
    }
    this.#entries = rest.values();
  }

  close(): void {
    this.#state.scans.delete(this);
  }
}

/** Reading the state of one seqno while transactions go on: copy on write, row by row. */
import { assert } from "@coco/base";
import type { StoreState } from "./store-state.ts";
import type { Entry, LiveEntry, TableState } from "./table-state.ts";
import type { ScannedTable, Seqno, StoreScan, TableChanges } from "./types.ts";

/** Rows between two looks at the clock. */
const rowsPerCheck = 32;

export class MemoryStoreScan implements StoreScan {
  readonly seqno: Seqno;
  readonly rowSizeBytes: (key: string, value: string) => number;
  /** On entries whose size has been added up; one more on entries that have been read. */
  readonly measuredMark: number;
  readonly #state: StoreState;
  readonly #keepers: TableKeeper[] = [];
  #isBroken = false;

  constructor(state: StoreState, rowSizeBytes: (key: string, value: string) => number) {
    assert(state.scan === undefined, "one scan of a store ends before the next begins");
    this.#state = state;
    this.seqno = state.seqno;
    this.rowSizeBytes = rowSizeBytes;
    state.markCount += 2;
    this.measuredMark = state.markCount - 1;
    for (const table of state.tables.values()) this.addTable(table);
    state.scan = this;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  addTable(table: TableState): void {
    const keeper = new TableKeeper(this, table);
    table.keeper = keeper;
    this.#keepers.push(keeper);
  }

  break(): void {
    this.#isBroken = true;
  }

  tables(): readonly ScannedTable[] {
    return this.#keepers
      .filter(({ version }) => version > 0)
      .sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  end(): void {
    if (this.#state.scan !== this) return;
    for (const { table } of this.#keepers) table.keeper = undefined;
    this.#state.scan = undefined;
  }
}

/**
 * One table of a scan. An entry that was written after the scan's seqno is recognised by its
 * version; what stood in its place is kept, unless the walk had passed it before.
 */
export class TableKeeper implements ScannedTable {
  readonly scan: MemoryStoreScan;
  readonly table: TableState;
  sizeBytes = 0;
  /** Of the table before the first change after the scan's seqno. */
  #versionBefore: Seqno | undefined;
  readonly #kept = new Map<string, Entry>();
  #walk: Iterator<[string, LiveEntry]> | undefined;
  #keptWalk: Iterator<[string, Entry]> | undefined;

  constructor(scan: MemoryStoreScan, table: TableState) {
    this.scan = scan;
    this.table = table;
  }

  get name(): string {
    return this.table.name;
  }

  get version(): Seqno {
    return this.#versionBefore ?? this.table.version;
  }

  /** To be called before `changes` of transaction `seqno` are made. */
  keep(changes: TableChanges, seqno: Seqno): void {
    if (seqno <= this.scan.seqno) return;
    this.#versionBefore ??= this.table.version;
    for (const key of changes.writes.keys()) this.#keepEntry(key);
    for (const key of changes.removes) this.#keepEntry(key);
  }

  #keepEntry(key: string): void {
    const entry = this.table.entries.get(key);
    if (entry === undefined || entry.version > this.scan.seqno) return;
    const { measuredMark, rowSizeBytes } = this.scan;
    if (entry.mark > measuredMark) return;
    if (entry.mark < measuredMark) this.sizeBytes += rowSizeBytes(key, entry.value);
    this.#kept.set(key, { value: entry.value, version: entry.version });
  }

  measure(isTimeUp: () => boolean): boolean {
    const { seqno, measuredMark, rowSizeBytes } = this.scan;
    this.#walk ??= this.table.entries.entries();
    for (let count = 1; ; count++) {
      const item = this.#walk.next();
      if (item.done === true) break;
      const [key, entry] = item.value;
      if (entry.version <= seqno && entry.mark < measuredMark) {
        this.sizeBytes += rowSizeBytes(key, entry.value);
        entry.mark = measuredMark;
      }
      if (count % rowsPerCheck === 0 && isTimeUp()) return false;
    }
    this.#walk = undefined;
    return true;
  }

  read(
    visit: (key: string, value: string, version: Seqno) => void,
    isTimeUp: () => boolean,
  ): boolean {
    const { seqno, measuredMark } = this.scan;
    this.#walk ??= this.table.entries.entries();
    for (;;) {
      if (isTimeUp()) return false;
      const item = this.#walk.next();
      if (item.done === true) break;
      const [key, entry] = item.value;
      if (entry.version > seqno) continue;
      assert(entry.mark === measuredMark, "what is read was measured, and not read before");
      entry.mark = measuredMark + 1;
      visit(key, entry.value, entry.version);
    }
    // Every entry as of the scan's seqno is marked or kept by now, so nothing is added any more.
    this.#keptWalk ??= this.#kept.entries();
    for (;;) {
      if (isTimeUp()) return false;
      const item = this.#keptWalk.next();
      if (item.done === true) break;
      visit(item.value[0], item.value[1].value, item.value[1].version);
    }
    return true;
  }
}

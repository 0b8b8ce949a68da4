/** A transaction of the store, open until it is committed or discarded. */
import { storeErrors } from "./errors.ts";
import type { StoreState } from "./store-state.ts";
import { TableState } from "./table-state.ts";
import { TableView } from "./table-view.ts";
import type { Access, Changes, Seqno, Table, TableChanges, Transaction } from "./types.ts";

const tableNameLengthMax = 1024;

export class StoreTransaction implements Transaction {
  readonly access: Access;
  readonly readVersion: Seqno;
  readonly store: StoreState;
  readonly #rewriteCount: number;
  readonly #views = new Map<string, TableView>();
  #isEnded = false;
  #actions: ((seqno: Seqno) => void)[] | undefined;

  constructor(store: StoreState, access: Access) {
    this.store = store;
    this.access = access;
    this.readVersion = store.seqno;
    this.#rewriteCount = store.rewriteCount;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get hasWrites(): boolean {
    for (const view of this.#views.values()) if (view.writes.values.size > 0) return true;
    return false;
  }

  table(name: string): Table {
    if (this.#isEnded) throw storeErrors.create("TransactionEnded", name.slice(0, 100));
    let view = this.#views.get(name);
    if (view === undefined) {
      const table = this.store.tables.get(name) ?? new TableState(checkTableName(name));
      view = new TableView(this.store, table, this);
      this.#views.set(name, view);
    }
    return view;
  }

  afterCommit(action: (seqno: Seqno) => void): void {
    if (this.#isEnded) throw storeErrors.create("TransactionEnded");
    this.#actions ??= [];
    this.#actions.push(action);
  }

  discard(): void {
    this.#isEnded = true;
  }

  /** Whether everything that was read is still so. */
  isValid(): boolean {
    if (this.#rewriteCount !== this.store.rewriteCount) return false;
    if (this.readVersion === this.store.seqno) return true;
    if (!this.hasWrites) return true;
    for (const view of this.#views.values()) if (!view.reader.isValid()) return false;
    return true;
  }

  /** The writes, in order of table names and keys. */
  toChanges(): Changes {
    const changes: TableChanges[] = [];
    for (const view of this.#views.values()) {
      const { entries } = this.store.tables.get(view.name) ?? view.reader.table;
      const change = view.writes.toChanges(view.name, this.readVersion, (key) => entries.has(key));
      if (change !== undefined) changes.push(change);
    }
    if (changes.length < 2) return changes;
    return changes.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  runActions(seqno: Seqno): void {
    if (this.#actions === undefined) return;
    for (const action of this.#actions) action(seqno);
  }
}

/** @throws {CocoError} BadTableName */
function checkTableName(name: string): string {
  if (name.length === 0 || name.length > tableNameLengthMax || /\p{Surrogate}/u.test(name)) {
    throw storeErrors.create("BadTableName", JSON.stringify(name.slice(0, 100)));
  }
  return name;
}

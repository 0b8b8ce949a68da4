/** A transaction of the store, open until it is committed or discarded. */
import { storeErrors } from "./errors.ts";
import type { StoreState } from "./store-state.ts";
import { TableState } from "./table-state.ts";
import { TableView } from "./table-view.ts";
import type { Access, Changes, Seqno, Table, TableChanges, Transaction } from "./types.ts";

const tableNameLengthMax = 1024;
const viewCountListed = 12;

export class StoreTransaction implements Transaction {
  readonly access: Access;
  readonly readVersion: Seqno;
  readonly store: StoreState;
  readonly #rewriteCount: number;
  /** In order of first use; a transaction uses few tables. */
  readonly #views: TableView[] = [];
  /** From a dozen tables on. */
  #viewsByName: Map<string, TableView> | undefined;
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
    for (const view of this.#views) if (view.writes.values.size > 0) return true;
    return false;
  }

  table(name: string): Table {
    if (this.#isEnded) throw storeErrors.create("TransactionEnded", name.slice(0, 100));
    return this.#findView(name) ?? this.#addView(name);
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
    for (const view of this.#views) if (!view.reader.isValid()) return false;
    return true;
  }

  /** The writes, in order of table names and keys. */
  toChanges(): Changes {
    const changes: TableChanges[] = [];
    for (const view of this.#views) {
      if (view.writes.values.size === 0) continue;
      const { entries } = this.store.tables.get(view.name) ?? view.reader.table;
      const change = view.writes.toChanges(view.name, this.readVersion, entries);
      if (change !== undefined) changes.push(change);
    }
    if (changes.length < 2) return changes;
    return changes.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  runActions(seqno: Seqno): void {
    if (this.#actions === undefined) return;
    for (const action of this.#actions) action(seqno);
  }

  #findView(name: string): TableView | undefined {
    if (this.#viewsByName !== undefined) return this.#viewsByName.get(name);
    for (const view of this.#views) if (view.name === name) return view;
    return undefined;
  }

  #addView(name: string): TableView {
    const table = this.store.tables.get(name) ?? new TableState(checkTableName(name));
    const view = new TableView(this.store, table, this);
    this.#views.push(view);
    this.#viewsByName?.set(name, view);
    if (this.#views.length === viewCountListed) {
      this.#viewsByName = new Map(this.#views.map((each) => [each.name, each]));
    }
    return view;
  }
}

/** @throws {CocoError} BadTableName */
function checkTableName(name: string): string {
  if (name.length === 0 || name.length > tableNameLengthMax || /\p{Surrogate}/u.test(name)) {
    throw storeErrors.create("BadTableName", JSON.stringify(name.slice(0, 100)));
  }
  return name;
}

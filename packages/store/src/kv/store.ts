/** The transactional store: versioned tables, optimistic transactions, undo. */
import { assert } from "@coco/base";
import { storeErrors } from "./errors.ts";
import { StoreState } from "./store-state.ts";
import type { Entry } from "./table-state.ts";
import { StoreTransaction } from "./transaction.ts";
import type {
  Access,
  Changes,
  CommitResult,
  Seqno,
  Store,
  StoreContents,
  TableChanges,
  Transaction,
} from "./types.ts";
import { forEachUndone, type UndoRecord, type UndoTable } from "./undo-log.ts";

/** An empty store, or one with the contents of a snapshot. */
export function createStore(contents?: StoreContents): Store {
  const state = new StoreState(contents?.seqno ?? 0);
  for (const { name, version, entries } of contents?.tables ?? []) {
    const table = state.ensureTable(name);
    table.version = version;
    for (const [key, entry] of entries) table.entries.set(key, entry);
  }
  return new MemoryStore(state);
}

class MemoryStore implements Store {
  readonly #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  get seqno(): Seqno {
    return this.#state.seqno;
  }

  get compactedSeqno(): Seqno {
    return this.#state.undoLog.floor;
  }

  begin(access: Access): Transaction {
    this.#assertRepaired();
    return new StoreTransaction(this.#state, access);
  }

  commit(transaction: Transaction): CommitResult {
    this.#assertRepaired();
    assert(transaction instanceof StoreTransaction, "a store commits its own transactions");
    assert(transaction.store === this.#state, "a store commits its own transactions");
    if (transaction.isEnded) throw storeErrors.create("TransactionEnded");
    const isValid = transaction.isValid();
    const changes = isValid ? transaction.toChanges() : [];
    transaction.discard();
    if (!isValid) return { kind: "conflict" };
    if (changes.length === 0) {
      transaction.runActions(transaction.readVersion);
      return { kind: "readOnly", seqno: transaction.readVersion };
    }
    const seqno = this.#install(changes);
    transaction.runActions(seqno);
    return { kind: "committed", seqno, changes };
  }

  apply(changes: Changes): Seqno {
    this.#assertRepaired();
    return this.#install(changes);
  }

  reserve(): Seqno {
    this.#assertRepaired();
    return this.#install([]);
  }

  fill(seqno: Seqno, changes: Changes): void {
    this.#assertRepaired();
    const reserved = this.#state.undoLog.get(seqno);
    assert(reserved?.changes.length === 0, "only a reserved slot is filled");
    const tables = changes.map((change) => this.#toUndo(change));
    for (const table of tables) {
      const { version } = table.state;
      installTable(table, seqno);
      table.state.version = Math.max(version, seqno);
    }
    this.#state.undoLog.put({ seqno, changes, tables });
  }

  rollback(seqno: Seqno): void {
    this.#assertRepaired();
    assert(seqno <= this.#state.seqno, "a rollback goes backwards");
    if (seqno < this.#state.undoLog.floor) {
      const facts = { seqno, compactedSeqno: this.#state.undoLog.floor };
      throw storeErrors.create("RollbackTooFar", `to ${seqno}`, facts);
    }
    if (seqno === this.#state.seqno) return;
    this.#state.intent = { kind: "rollback", seqno };
    this.#finishRollback(seqno);
  }

  compact(seqno: Seqno): void {
    assert(seqno <= this.#state.seqno, "only transactions that exist are committed");
    if (seqno > this.#state.undoLog.floor) this.#state.undoLog.compact(seqno);
  }

  repair(): void {
    const { intent, tables } = this.#state;
    if (intent?.kind === "rollback") {
      for (const table of tables.values()) table.dropIndex();
      this.#finishRollback(intent.seqno);
    } else if (intent?.kind === "install") {
      const { record } = intent;
      for (const { state } of record.tables) state.dropIndex();
      uninstall(record);
      this.#state.seqno = record.seqno - 1;
      this.#state.undoLog.truncate(record.seqno - 1);
      this.#state.intent = undefined;
    }
    for (const table of tables.values()) {
      table.detachScans();
      table.finishIndex();
    }
  }

  changesOf(seqno: Seqno): Changes | undefined {
    if (seqno > this.#state.seqno) return undefined;
    return this.#state.undoLog.get(seqno)?.changes;
  }

  tableNames(): readonly string[] {
    const names: string[] = [];
    for (const { name, version } of this.#state.tables.values()) if (version > 0) names.push(name);
    return names.sort();
  }

  contents(): StoreContents {
    const tables = this.tableNames().map((name) => {
      const { version, entries } = this.#state.ensureTable(name);
      return { name, version, size: entries.size, entries: entries.entries() };
    });
    return { seqno: this.#state.seqno, tables };
  }

  /** The intent is recorded between the part that only reads and the part that only writes. */
  #install(changes: Changes): Seqno {
    const seqno = this.#state.seqno + 1;
    const tables = changes.map((change) => this.#toUndo(change));
    const record: UndoRecord = { seqno, changes, tables };
    this.#state.intent = { kind: "install", record };
    for (const table of tables) installTable(table, seqno);
    this.#state.undoLog.put(record);
    this.#state.seqno = seqno;
    this.#state.intent = undefined;
    return seqno;
  }

  #toUndo(changes: TableChanges): UndoTable {
    const state = this.#state.ensureTable(changes.name);
    const entriesBefore: (Entry | undefined)[] = [];
    for (const key of changes.writes.keys()) entriesBefore.push(state.entries.get(key));
    for (const key of changes.removes) entriesBefore.push(state.entries.get(key));
    return { state, changes, versionBefore: state.version, entriesBefore };
  }

  /** Undoes from the end; a record that was undone before is undone again without harm. */
  #finishRollback(target: Seqno): void {
    const state = this.#state;
    state.rollbackCount++;
    while (state.seqno > target) {
      const record = state.undoLog.get(state.seqno);
      assert(record !== undefined, "what is not compacted can be undone");
      uninstall(record);
      state.seqno--;
    }
    state.undoLog.truncate(target);
    state.intent = undefined;
  }

  #assertRepaired(): void {
    assert(this.#state.intent === undefined, "a store is repaired after a call was terminated");
  }
}

function installTable({ state, changes }: UndoTable, seqno: Seqno): void {
  state.detachScans();
  for (const [key, value] of changes.writes) state.put(key, { value, version: seqno });
  for (const key of changes.removes) state.put(key, undefined);
  state.version = seqno;
}

function uninstall(record: UndoRecord): void {
  for (const undo of record.tables) {
    undo.state.detachScans();
    forEachUndone(undo, (key, before) => undo.state.put(key, before));
    undo.state.version = undo.versionBefore;
  }
}

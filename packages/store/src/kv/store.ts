/** The transactional store: versioned tables, optimistic transactions, undo. */
import { assert } from "@coco/base";
import { storeErrors } from "./errors.ts";
import { MemoryStoreScan } from "./store-scan.ts";
import { type Intent, StoreState } from "./store-state.ts";
import type { Entry } from "./table-state.ts";
import { StoreTransaction } from "./transaction.ts";
import type {
  Access,
  Changes,
  CommitResult,
  Seqno,
  Store,
  StoreContents,
  StoreScan,
  TableChanges,
  TableContents,
  Transaction,
} from "./types.ts";
import { forEachUndone, type UndoRecord, type UndoTable } from "./undo-log.ts";

/** An empty store, or one with the contents of a snapshot. */
export function createStore(contents?: StoreContents): Store {
  const state = new StoreState(contents?.seqno ?? 0);
  for (const { name, version, entries } of contents?.tables ?? []) {
    const table = state.ensureTable(name);
    table.version = version;
    for (const [key, entry] of entries) table.insert(key, entry.value, entry.version);
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

  adopt(tables: Iterable<TableContents>): void {
    this.#assertRepaired();
    this.#state.rewriteCount++;
    this.#state.scan?.break();
    for (const { name, version, entries } of tables) {
      const table = this.#state.ensureTable(name);
      assert(table.version === 0, "an adopted table was empty");
      assert(version <= this.#state.seqno, "an adopted table is of the past");
      for (const [key, entry] of entries) table.insert(key, entry.value, entry.version);
      table.version = version;
    }
  }

  reserve(): Seqno {
    this.#assertRepaired();
    const seqno = this.#state.seqno + 1;
    this.#state.undoLog.put({ seqno, changes: [], tables: [], isReserved: true });
    this.#state.seqno = seqno;
    return seqno;
  }

  fill(seqno: Seqno, changes: Changes): void {
    this.#assertRepaired();
    const slot = this.#state.undoLog.get(seqno);
    assert(slot?.isReserved && seqno <= this.#state.seqno, "only a reserved slot is filled");
    const record = this.#toRecord(seqno, changes);
    for (const { versionBefore } of record.tables) {
      assert(versionBefore < seqno, "later transactions leave the tables of a slot alone");
    }
    this.#state.rewriteCount++;
    this.#state.intent = { kind: "fill", record, slot };
    install(record);
    this.#state.undoLog.put(record);
    this.#state.intent = undefined;
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
    if (intent !== undefined) this.#undoOrFinish(intent);
    for (const table of tables.values()) {
      table.detachScans();
      table.finishIndex();
    }
  }

  changesOf(seqno: Seqno): Changes | undefined {
    if (seqno > this.#state.seqno) return undefined;
    const record = this.#state.undoLog.get(seqno);
    return record?.isReserved === false ? record.changes : undefined;
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

  beginScan(rowSizeBytes: (key: string, value: string) => number): StoreScan {
    this.#assertRepaired();
    return new MemoryStoreScan(this.#state, rowSizeBytes);
  }

  /** The intent is recorded between the part that only reads and the part that only writes. */
  #install(changes: Changes): Seqno {
    const seqno = this.#state.seqno + 1;
    const record = this.#toRecord(seqno, changes);
    this.#state.intent = { kind: "install", record };
    install(record);
    this.#state.undoLog.put(record);
    this.#state.seqno = seqno;
    this.#state.intent = undefined;
    return seqno;
  }

  #toRecord(seqno: Seqno, changes: Changes): UndoRecord {
    const tables = changes.map((change) => this.#toUndo(change));
    return { seqno, changes, tables, isReserved: false };
  }

  #toUndo(changes: TableChanges): UndoTable {
    const state = this.#state.ensureTable(changes.name);
    const entries: (Entry | undefined)[] = [];
    const valuesBefore: (string | undefined)[] = [];
    const versionsBefore: Seqno[] = [];
    for (const key of changes.writes.keys()) {
      const entry = state.entries.get(key);
      entries.push(entry);
      valuesBefore.push(entry?.value);
      versionsBefore.push(entry?.version ?? 0);
    }
    for (const key of changes.removes) {
      const entry = state.entries.get(key);
      valuesBefore.push(entry?.value);
      versionsBefore.push(entry?.version ?? 0);
    }
    const versionBefore = state.version;
    return { state, changes, versionBefore, entries, valuesBefore, versionsBefore };
  }

  #undoOrFinish(intent: Intent): void {
    const { tables, undoLog } = this.#state;
    if (intent.kind === "rollback") {
      for (const table of tables.values()) table.dropIndex();
      this.#finishRollback(intent.seqno);
      return;
    }
    const { record } = intent;
    for (const { state } of record.tables) state.dropIndex();
    uninstall(record);
    if (intent.kind === "fill") {
      undoLog.put(intent.slot);
    } else {
      this.#state.seqno = record.seqno - 1;
      undoLog.truncate(record.seqno - 1);
    }
    this.#state.intent = undefined;
  }

  /** Undoes from the end; a record that was undone before is undone again without harm. */
  #finishRollback(target: Seqno): void {
    const state = this.#state;
    state.rewriteCount++;
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

function install({ seqno, tables }: UndoRecord): void {
  for (const { state, changes, entries } of tables) {
    state.detachScans();
    state.keeper?.keep(changes, seqno);
    let index = 0;
    for (const [key, value] of changes.writes) {
      const entry = entries[index++];
      if (entry === undefined) {
        state.insert(key, value, seqno);
      } else {
        entry.value = value;
        entry.version = seqno;
      }
    }
    for (const key of changes.removes) state.delete(key);
    state.version = seqno;
  }
}

function uninstall(record: UndoRecord): void {
  for (const undo of record.tables) {
    undo.state.detachScans();
    undo.state.keeper?.scan.break();
    forEachUndone(undo, (key, value, version) => undo.state.restore(key, value, version));
    undo.state.version = undo.versionBefore;
  }
}

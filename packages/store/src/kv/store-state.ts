/** What the parts of the store share. */
import type { MemoryStoreScan } from "./store-scan.ts";
import { type Entry, TableState } from "./table-state.ts";
import type { Seqno } from "./types.ts";
import { forEachUndone, UndoLog, type UndoRecord } from "./undo-log.ts";

/** What is under way, recorded before the first change of state. */
export type Intent =
  | { readonly kind: "install"; readonly record: UndoRecord }
  | { readonly kind: "fill"; readonly record: UndoRecord; readonly slot: UndoRecord }
  | { readonly kind: "rollback"; readonly seqno: Seqno };

export class StoreState {
  seqno: Seqno;
  /** Counts changes of the past; a transaction that began before one can read no more. */
  rewriteCount = 0;
  readonly tables = new Map<string, TableState>();
  readonly undoLog: UndoLog;
  intent: Intent | undefined;
  /** The scan under way: tables made meanwhile belong to it too. */
  scan: MemoryStoreScan | undefined;
  /** Marks that scans have used so far. */
  markCount = 0;

  constructor(seqno: Seqno) {
    this.seqno = seqno;
    this.undoLog = new UndoLog(seqno);
  }

  /** The table `name`, made when there is none. */
  ensureTable(name: string): TableState {
    let table = this.tables.get(name);
    if (table === undefined) {
      table = new TableState(name);
      this.tables.set(name, table);
      this.scan?.addTable(table);
    }
    return table;
  }
}

/**
 * The entries that stood at the changed keys of `table` when `seqno` was the last transaction;
 * undefined when that is forgotten. @param table as it is now
 */
export function entriesSince(
  state: StoreState,
  table: TableState,
  seqno: Seqno,
): ReadonlyMap<string, Entry | undefined> | undefined {
  if (seqno < state.undoLog.floor) return undefined;
  const entries = new Map<string, Entry | undefined>();
  for (let at = state.seqno; at > seqno; at--) {
    const record = state.undoLog.get(at);
    if (record === undefined) return undefined;
    for (const undo of record.tables) {
      if (undo.state !== table) continue;
      forEachUndone(undo, (key, value, version) => {
        entries.set(key, value === undefined ? undefined : { value, version });
      });
    }
  }
  return entries;
}

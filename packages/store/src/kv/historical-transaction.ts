/** What one past transaction wrote, as a transaction that can only be read. */
import { createStore } from "./store.ts";
import type { Access, Changes, Seqno, StoredEntry, TableContents, Transaction } from "./types.ts";

/**
 * A transaction over the writes of transaction `seqno` alone: other keys are absent, and every
 * version is `seqno`.
 * @param access decides which tables may be read; nothing may be written with the default
 */
export function createHistoricalTransaction(
  seqno: Seqno,
  changes: Changes,
  access: Access = "applicationReadOnly",
): Transaction {
  const tables = changes.map(({ name, writes }): TableContents => {
    const entries: [string, StoredEntry][] = [];
    for (const [key, value] of writes) entries.push([key, { value, version: seqno }]);
    return { name, version: seqno, size: entries.length, entries };
  });
  return createStore({ seqno, tables }).begin(access);
}

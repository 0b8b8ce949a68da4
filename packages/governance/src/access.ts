/** What constitution code may do with which table, on top of the endpoint's own transaction. */
import {
  type AccessRights,
  accessToRights,
  explainRefusal,
  storeErrors,
  type Table,
  type Transaction,
  tableNameToClass,
} from "@coco/store";

/** validate, resolve and ballots; apply. */
export type ScriptAccess = "governanceReadOnly" | "governanceApply";

function restrictTable(table: Table, rights: AccessRights, access: ScriptAccess): Table {
  const refuse = (): never => {
    const { name } = table;
    throw storeErrors.create("TableAccessDenied", explainRefusal(name, access, rights));
  };
  const read = <Result>(action: () => Result): Result => (rights.canRead ? action() : refuse());
  const write = <Result>(action: () => Result): Result => (rights.canWrite ? action() : refuse());
  return {
    name: table.name,
    get size() {
      return read(() => table.size);
    },
    get stamp() {
      return read(() => table.stamp);
    },
    get: (key) => read(() => table.get(key)),
    has: (key) => read(() => table.has(key)),
    set: (key, value) => write(() => table.set(key, value)),
    delete: (key) => write(() => table.delete(key)),
    clear: () => write(() => table.clear()),
    versionOf: (key) => read(() => table.versionOf(key)),
    forEach: (visit) => read(() => table.forEach(visit)),
    range: (options) => read(() => table.range(options)),
    getText: (key) => read(() => table.getText(key)),
    hasText: (key) => read(() => table.hasText(key)),
    setText: (key, value) => write(() => table.setText(key, value)),
    deleteText: (key) => write(() => table.deleteText(key)),
    versionOfText: (key) => read(() => table.versionOfText(key)),
    forEachText: (visit) => read(() => table.forEachText(visit)),
    rangeText: (options) => read(() => table.rangeText(options)),
  };
}

/** A view of `transaction` through which constitution code sees and writes only its tables. */
export function restrictTransaction(transaction: Transaction, access: ScriptAccess): Transaction {
  return {
    access,
    readVersion: transaction.readVersion,
    get hasWrites() {
      return transaction.hasWrites;
    },
    get isEnded() {
      return transaction.isEnded;
    },
    table: (name) => {
      const rights = accessToRights(access, tableNameToClass(name));
      return restrictTable(transaction.table(name), rights, access);
    },
    afterCommit: (action) => transaction.afterCommit(action),
    discard: () => transaction.discard(),
  };
}

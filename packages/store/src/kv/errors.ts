/** Errors of the key-value half of the store: 2000 to 2099. */
import { defineErrors } from "@coco/base";

export const storeErrors = defineErrors("store", {
  TableAccessDenied: {
    number: 2000,
    title: "The table may not be used so here",
    next: "Use a table that this kind of code may read or write",
  },
  BadTableName: {
    number: 2001,
    title: "The table name cannot be used",
    next: "Give a well-formed name of 1 to 1024 characters",
  },
  TransactionEnded: {
    number: 2002,
    title: "The transaction has ended",
    next: "Use a table only while the handler that received it runs",
  },
  TransactionConflict: {
    number: 2003,
    title: "The state has changed since the transaction began",
    next: "Run the transaction again",
  },
  RollbackTooFar: {
    number: 2004,
    title: "The store cannot go back that far",
    next: "Restore the state from a snapshot or by replaying the ledger",
  },
  BadValue: {
    number: 2005,
    title: "A table holds a value that cannot be read",
    next: "Find out which transaction wrote it, and correct it by governance or by the application",
  },
});

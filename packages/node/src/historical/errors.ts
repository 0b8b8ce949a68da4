/** Errors of historical queries: 7800 to 7899. */
import { defineErrors } from "@coco/base";

export const historicalErrors = defineErrors("node", {
  LedgerEntryMissing: {
    number: 7800,
    title: "A past transaction is in no ledger file of this node",
    next: "Put the missing ledger file into the ledger directory or a read-only one, and ask again",
  },
  LedgerEntryWrong: {
    number: 7801,
    title: "A ledger file does not hold what this service committed",
    next: "Replace the named file with a complete copy from another node or a backup",
  },
  RangeTooLarge: {
    number: 7802,
    title: "The range of past transactions is too large to be held in memory",
    next: "Ask for a smaller range, or raise historical_cache_soft_limit",
  },
  IndexRefused: {
    number: 7804,
    title: "The table cannot be indexed",
    next: "Index fewer tables, and only those that the application may read",
  },
  BadRange: {
    number: 7803,
    title: "The range of past transactions is not one",
    next: "Give whole numbers with first <= last, from 1 on",
  },
});

import { expect, it } from "vitest";
import { createStore } from "./store.ts";
import type { Store } from "./types.ts";

function write(store: Store, table: string, key: string, value: string): void {
  const transaction = store.begin("node");
  transaction.table(table).setText(key, value);
  expect(store.commit(transaction).kind).toBe("committed");
}

/** A store of public tables, and the private ones of the same seqnos, read apart from them. */
function createParts(): { readonly shared: Store; readonly hidden: Store } {
  const shared = createStore();
  const hidden = createStore();
  write(shared, "public:a", "k", "1");
  hidden.apply([]);
  write(hidden, "records", "k", "old");
  shared.apply([]);
  write(shared, "public:a", "k", "3");
  return { shared, hidden };
}

it("goal: adopted tables have their values and the versions of before", () => {
  const { shared, hidden } = createParts();
  shared.adopt(hidden.contents().tables);
  const table = shared.begin("node").table("records");
  expect(table.getText("k")).toBe("old");
  expect(table.versionOfText("k")).toBe(2);
  write(shared, "records", "k", "new");
  expect(shared.begin("node").table("records").versionOfText("k")).toBe(4);
  shared.rollback(3);
  expect(shared.begin("node").table("records").getText("k")).toBe("old");
});

it("goal: a transaction that began before sees no half of it", () => {
  const { shared, hidden } = createParts();
  const early = shared.begin("node");
  expect(early.table("records").getText("k")).toBeUndefined();
  early.table("public:a").setText("k", "4");
  shared.adopt(hidden.contents().tables);
  expect(shared.commit(early).kind).toBe("conflict");
});

it("goal: a table that was written to is not overwritten", () => {
  const { shared, hidden } = createParts();
  write(shared, "records", "k", "mine");
  expect(() => shared.adopt(hidden.contents().tables)).toThrow(/was empty/);
  expect(shared.begin("node").table("records").getText("k")).toBe("mine");
});

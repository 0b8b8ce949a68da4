import { expect, test } from "vitest";
import { createStore } from "./store.ts";
import type { Changes } from "./types.ts";

const signature: Changes = [
  {
    name: "public:ccf.internal.signatures",
    readVersion: 0,
    writes: new Map([["k", "signed"]]),
    removes: new Set(),
  },
];

function write(store: ReturnType<typeof createStore>, value: string): void {
  const transaction = store.begin("node");
  transaction.table("data").setText("k", value);
  expect(store.commit(transaction).kind).toBe("committed");
}

function read(store: ReturnType<typeof createStore>, table: string): string | undefined {
  return store.begin("node").table(table).getText("k");
}

test("goal: transactions go on behind a reserved slot, and both come and go in order", () => {
  const store = createStore();
  write(store, "before");
  expect(store.reserve()).toBe(2);
  write(store, "behind");
  expect(store.seqno).toBe(3);
  store.fill(2, signature);
  expect(read(store, "public:ccf.internal.signatures")).toBe("signed");
  store.rollback(2);
  expect(read(store, "data")).toBe("before");
  expect(read(store, "public:ccf.internal.signatures")).toBe("signed");
  store.rollback(1);
  expect(read(store, "public:ccf.internal.signatures")).toBeUndefined();
});

test("goal: a slot that was never filled is rolled back like an empty transaction", () => {
  const store = createStore();
  write(store, "before");
  store.reserve();
  write(store, "behind");
  store.rollback(1);
  expect(store.seqno).toBe(1);
  expect(read(store, "data")).toBe("before");
});

test("goal: only a reserved slot can be filled", () => {
  const store = createStore();
  write(store, "content");
  expect(() => store.fill(1, signature)).toThrow(/reserved/);
});

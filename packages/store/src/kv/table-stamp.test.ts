import { expect, test } from "vitest";
import { createStore } from "./store.ts";

function stampOf(store: ReturnType<typeof createStore>): number | undefined {
  return store.begin("node").table("t").stamp;
}

function write(store: ReturnType<typeof createStore>, value: string): void {
  const transaction = store.begin("node");
  transaction.table("t").setText("k", value);
  store.commit(transaction);
}

test("goal: a stamp stays while the table stays, and changes with it", () => {
  const store = createStore();
  write(store, "one");
  const first = stampOf(store);
  const other = store.begin("node");
  other.table("u").setText("k", "v");
  store.commit(other);
  expect(stampOf(store)).toBe(first);
  write(store, "two");
  expect(stampOf(store)).not.toBe(first);
});

test("goal: the same seqno with other contents after a rollback has another stamp", () => {
  const store = createStore();
  write(store, "one");
  write(store, "two");
  const second = stampOf(store);
  store.rollback(1);
  write(store, "other two");
  expect(store.seqno).toBe(2);
  expect(stampOf(store)).not.toBe(second);
});

test("goal: own writes and later commits have no stamp", () => {
  const store = createStore();
  write(store, "one");
  const own = store.begin("node");
  own.table("t").setText("k", "own");
  expect(own.table("t").stamp).toBeUndefined();
  const early = store.begin("node");
  write(store, "two");
  expect(early.table("t").stamp).toBeUndefined();
});

import { createContext, Script } from "node:vm";
import { describe, expect, it } from "vitest";
import { createStore } from "./store.ts";
import type { Changes, Store } from "./types.ts";

/**
 * Goal: a store survives being cut short at any point. Method: the built-in operations that change
 * maps and arrays get a fuse, which blows at the n-th of them, for every n that an operation of
 * the store needs; then `repair`, and the store has to be as before the operation (or after it),
 * and go on working. A second test cuts short with a real time limit of the virtual machine.
 */

const table = "public:table";

type Contents = Readonly<Record<string, Readonly<Record<string, string>>>>;

function contentsOf(store: Store): Contents {
  const contents: Record<string, Record<string, string>> = {};
  for (const { name, version, entries } of store.contents().tables) {
    contents[name] = { version: `${version}` };
    for (const [key, entry] of entries) contents[name][key] = `${entry.value}@${entry.version}`;
  }
  return contents;
}

function orderedKeys(store: Store): string[] {
  return Array.from(store.begin("node").table(table).rangeText(), ([key]) => key);
}

/** Methods whose calls can be cut short; each call is one step. */
const steps: readonly (readonly [object, string])[] = [
  [Map.prototype, "set"],
  [Map.prototype, "get"],
  [Map.prototype, "has"],
  [Map.prototype, "delete"],
  [Map.prototype, "keys"],
  [Array.prototype, "push"],
  [Array.prototype, "splice"],
  [Array.prototype, "slice"],
  [Array.prototype, "sort"],
  [Array.prototype, "map"],
];

class FuseBlown extends Error {}

/** Runs `action` until the n-th step. @returns whether it was cut short */
function runWithFuse(stepCount: number, action: () => void): boolean {
  let left = stepCount;
  const restores = steps.map(([prototype, name]) => {
    const original = Reflect.get(prototype, name) as (...values: unknown[]) => unknown;
    const fused = function (this: unknown, ...values: unknown[]): unknown {
      if (left-- <= 0) throw new FuseBlown();
      return Reflect.apply(original, this, values);
    };
    Object.defineProperty(prototype, name, { value: fused, configurable: true, writable: true });
    return () =>
      Object.defineProperty(prototype, name, {
        value: original,
        configurable: true,
        writable: true,
      });
  });
  try {
    action();
    return false;
  } catch (error) {
    if (error instanceof FuseBlown) return true;
    throw error;
  } finally {
    for (const restore of restores) restore();
  }
}

function createFilledStore(hasIndex: boolean): Store {
  const store = createStore();
  for (let seqno = 1; seqno <= 4; seqno++) {
    const transaction = store.begin("node");
    for (let index = 0; index < 6; index++) {
      transaction.table(table).setText(`k${(seqno * 5 + index) % 17}`, `${seqno}`);
    }
    transaction.table(table).deleteText(`k${seqno}`);
    store.commit(transaction);
    if (hasIndex) orderedKeys(store);
  }
  return store;
}

const later: Changes = [
  { name: "other", readVersion: 0, writes: new Map([["x", "9"]]), removes: new Set() },
  {
    name: table,
    readVersion: 0,
    writes: new Map([
      ["k10", "9"],
      ["new", "9"],
    ]),
    removes: new Set(["k5", "k6"]),
  },
];

const operations: Readonly<Record<string, (store: Store) => void>> = {
  commit(store) {
    const transaction = store.begin("node");
    transaction.table(table).setText("k10", "9");
    transaction.table(table).setText("new", "9");
    transaction.table(table).deleteText("k5");
    transaction.table("other").setText("x", "9");
    store.commit(transaction);
  },
  apply: (store) => void store.apply(later),
  rollback: (store) => store.rollback(1),
  fill: (store) => store.fill(store.seqno, [later[0]!]),
  "first ordered read": (store) => void orderedKeys(store),
  compact: (store) => store.compact(3),
};

describe("cut short at every step", () => {
  for (const [name, operation] of Object.entries(operations)) {
    for (const hasIndex of [false, true]) {
      it(`${name}, ${hasIndex ? "with" : "without"} an ordered index`, () => {
        let cutCount = 0;
        for (let stepCount = 0; ; stepCount++) {
          const store = createFilledStore(hasIndex);
          if (name === "fill") store.reserve();
          const before = contentsOf(store);
          const reference = createFilledStore(hasIndex);
          if (name === "fill") reference.reserve();
          operation(reference);
          const after = contentsOf(reference);
          const wasCut = runWithFuse(stepCount, () => operation(store));
          store.repair();
          store.repair();
          expect([before, after]).toContainEqual(contentsOf(store));
          const keys = Object.keys(contentsOf(store)[table] ?? {}).filter(
            (key) => key !== "version",
          );
          expect(orderedKeys(store)).toEqual(keys.sort());
          expect(store.apply(later)).toBe(store.seqno);
          store.rollback(Math.max(store.compactedSeqno, 2));
          if (!wasCut) break;
          cutCount++;
        }
        if (name !== "compact") expect(cutCount).toBeGreaterThan(2);
      });
    }
  }
});

it("goal: an index whose building was cut short is finished by repair", () => {
  const store = createFilledStore(false);
  const original = Array.prototype.sort;
  let sortCount = 0;
  let mayFail = true;
  Array.prototype.sort = function (this: unknown[], ...values) {
    sortCount++;
    if (mayFail) throw new FuseBlown();
    return original.apply(this, values);
  };
  try {
    expect(() => orderedKeys(store)).toThrow(FuseBlown);
    mayFail = false;
    store.repair();
    sortCount = 0;
    orderedKeys(store);
  } finally {
    Array.prototype.sort = original;
  }
  expect(sortCount).toBe(0);
});

it("goal: a store whose commits are terminated by a time limit keeps every promise", () => {
  const store = createStore();
  const accepted: Changes[] = [];
  let counter = 0;
  const commitForever = (): void => {
    while (true) {
      const transaction = store.begin("node");
      const target = transaction.table(table);
      for (let index = 0; index < 40; index++)
        target.setText(`k${(counter * 31) % 997}`, `${counter++}`);
      target.deleteText(`k${counter % 997}`);
      if (counter % 3 === 0) for (const _ of target.rangeText({ countMax: 20 })) counter++;
      const result = store.commit(transaction);
      if (result.kind === "committed") accepted[result.seqno - 1] = result.changes;
    }
  };
  const script = new Script("commitForever()");
  const context = createContext({ commitForever });
  for (let run = 0; run < 40; run++) {
    expect(() => script.runInContext(context, { timeout: 3 + (run % 3) })).toThrow(/timed out/);
    store.repair();
    expect(store.seqno - accepted.length).toBeGreaterThanOrEqual(0);
    expect(store.seqno - accepted.length).toBeLessThanOrEqual(1);
    store.rollback(accepted.length);
  }
  expect(accepted.length).toBeGreaterThan(40);
  const copy = createStore();
  for (const changes of accepted) copy.apply(changes);
  expect(contentsOf(store)).toEqual(contentsOf(copy));
  expect(orderedKeys(store)).toEqual(orderedKeys(copy));
});

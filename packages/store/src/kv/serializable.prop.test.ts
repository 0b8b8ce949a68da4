import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createStore } from "./store.ts";
import type { Store, Table, Transaction } from "./types.ts";

/**
 * Goal: histories of interleaved transactions are serialisable. Method: several transactions are
 * open at once and take random steps. What a transaction read is recorded; when it commits, a
 * plain map at the state before its seqno (or, read-only, at its begin) has to give the same
 * answers. The model keeps every past state, so rollbacks are checked too.
 */

const tableNames = ["public:a", "b"] as const;
type TableName = (typeof tableNames)[number];
type Model = Readonly<Record<TableName, ReadonlyMap<string, string>>>;

const emptyModel: Model = { "public:a": new Map(), b: new Map() };

/** A step of one transaction, which can be played on the store and on the model. */
type Step =
  | { readonly kind: "get" | "delete"; readonly key: string }
  | { readonly kind: "set"; readonly key: string; readonly value: string }
  | { readonly kind: "size" | "clear" | "forEach" }
  | {
      readonly kind: "range";
      readonly from: string;
      readonly to: string;
      readonly reverse: boolean;
      readonly countMax: number;
    };

function play(table: Table, step: Step): unknown {
  switch (step.kind) {
    case "get":
      return table.getText(step.key) ?? null;
    case "set":
      table.setText(step.key, step.value);
      return null;
    case "delete":
      return table.deleteText(step.key);
    case "size":
      return table.size;
    case "clear":
      table.clear();
      return null;
    case "forEach": {
      const seen: string[] = [];
      table.forEachText((value, key) => {
        seen.push(`${key}=${value}`);
      });
      return seen.sort();
    }
    case "range":
      return Array.from(table.rangeText(step), ([key, value]) => `${key}=${value}`);
  }
}

function playModel(table: Map<string, string>, step: Step): unknown {
  switch (step.kind) {
    case "get":
      return table.get(step.key) ?? null;
    case "set":
      table.set(step.key, step.value);
      return null;
    case "delete":
      return table.delete(step.key);
    case "size":
      return table.size;
    case "clear":
      table.clear();
      return null;
    case "forEach":
      return Array.from(table, ([key, value]) => `${key}=${value}`).sort();
    case "range": {
      const keys = [...table.keys()].sort().filter((key) => key >= step.from && key < step.to);
      if (step.reverse) keys.reverse();
      return keys.slice(0, step.countMax).map((key) => `${key}=${table.get(key)}`);
    }
  }
}

interface Played {
  readonly name: TableName;
  readonly step: Step;
  readonly answer: unknown;
}

interface Open {
  readonly transaction: Transaction;
  readonly played: Played[];
}

class History {
  readonly store: Store = createStore();
  /** State after each seqno; entry 0 is the empty store. */
  readonly states: Model[] = [emptyModel];
  readonly open: Open[] = [];
  commitCount = 0;
  conflictCount = 0;

  /** Begins with enough keys for ranges that are read in several slices. */
  constructor() {
    const transaction = this.store.begin("node");
    const values = new Map(Array.from({ length: 60 }, (_, index) => [`k${index + 20}`, "first"]));
    for (const [key, value] of values) transaction.table("public:a").setText(key, value);
    this.store.commit(transaction);
    this.states.push({ "public:a": values, b: new Map() });
  }

  begin(): void {
    this.open.push({ transaction: this.store.begin("node"), played: [] });
  }

  step(index: number, name: TableName, step: Step): void {
    const open = this.open[index % this.open.length];
    if (open === undefined) return;
    let answer: unknown;
    try {
      answer = play(open.transaction.table(name), step);
    } catch (error) {
      expect(error).toMatchObject({ code: "TransactionConflict" });
      this.open.splice(this.open.indexOf(open), 1);
      return;
    }
    open.played.push({ name, step, answer });
  }

  commit(index: number): void {
    const [open] = this.open.splice(index % Math.max(1, this.open.length), 1);
    if (open === undefined) return;
    const result = this.store.commit(open.transaction);
    if (result.kind === "conflict") {
      this.conflictCount++;
      return;
    }
    const before = result.kind === "committed" ? result.seqno - 1 : result.seqno;
    const after = replay(this.states[before]!, open.played);
    if (result.kind === "readOnly") return;
    this.commitCount++;
    expect(result.seqno).toBe(this.states.length);
    this.states.push(after);
  }

  rollback(count: number): void {
    const seqno = Math.max(this.store.compactedSeqno, this.store.seqno - count);
    this.store.rollback(seqno);
    this.states.length = seqno + 1;
    this.check();
  }

  compact(back: number): void {
    this.store.compact(Math.max(0, this.store.seqno - back));
  }

  check(): void {
    const transaction = this.store.begin("node");
    for (const name of tableNames) {
      const found = new Map(transaction.table(name).rangeText());
      expect(found).toEqual(this.states.at(-1)![name]);
    }
  }
}

/** Plays steps on a copy of `model`, checks the answers, and gives back the state after them. */
function replay(model: Model, played: readonly Played[]): Model {
  const copy = { "public:a": new Map(model["public:a"]), b: new Map(model.b) };
  for (const { name, step, answer } of played) {
    expect(answer).toEqual(playModel(copy[name], step));
  }
  return copy;
}

const key = fc
  .oneof({ weight: 3, arbitrary: fc.nat(12) }, { weight: 2, arbitrary: fc.nat(80) })
  .map((number) => `k${number}`);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("get" as const), key }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("set" as const),
      key,
      value: fc.nat(99).map((number) => `v${number}`),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("size", "forEach", "clear") }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("range" as const),
      from: key,
      to: key,
      reverse: fc.boolean(),
      countMax: fc.constantFrom(1, 2, 1000),
    }),
  },
);

const move = fc.oneof(
  { weight: 3, arbitrary: fc.constant((history: History) => history.begin()) },
  {
    weight: 12,
    arbitrary: fc.tuple(fc.nat(9), fc.constantFrom(...tableNames), step).map(
      ([index, name, made]) =>
        (history: History) =>
          history.step(index, name, made),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.nat(9).map((index) => (history: History) => history.commit(index)),
  },
  {
    weight: 1,
    arbitrary: fc.nat(3).map((count) => (history: History) => history.rollback(count)),
  },
  { weight: 1, arbitrary: fc.nat(6).map((back) => (history: History) => history.compact(back)) },
);

test("goal: interleaved transactions behave as if run one after the other", () => {
  let commitCount = 0;
  let conflictCount = 0;
  fc.assert(
    fc.property(fc.array(move, { minLength: 20, maxLength: 120, size: "max" }), (moves) => {
      const history = new History();
      for (const make of moves) make(history);
      while (history.open.length > 0) history.commit(0);
      history.check();
      commitCount += history.commitCount;
      conflictCount += history.conflictCount;
    }),
    { numRuns: 400 },
  );
  // The schedules have to exercise both outcomes, or the test would show nothing.
  expect(commitCount).toBeGreaterThan(1000);
  expect(conflictCount).toBeGreaterThan(300);
});

/** Goal: anomalies by name, so that a failure says which guarantee was lost. */
function conflictOf(read: (table: Table) => unknown, write: (table: Table) => void): boolean {
  const store = createStore();
  const before = store.begin("node");
  for (const name of ["a", "c", "e"]) before.table("t").setText(name, "0");
  store.commit(before);
  const reader = store.begin("node");
  read(reader.table("t"));
  reader.table("other").setText("x", "1");
  const writer = store.begin("node");
  write(writer.table("t"));
  expect(store.commit(writer).kind).toBe("committed");
  return store.commit(reader).kind === "conflict";
}

test("goal: a commit conflicts with what it read, and with nothing else", () => {
  const range = (options: object) => (table: Table) => [...table.rangeText(options)];
  expect(
    conflictOf(
      (table) => table.getText("a"),
      (table) => table.setText("a", "1"),
    ),
  ).toBe(true);
  expect(
    conflictOf(
      (table) => table.getText("a"),
      (table) => table.setText("c", "1"),
    ),
  ).toBe(false);
  expect(
    conflictOf(
      (table) => table.hasText("b"),
      (table) => table.setText("b", "1"),
    ),
  ).toBe(true);
  expect(
    conflictOf(
      (table) => table.getText("a"),
      (table) => table.deleteText("a"),
    ),
  ).toBe(true);
  expect(
    conflictOf(
      (table) => table.setText("a", "2"),
      (table) => table.setText("a", "1"),
    ),
  ).toBe(false);
  expect(
    conflictOf(
      (table) => table.size,
      (table) => table.setText("z", "1"),
    ),
  ).toBe(true);
  expect(
    conflictOf(
      (table) => table.versionOfText("a"),
      (table) => table.setText("a", "0"),
    ),
  ).toBe(true);
  expect(conflictOf(range({ from: "b", to: "d" }), (table) => table.setText("bb", "1"))).toBe(true);
  expect(conflictOf(range({ from: "b", to: "d" }), (table) => table.deleteText("c"))).toBe(true);
  expect(conflictOf(range({ from: "b", to: "d" }), (table) => table.setText("d", "1"))).toBe(false);
  expect(conflictOf(range({ countMax: 1 }), (table) => table.setText("b", "1"))).toBe(false);
  expect(conflictOf(range({ countMax: 1 }), (table) => table.setText("A", "1"))).toBe(true);
  expect(
    conflictOf(range({ reverse: true, countMax: 1 }), (table) => table.setText("d", "1")),
  ).toBe(false);
  expect(
    conflictOf(range({ reverse: true, countMax: 1 }), (table) => table.setText("f", "1")),
  ).toBe(true);
});

test("goal: commits while a table is being visited do not change the visit", () => {
  const store = createStore();
  const before = store.begin("node");
  for (let index = 0; index < 50; index++) before.table("t").setText(`k${index + 10}`, "old");
  store.commit(before);
  const disturb = (count: number): void => {
    const transaction = store.begin("node");
    transaction.table("t").setText(`k${10 + (count % 50)}`, "new");
    transaction.table("t").deleteText(`k${10 + ((count * 7) % 50)}`);
    transaction.table("t").setText(`extra${count}`, "new");
    store.commit(transaction);
  };
  for (const isOrdered of [false, true]) {
    const reader = store.begin("node");
    const expected = new Map(reader.table("t").rangeText());
    const seen = new Map<string, string>();
    let count = 0;
    const visit = (value: string, key: string): void => {
      expect(seen.has(key)).toBe(false);
      seen.set(key, value);
      disturb(count++);
    };
    if (isOrdered) for (const [key, value] of reader.table("t").rangeText()) visit(value, key);
    else reader.table("t").forEachText(visit);
    expect(seen).toEqual(expected);
    expect(store.commit(reader).kind).toBe("readOnly");
  }
});

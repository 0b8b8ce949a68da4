import { utf8ToBytes } from "@coco/base";
import { describe, expect, it } from "vitest";
import { createStore } from "./store.ts";
import type { CommitResult, Store, Table } from "./types.ts";

const name = "public:app.table";

function write(store: Store, entries: Readonly<Record<string, string | undefined>>): CommitResult {
  const transaction = store.begin("node");
  const table = transaction.table(name);
  for (const [key, value] of Object.entries(entries)) {
    if (value === undefined) table.deleteText(key);
    else table.setText(key, value);
  }
  return store.commit(transaction);
}

function read(store: Store): Record<string, string> {
  const table = store.begin("node").table(name);
  const found: Record<string, string> = {};
  for (const [key, value] of table.rangeText()) found[key] = value;
  return found;
}

function forEachKeys(table: Table): string[] {
  const keys: string[] = [];
  table.forEachText((_, key) => keys.push(key));
  return keys.sort();
}

describe("transactions", () => {
  it("see their own writes and hide them until the commit", () => {
    const store = createStore();
    const transaction = store.begin("application");
    const table = transaction.table("private");
    table.set(utf8ToBytes("k"), new Uint8Array([0, 255, 7]));
    expect(table.get(utf8ToBytes("k"))).toEqual(new Uint8Array([0, 255, 7]));
    expect(store.begin("node").table("private").has(utf8ToBytes("k"))).toBe(false);
    expect(store.commit(transaction)).toMatchObject({ kind: "committed", seqno: 1 });
    expect(store.begin("node").table("private").has(utf8ToBytes("k"))).toBe(true);
  });

  it("give changes in order of table names and keys, without removes of absent keys", () => {
    const store = createStore();
    write(store, { gone: "1" });
    const transaction = store.begin("node");
    transaction.table("z").setText("b", "1");
    transaction.table("z").setText("a", "2");
    const table = transaction.table(name);
    table.deleteText("never there");
    table.deleteText("gone");
    table.setText("\xff", "3");
    table.setText("\x00", "4");
    transaction.table("only absent").deleteText("k");
    const result = store.commit(transaction);
    if (result.kind !== "committed") throw new Error(result.kind);
    expect(result.changes.map((change) => change.name)).toEqual([name, "z"]);
    expect([...result.changes[0]!.writes]).toEqual([
      ["\x00", "4"],
      ["\xff", "3"],
    ]);
    expect([...result.changes[0]!.removes]).toEqual(["gone"]);
    expect([...result.changes[1]!.writes.keys()]).toEqual(["a", "b"]);
  });

  it("that changed nothing end as read-only and take no seqno", () => {
    const store = createStore();
    write(store, { a: "1" });
    const transaction = store.begin("node");
    transaction.table(name).deleteText("absent");
    expect(store.commit(transaction)).toEqual({ kind: "readOnly", seqno: 1 });
    expect(store.seqno).toBe(1);
  });

  it("refuse every use after their end", () => {
    const store = createStore();
    const transaction = store.begin("node");
    const table = transaction.table(name);
    const walk = table.rangeText()[Symbol.iterator]();
    transaction.discard();
    const ended = expect.objectContaining({ code: "TransactionEnded" });
    expect(() => table.getText("k")).toThrow(ended);
    expect(() => table.setText("k", "v")).toThrow(ended);
    expect(() => table.size).toThrow(ended);
    expect(() => walk.next()).toThrow(ended);
    expect(() => transaction.table(name)).toThrow(ended);
    expect(() => store.commit(transaction)).toThrow(ended);
  });

  it("run actions after a successful commit only", () => {
    const store = createStore();
    const seen: number[] = [];
    const first = store.begin("node");
    first.table(name).setText("a", "1");
    first.afterCommit((seqno) => seen.push(seqno));
    const second = store.begin("node");
    second.table(name).getText("a");
    second.table(name).setText("b", "1");
    second.afterCommit((seqno) => seen.push(seqno));
    store.commit(first);
    expect(store.commit(second)).toEqual({ kind: "conflict" });
    expect(seen).toEqual([1]);
  });

  it("refuse table names that a ledger cannot carry", () => {
    const transaction = createStore().begin("node");
    const bad = expect.objectContaining({ code: "BadTableName" });
    for (const wrong of ["", "x".repeat(1025), "a\ud800b"]) {
      expect(() => transaction.table(wrong)).toThrow(bad);
    }
    expect(transaction.table("\u{1f600}").size).toBe(0);
  });
});

describe("tables", () => {
  it("know the version of the last committed write, whatever the transaction writes", () => {
    const store = createStore();
    write(store, { a: "1" });
    write(store, { b: "1" });
    const table = store.begin("node").table(name);
    table.setText("a", "2");
    table.deleteText("b");
    expect(table.versionOfText("a")).toBe(1);
    expect(table.versionOfText("b")).toBe(2);
    expect(table.versionOfText("c")).toBeUndefined();
  });

  it("count, visit and clear with the transaction's own writes", () => {
    const store = createStore();
    write(store, { a: "1", b: "2", c: "3" });
    const table = store.begin("node").table(name);
    table.deleteText("a");
    table.setText("d", "4");
    table.setText("b", "5");
    table.deleteText("absent");
    expect(table.size).toBe(3);
    expect(forEachKeys(table)).toEqual(["b", "c", "d"]);
    table.clear();
    expect(table.size).toBe(0);
    expect([...table.rangeText()]).toEqual([]);
  });

  it("let a visitor write and stop without disturbing the visit", () => {
    const store = createStore();
    write(store, { a: "1", b: "2", c: "3" });
    const table = store.begin("node").table(name);
    const seen: string[] = [];
    table.forEachText((_, key) => {
      seen.push(key);
      table.deleteText("c");
      table.setText(`${key}new`, "x");
    });
    expect(seen.sort()).toEqual(["a", "b", "c"]);
    let count = 0;
    table.forEachText(() => {
      count++;
      return false;
    });
    expect(count).toBe(1);
  });

  it("walk ranges in both directions with bounds, prefix and limit", () => {
    const store = createStore();
    write(store, Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${100 + i}`, `${i}`])));
    const table = store.begin("node").table(name);
    table.setText("k105x", "own");
    table.deleteText("k106");
    const keys = (options: Parameters<Table["rangeText"]>[0]): string[] =>
      Array.from(table.rangeText(options), ([key]) => key);
    expect(keys({ from: "k104", to: "k108" })).toEqual(["k104", "k105", "k105x", "k107"]);
    expect(keys({ from: "k104", to: "k108", reverse: true })).toEqual(
      ["k104", "k105", "k105x", "k107"].reverse(),
    );
    expect(keys({ prefix: "k105" })).toEqual(["k105", "k105x"]);
    expect(keys({ prefix: "k1", reverse: true, countMax: 2 })).toEqual(["k159", "k158"]);
    expect(keys({ countMax: 0 })).toEqual([]);
    expect(keys({ from: "z" })).toEqual([]);
    expect(keys({})).toHaveLength(60);
  });
});

describe("undo", () => {
  it("goes back to any seqno that is not compacted", () => {
    const store = createStore();
    write(store, { a: "1", b: "1" });
    write(store, { a: "2" });
    write(store, { b: undefined, c: "3" });
    store.rollback(2);
    expect(read(store)).toEqual({ a: "2", b: "1" });
    store.rollback(1);
    expect(read(store)).toEqual({ a: "1", b: "1" });
    expect(store.begin("node").table(name).versionOfText("a")).toBe(1);
    expect(write(store, { d: "4" })).toMatchObject({ seqno: 2 });
    store.rollback(0);
    expect(read(store)).toEqual({});
    expect(store.tableNames()).toEqual([]);
  });

  it("is forgotten by compaction", () => {
    const store = createStore();
    for (let seqno = 1; seqno <= 5000; seqno++) {
      write(store, { [`k${seqno % 7}`]: `${seqno}` });
      if (seqno % 3 === 0) store.compact(seqno - 2);
    }
    expect(store.compactedSeqno).toBe(4996);
    expect(() => store.rollback(4995)).toThrow(expect.objectContaining({ code: "RollbackTooFar" }));
    expect(store.changesOf(4996)).toBeUndefined();
    expect(store.changesOf(4997)?.[0]?.writes.get(`k${4997 % 7}`)).toBe("4997");
    store.rollback(4996);
    expect(read(store)[`k${4996 % 7}`]).toBe("4996");
  });

  it("leaves the same state as replaying the changes", () => {
    const store = createStore();
    const copy = createStore();
    for (const entries of [{ a: "1" }, { b: "2", a: undefined }, { a: "3" }]) {
      const result = write(store, entries);
      if (result.kind !== "committed") throw new Error(result.kind);
      expect(copy.apply(result.changes)).toBe(result.seqno);
    }
    const flat = (contents: Store): unknown =>
      contents.contents().tables.map((table) => ({ ...table, entries: [...table.entries] }));
    expect(flat(copy)).toEqual(flat(store));
    const restored = createStore(store.contents());
    expect(flat(restored)).toEqual(flat(store));
    expect(restored.seqno).toBe(3);
    expect(restored.compactedSeqno).toBe(3);
  });
});

describe("reserved slots", () => {
  it("are filled after later transactions, and undone with them", () => {
    const store = createStore();
    write(store, { a: "1" });
    expect(store.reserve()).toBe(2);
    expect(store.changesOf(2)).toBeUndefined();
    expect(write(store, { a: "3" })).toMatchObject({ seqno: 3 });
    const open = store.begin("node");
    open.table(name).getText("a");
    const signature = {
      name: "public:ccf.internal.signatures",
      readVersion: 0,
      writes: new Map([["k", "s"]]),
      removes: new Set<string>(),
    };
    store.fill(2, [signature]);
    expect(store.commit(open)).toEqual({ kind: "conflict" });
    expect(store.seqno).toBe(3);
    expect(store.changesOf(2)).toEqual([signature]);
    const table = store.begin("node").table(signature.name);
    expect(table.getText("k")).toBe("s");
    expect(table.versionOfText("k")).toBe(2);
    expect(() => store.fill(2, [])).toThrow(/reserved/);
    store.rollback(2);
    expect(read(store)).toEqual({ a: "1" });
    expect(store.begin("node").table(signature.name).hasText("k")).toBe(true);
    store.rollback(1);
    expect(store.begin("node").table(signature.name).hasText("k")).toBe(false);
  });
});

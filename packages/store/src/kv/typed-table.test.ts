import { utf8ToBytes } from "@coco/base";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesCodec, type Codec, hexIdCodec, jsonCodec, textCodec, u64Codec } from "./codecs.ts";
import { createHistoricalTransaction } from "./historical-transaction.ts";
import { createStore } from "./store.ts";
import { createTypedTable, createTypedValue, singletonKey } from "./typed-table.ts";
import type { Transaction } from "./types.ts";

const badValue = expect.objectContaining({ code: "BadValue" });

function begin(): Transaction {
  return createStore().begin("node");
}

describe("codecs", () => {
  it("give back every value they stored, in one character per byte", () => {
    const check = <Value>(codec: Codec<Value>, values: fc.Arbitrary<Value>): void =>
      fc.assert(
        fc.property(values, (value) => {
          const stored = codec.encode(value);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: the class of all bytes
          expect(stored).toMatch(/^[\x00-\xff]*$/);
          expect(codec.decode(stored)).toEqual(value);
        }),
        { numRuns: 50 },
      );
    check(textCodec, fc.string({ unit: "grapheme" }));
    check(bytesCodec, fc.uint8Array());
    check(u64Codec, fc.maxSafeNat());
    check(
      hexIdCodec,
      fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }),
    );
    check(
      jsonCodec<unknown>(),
      fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value))),
    );
  });

  it("write the bytes that a ledger of CCF holds", () => {
    const transaction = begin();
    createTypedTable(transaction, "t", u64Codec, jsonCodec<unknown>()).set(258, {
      b: 1,
      a: ["é", null],
    });
    createTypedValue(transaction, "s", textCodec).set("x");
    expect([...transaction.table("t").range()]).toEqual([
      [new Uint8Array([2, 1, 0, 0, 0, 0, 0, 0]), utf8ToBytes('{"b":1,"a":["é",null]}')],
    ]);
    expect([...transaction.table("s").range()]).toEqual([[new Uint8Array(8), utf8ToBytes("x")]]);
  });

  it("refuse stored bytes that are not a value of theirs", () => {
    expect(() => textCodec.decode("\xff")).toThrow(badValue);
    expect(() => jsonCodec().decode("{")).toThrow(badValue);
    expect(() => jsonCodec().decode('"\xff"')).toThrow(badValue);
    expect(() => u64Codec.decode("1234567")).toThrow(badValue);
    expect(() => u64Codec.decode("\0\0\0\0\0\0\0\x01")).toThrow(badValue);
    expect(() => hexIdCodec.decode("A".repeat(64))).toThrow(badValue);
  });
});

describe("typed tables", () => {
  it("do with typed keys and values what tables do with bytes", () => {
    const store = createStore();
    const first = store.begin("node");
    const people = createTypedTable(first, "people", textCodec, jsonCodec<{ age: number }>());
    people.set("bo", { age: 2 });
    people.set("al", { age: 1 });
    store.commit(first);
    const second = store.begin("node");
    const table = createTypedTable(second, "people", textCodec, jsonCodec<{ age: number }>());
    expect([...table.entries()]).toEqual([
      ["al", { age: 1 }],
      ["bo", { age: 2 }],
    ]);
    expect([...table.entries({ reverse: true, countMax: 1 })]).toEqual([["bo", { age: 2 }]]);
    expect(table.versionOf("al")).toBe(1);
    expect(table.delete("al")).toBe(true);
    expect(table.has("al")).toBe(false);
    expect(table.size).toBe(1);
    const seen: unknown[] = [];
    table.forEach((value, key) => {
      seen.push(key, value);
    });
    expect(seen).toEqual(["bo", { age: 2 }]);
    table.clear();
    expect(table.get("bo")).toBeUndefined();
  });

  it("name the table, not the value, when a stored value cannot be read", () => {
    const transaction = begin();
    transaction.table("secret.table").setText(singletonKey, "{payload");
    const value = createTypedValue(transaction, "secret.table", jsonCodec());
    expect(() => value.get()).toThrow(badValue);
    expect(() => value.get()).toThrow(/secret\.table/);
    expect(() => value.get()).not.toThrow(/payload/);
  });
});

describe("historical transactions", () => {
  it("read only what the past transaction wrote, and write nothing", () => {
    const store = createStore();
    const before = store.begin("node");
    before.table("t").setText("old", "0");
    store.commit(before);
    const past = store.begin("node");
    past.table("t").setText("k", "1");
    past.table("t").deleteText("old");
    past.table("public:ccf.internal.x").setText("k", "2");
    const result = store.commit(past);
    if (result.kind !== "committed") throw new Error(result.kind);
    const historical = createHistoricalTransaction(result.seqno, result.changes);
    const table = historical.table("t");
    expect([...table.rangeText()]).toEqual([["k", "1"]]);
    expect(table.size).toBe(1);
    expect(table.versionOfText("k")).toBe(2);
    expect(table.hasText("old")).toBe(false);
    expect(historical.readVersion).toBe(2);
    expect(historical.table("public:ccf.internal.x").getText("k")).toBe("2");
    expect(() => table.setText("k", "9")).toThrow(
      expect.objectContaining({ code: "TableAccessDenied" }),
    );
  });
});

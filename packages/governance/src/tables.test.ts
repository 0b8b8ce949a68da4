import { describe, expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";
import { dump } from "./host.testing.ts";
import { hasLedger, RecordedHost, readLedgerTransactions } from "./recorded.testing.ts";
import { governanceTables, internalTables } from "./tables.ts";

const ledgers = [
  "live_service",
  "acme_containing_service",
  "cose_flipflop_service",
  "expired_service",
  "sgx_service",
].filter(hasLedger);

/** Written by constitutions in JavaScript, with the members in the order of the code. */
const writtenByScripts = new Set([
  "public:ccf.gov.endpoints",
  "public:ccf.gov.js_runtime_options",
  "public:ccf.gov.jwt.issuers",
  "public:ccf.gov.members.info",
  "public:ccf.gov.service.info",
  "public:ccf.gov.service.config",
]);

describe("views of the built-in tables", () => {
  const views = Object.values({ ...governanceTables, ...internalTables });

  test.skipIf(ledgers.length === 0).each(ledgers)("read and write again what %s holds", (name) => {
    const host = new RecordedHost(readLedgerTransactions(name));
    const last = readLedgerTransactions(name).length;
    for (const seqno of [1, Math.floor(last / 2), last]) {
      host.advanceTo(seqno);
      const before = dump(host.store);
      host.read((transaction) => {
        for (const view of views) {
          if (writtenByScripts.has(view.name)) continue;
          rewrite(view as never, transaction as never);
          const rows = [...transaction.table(view.name).rangeText()];
          expect(rows.map(([, value]) => value)).toEqual(Object.values(before[view.name] ?? {}));
        }
      });
    }
  });

  test("have distinct names, each under the prefix of its kind", () => {
    const names = views.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name } of Object.values(governanceTables)) {
      expect(name).toMatch(/^public:ccf\.gov\./);
    }
    for (const { name } of Object.values(internalTables)) {
      expect(name).toMatch(/^public:ccf\.internal\./);
    }
  });
});

interface AnyTable {
  entries(): readonly (readonly [unknown, unknown])[];
  set(key: unknown, value: unknown): void;
}

interface AnyView {
  of?(transaction: unknown): AnyTable;
  get(transaction: unknown): unknown;
  set(transaction: unknown, value: unknown): void;
}

/** Reads every value of a table and sets it again. */
function rewrite(view: AnyView, transaction: unknown): void {
  if (view.of !== undefined) {
    const table = view.of(transaction);
    for (const [key, value] of table.entries()) table.set(key, value);
    return;
  }
  const value = view.get(transaction);
  if (value !== undefined) view.set(transaction, value);
}

describe("canonical JSON", () => {
  test("reads and writes values that are as deep as scripts can write them", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 2000; level++) deep = { a: [deep] };
    expect(canonicalJson(deep)).toBe(JSON.stringify(deep));
  });

  test("orders keys as text, also those that look like numbers, and leaves out undefined", () => {
    const value = { b: 1, "10": [undefined, { y: null, x: "\u00fc" }], "9": undefined, "2": true };
    expect(canonicalJson(value)).toBe('{"10":[null,{"x":"\u00fc","y":null}],"2":true,"b":1}');
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createStore } from "./store.ts";
import type { Changes, Store, StoreScan } from "./types.ts";

type Rows = Record<string, readonly (readonly [string, string, number])[]>;

const rowSizeBytes = (key: string, value: string) => key.length + value.length;

function contentsOf(store: Store): Rows {
  const rows: Rows = {};
  for (const { name, entries } of store.contents().tables) {
    rows[name] = Array.from(entries, ([key, { value, version }]) => [key, value, version] as const);
  }
  return sortRows(rows);
}

function sortRows(rows: Rows): Rows {
  const sorted: Rows = {};
  for (const name of Object.keys(rows).sort()) sorted[name] = [...rows[name]!].sort();
  return sorted;
}

function changes(name: string, writes: [string, string][], removes: string[] = []): Changes {
  return [{ name, readVersion: 0, writes: new Map(writes), removes: new Set(removes) }];
}

/** Walks in steps of few rows; calls `between` between two steps. */
function walk(scan: StoreScan, between: () => void): { rows: Rows; sizes: number } {
  const rows: Record<string, (readonly [string, string, number])[]> = {};
  for (const table of scan.tables()) {
    // The clock is looked at every 32 rows, and says that time is up each time.
    while (!table.measure(() => true)) between();
    between();
  }
  let sizes = 0;
  for (const table of scan.tables()) {
    const read: (readonly [string, string, number])[] = [];
    rows[table.name] = read;
    sizes += table.sizeBytes;
    for (let count = 0; ; between()) {
      const limit = count + 3;
      const visit = (key: string, value: string, version: number) => {
        count++;
        read.push([key, value, version]);
      };
      if (table.read(visit, () => count >= limit)) break;
    }
  }
  return { rows: sortRows(rows), sizes };
}

const operation = fc.record({
  table: fc.constantFrom("a", "b", "later"),
  writes: fc.array(fc.tuple(fc.integer({ min: 0, max: 150 }), fc.string({ maxLength: 3 })), {
    maxLength: 8,
  }),
  removes: fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 8 }),
});

describe("a scan of the store", () => {
  // Goal: whatever is written and removed meanwhile, a scan gives the state at its beginning.
  it("gives the state of one seqno while transactions go on", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 60 }),
        fc.integer({ min: 0, max: 100 }),
        (operations, count) => {
          const store = createStore();
          for (const name of ["a", "b"]) {
            const keys = Array.from({ length: count }, (_, index) => [`k${index}`, name] as const);
            store.apply(changes(name, keys as unknown as [string, string][]));
          }
          const expected = contentsOf(store);
          const scan = store.beginScan(rowSizeBytes);
          const left = [...operations];
          const { rows, sizes } = walk(scan, () => {
            const next = left.shift();
            if (next === undefined) return;
            const writes = new Map(next.writes.map(([key, value]) => [`k${key}`, value]));
            const removes = next.removes.map((key) => `k${key}`).filter((key) => !writes.has(key));
            store.apply(changes(next.table, [...writes], removes));
          });
          expect(rows).toEqual(expected);
          const all = Object.values(expected).flat();
          expect(sizes).toBe(all.reduce((sum, [key, value]) => sum + key.length + value.length, 0));
          expect(scan.isBroken).toBe(false);
          scan.end();
          // A second scan sees what the first one did not.
          const again = store.beginScan(rowSizeBytes);
          const now = contentsOf(store);
          expect(walk(again, () => undefined).rows).toEqual(now);
          again.end();
        },
      ),
      { numRuns: 300 },
    );
  });

  // Goal: a signature's own content, filled later, belongs to the state; what follows does not.
  it("includes a reserved transaction that is filled later", () => {
    const store = createStore();
    store.apply(changes("a", [["key", "old"]]));
    const seqno = store.reserve();
    const scan = store.beginScan(rowSizeBytes);
    store.apply(changes("a", [["key", "new"]]));
    store.fill(seqno, changes("signatures", [["0", "signed"]]));
    store.apply(changes("signatures", [["0", "signed later"]]));
    expect(walk(scan, () => undefined).rows).toEqual({
      a: [["key", "old", 1]],
      signatures: [["0", "signed", 2]],
    });
    expect(scan.tables().map(({ version }) => version)).toEqual([1, 2]);
    scan.end();
  });

  // Goal: who reads on after the past was changed is told.
  it("is broken by a rollback", () => {
    const store = createStore();
    store.apply(changes("a", [["key", "old"]]));
    const scan = store.beginScan(rowSizeBytes);
    const seqno = store.apply(changes("a", [["key", "new"]]));
    expect(scan.isBroken).toBe(false);
    store.rollback(seqno - 1);
    expect(scan.isBroken).toBe(true);
    scan.end();
  });
});

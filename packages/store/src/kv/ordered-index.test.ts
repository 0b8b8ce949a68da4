import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isInRange, optionsToRange, prefixToEnd } from "./key-range.ts";
import { OrderedIndex } from "./ordered-index.ts";

/** Goal: the index against a sorted array, with more keys than one chunk holds. */
test("goal: slices in both directions are those of a sorted array", () => {
  const key = fc.nat(3000).map((number) => `k${number}`);
  const steps = fc.array(fc.tuple(fc.boolean(), key), {
    minLength: 1,
    maxLength: 3000,
    size: "max",
  });
  fc.assert(
    fc.property(fc.array(key, { size: "max", maxLength: 1500 }), steps, (first, changes) => {
      const model = new Set(first);
      const index = new OrderedIndex(model);
      for (const [isInsert, changed] of changes) {
        if (isInsert) {
          model.add(changed);
          index.insert(changed);
        } else {
          model.delete(changed);
          index.delete(changed);
        }
      }
      const sorted = [...model].sort();
      expect(index.keys("", undefined, false, 1e9)).toEqual(sorted);
      expect(index.keys("", undefined, true, 1e9)).toEqual(sorted.toReversed());
      for (const [, from] of changes.slice(0, 10)) {
        const range = { from, to: changes.at(-1)![1] };
        const inside = sorted.filter((each) => isInRange(range, each));
        expect(index.keys(range.from, range.to, false, 1e9)).toEqual(inside);
        expect(index.keys(range.from, range.to, true, 1e9)).toEqual(inside.toReversed());
        expect(index.keys(range.from, range.to, true, 3)).toEqual(inside.toReversed().slice(0, 3));
        const rest = sorted.filter((each) => each >= from);
        expect(index.keys(from, undefined, false, 7)).toEqual(rest.slice(0, 7));
      }
    }),
    { numRuns: 30 },
  );
});

test("goal: an index that lost its last key takes keys again", () => {
  const index = new OrderedIndex([]);
  expect(index.keys("", undefined, true, 1)).toEqual([]);
  index.insert("a");
  index.delete("a");
  index.delete("a");
  index.insert("b");
  expect(index.keys("", undefined, false, 9)).toEqual(["b"]);
});

test("goal: a prefix covers exactly the keys that begin with it", () => {
  const oneByte = fc.string({
    unit: fc.integer({ min: 0xfd, max: 0xff }).map((code) => String.fromCharCode(code)),
    maxLength: 4,
  });
  fc.assert(
    fc.property(oneByte, oneByte, (prefix, key) => {
      expect(isInRange(optionsToRange({ prefix }), key)).toBe(key.startsWith(prefix));
    }),
  );
  expect(prefixToEnd("a\xff\xff")).toBe("b");
  expect(prefixToEnd("\xff")).toBeUndefined();
});

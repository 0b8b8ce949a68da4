import * as fc from "fast-check";
import { expect, test } from "vitest";
import { evaluateStatus } from "./tx-id.ts";
import { ViewHistory } from "./view-history.ts";

test("goal: the history knows the view of every entry, as a plain list of views does", () => {
  const steps = fc.array(fc.record({ skip: fc.nat(2), count: fc.nat(4), rollback: fc.nat(9) }));
  fc.assert(
    fc.property(steps, (changes) => {
      const history = new ViewHistory();
      const views: number[] = [];
      let view = 1;
      for (const { skip, count, rollback } of changes) {
        if (rollback < 3) {
          views.length = Math.max(0, views.length - rollback);
          history.rollback(views.length);
        }
        view += skip + 1;
        for (let index = 0; index < count; index++) {
          views.push(view);
          history.add({ view, seqno: views.length });
        }
        for (const [index, expected] of views.entries()) {
          expect(history.viewOf(index + 1)).toBe(expected);
        }
        expect(new ViewHistory(history.toFirstSeqnos()).toFirstSeqnos()).toEqual(
          history.toFirstSeqnos(),
        );
      }
    }),
  );
});

test("goal: a new service lists its views as CCF does, view 1 beginning with view 2", () => {
  const history = new ViewHistory();
  history.add({ view: 2, seqno: 1 });
  expect(history.since(1)).toEqual([
    { view: 1, seqno: 1 },
    { view: 2, seqno: 1 },
  ]);
  expect(history.since(3)).toEqual([]);
});

test("goal: each branch of the status rule", () => {
  const committed = { view: 3, seqno: 10 };
  expect(evaluateStatus({ view: 3, seqno: 10 }, 3, committed)).toBe("Committed");
  expect(evaluateStatus({ view: 2, seqno: 10 }, 3, committed)).toBe("Invalid");
  expect(evaluateStatus({ view: 4, seqno: 9 }, 3, committed)).toBe("Invalid");
  expect(evaluateStatus({ view: 3, seqno: 11 }, 3, committed)).toBe("Pending");
  expect(evaluateStatus({ view: 2, seqno: 11 }, 3, committed)).toBe("Invalid");
  expect(evaluateStatus({ view: 4, seqno: 11 }, 3, committed)).toBe("Unknown");
  expect(evaluateStatus({ view: 3, seqno: 12 }, undefined, committed)).toBe("Unknown");
});

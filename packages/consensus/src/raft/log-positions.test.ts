import fc from "fast-check";
import { expect, test } from "vitest";
import { LogPositions } from "./log-positions.ts";

/** A log as the list of its entries' views, which grow. */
const views = fc
  .array(fc.integer({ min: 1, max: 6 }), { maxLength: 20 })
  .map((list) => list.sort((left, right) => left - right));

function toLog(list: readonly number[]): LogPositions {
  const log = new LogPositions();
  for (const [index, view] of list.entries()) log.append(view, index + 1);
  return log;
}

test("goal: each entry is of the view in which it was appended; nothing else has one", () => {
  fc.assert(
    fc.property(views, (list) => {
      const log = toLog(list);
      for (const [index, view] of list.entries()) expect(log.viewOf(index + 1)).toBe(view);
      expect(log.viewOf(0)).toBe(0);
      expect(log.viewOf(list.length + 1)).toBe(0);
    }),
  );
});

test("goal: a message that begins anywhere ends with the view it begins in", () => {
  fc.assert(
    fc.property(views, (list) => {
      const log = toLog(list);
      for (const [index, view] of list.entries()) {
        expect(log.lastOfView(index + 1)).toBe(list.lastIndexOf(view) + 1);
      }
    }),
  );
});

test("goal: the highest possible match is never below the true one", () => {
  fc.assert(
    fc.property(views, views, fc.nat(20), (ours, theirs, length) => {
      const log = toLog(ours);
      const seqno = Math.min(length, theirs.length);
      const match = log.highestPossibleMatch({ view: theirs[seqno - 1] ?? 0, seqno });
      // Equal up to where both have the same views from the beginning.
      let common = 0;
      while (common < Math.min(seqno, ours.length) && ours[common] === theirs[common]) common++;
      expect(match).toBeGreaterThanOrEqual(common);
      expect(match).toBeLessThanOrEqual(seqno);
      expect(log.viewOf(match)).toBeLessThanOrEqual(theirs[seqno - 1] ?? 0);
    }),
  );
});

test("goal: a rollback leaves the log as if the rest had never been", () => {
  fc.assert(
    fc.property(views, fc.nat(20), (list, length) => {
      const log = toLog(list);
      log.persist({ view: list.at(-1) ?? 0, seqno: list.length });
      const kept = list.slice(0, length);
      log.rollback(kept.length);
      expect(log.history.toFirstSeqnos()).toEqual(toLog(kept).history.toFirstSeqnos());
      expect(log.lastSeqno).toBe(kept.length);
      expect(log.persistedSeqno).toBe(kept.length);
    }),
  );
});

test("goal: signatures are known between the committed entry and the end", () => {
  const log = toLog([1, 1, 1, 1, 1, 1]);
  for (const seqno of [2, 4, 6]) log.sign(seqno);
  expect(log.signatureUpTo(1)).toBeUndefined();
  expect(log.signatureUpTo(5)).toBe(4);
  log.commit(4);
  expect([log.signatureUpTo(5), log.lastSignature]).toEqual([undefined, 6]);
  log.rollback(5);
  expect([log.signatures, log.lastSignature]).toEqual([[], 4]);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigurationTracker } from "./configuration-tracker.ts";
import { agreedSeqno, isJointQuorum, quorumSize } from "./quorum.ts";

const names = ["a", "b", "c", "d", "e", "f", "g"];
const members = fc.subarray(names, { minLength: 1 });
const configurations = fc
  .array(members, { minLength: 1, maxLength: 3 })
  .map((list) => list.map((nodes, index) => ({ seqno: index, nodes })));

test("goal: two quorums of the same configurations have a node in common in each of them", () => {
  fc.assert(
    fc.property(configurations, fc.subarray(names), fc.subarray(names), (active, left, right) => {
      fc.pre(isJointQuorum(active, (node) => left.includes(node)));
      fc.pre(isJointQuorum(active, (node) => right.includes(node)));
      for (const { nodes } of active) {
        const common = nodes.filter((node) => left.includes(node) && right.includes(node));
        expect(common.length).toBeGreaterThan(0);
      }
    }),
  );
});

test("goal: what is agreed on is held by a quorum, and what comes after it is not", () => {
  const seqnos = fc.array(fc.nat(9), { minLength: names.length, maxLength: names.length });
  fc.assert(
    fc.property(configurations, seqnos, (active, held) => {
      const seqnoOf = (node: string): number => held[names.indexOf(node)]!;
      const agreed = agreedSeqno(active, seqnoOf)!;
      expect(isJointQuorum(active, (node) => seqnoOf(node) >= agreed)).toBe(true);
      expect(isJointQuorum(active, (node) => seqnoOf(node) > agreed)).toBe(false);
    }),
  );
});

test("goal: a quorum is more than half", () => {
  expect([1, 2, 3, 4, 5, 6, 7].map(quorumSize)).toEqual([1, 2, 2, 3, 3, 4, 4]);
});

test("goal: a configuration is active until one after it is committed", () => {
  const tracker = new ConfigurationTracker();
  tracker.add(0, ["a"]);
  tracker.add(1, ["b", "a"]);
  tracker.add(5, ["a", "b"]);
  tracker.add(7, ["b", "c"]);
  expect(tracker.active).toEqual([
    { seqno: 1, nodes: ["a", "b"] },
    { seqno: 7, nodes: ["b", "c"] },
  ]);
  expect(tracker.others("b")).toEqual(["a", "c"]);
  expect(tracker.commit(6)).toEqual([]);
  expect(tracker.rollback(6)).toBe(true);
  expect(tracker.latest?.seqno).toBe(1);
  tracker.add(8, ["b", "c"]);
  expect(tracker.commit(8)).toEqual(["a"]);
  expect(tracker.active).toEqual([{ seqno: 8, nodes: ["b", "c"] }]);
});

import { expect, test } from "vitest";
import { testEngine } from "./conformance.ts";
import { createSingleNodeEngine } from "./single-node-engine.ts";

testEngine({ name: "single-node engine", create: createSingleNodeEngine, nodeCounts: [1], test });

test("goal: it refuses a configuration with other nodes, which it could not replicate to", () => {
  const engine = createSingleNodeEngine({ nodeId: "a" });
  const refused = expect.objectContaining({ code: "UnsupportedConfiguration" });
  const propose = (nodes: readonly string[]): void =>
    engine.propose({
      view: 2,
      firstSeqno: 1,
      lastSeqno: 1,
      marks: [{ kind: "configuration", seqno: 1, nodes }],
    });
  expect(() => propose(["a", "b"])).toThrow(refused);
  expect(() => propose(["b"])).toThrow(refused);
  expect(engine.seqno).toBe(0);
  propose(["a"]);
  expect(engine.seqno).toBe(1);
});

test("goal: batches that would leave gaps, or of another view, are a programmer's error", () => {
  const engine = createSingleNodeEngine({ nodeId: "a" });
  expect(() => engine.propose({ view: 2, firstSeqno: 2, lastSeqno: 2, marks: [] })).toThrow(/gaps/);
  expect(() => engine.propose({ view: 3, firstSeqno: 1, lastSeqno: 1, marks: [] })).toThrow(/view/);
  const stray = { kind: "signature", seqno: 2 } as const;
  const batch = { view: 2, firstSeqno: 1, lastSeqno: 1, marks: [stray] };
  expect(() => engine.propose(batch)).toThrow(/marks/);
});

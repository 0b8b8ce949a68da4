import { isCocoError } from "@coco/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSeededRng } from "../scenarios/seeded-random.ts";
import { decodeMessage, encodeMessage, type RaftMessage } from "./messages.ts";
import { createRaftEngine } from "./raft-engine.ts";

const position = fc.integer({ min: 0, max: 2 ** 52 - 2 });
const ordered = fc
  .array(position, { minLength: 6, maxLength: 6 })
  .map((values) => values.map((value) => value + 1).sort((left, right) => left - right));

const messages: fc.Arbitrary<RaftMessage> = fc.oneof(
  ordered.map(([prevView = 0, lastView = 0, view = 0, prevSeqno = 0, lastSeqno = 0, c = 0]) => ({
    type: "appendEntries" as const,
    view,
    prevSeqno,
    prevView,
    lastSeqno,
    lastView,
    committedSeqno: c,
  })),
  fc.record({
    type: fc.constant("appendEntriesResponse" as const),
    view: position,
    lastSeqno: position,
    isAccepted: fc.boolean(),
    incarnation: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  }),
  fc.record({
    type: fc.constantFrom("voteRequest" as const, "preVoteRequest" as const),
    view: position,
    signatureSeqno: position,
    signatureView: position,
  }),
  fc.record({
    type: fc.constantFrom("voteResponse" as const, "preVoteResponse" as const),
    view: position,
    isGranted: fc.boolean(),
  }),
  fc.record({ type: fc.constant("candidacyProposal" as const), view: position }),
);

/** Runs `run`, and accepts only the error that a peer may cause. */
function refusesOrTakes(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!isCocoError(error) || error.code !== "BadMessage") throw error;
  }
}

test("goal: every message is read as it was written", () => {
  fc.assert(
    fc.property(messages, (message) => {
      expect(decodeMessage(encodeMessage(message))).toEqual(message);
    }),
  );
});

test("goal: bytes that are no message are refused with the typed error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      refusesOrTakes(() => decodeMessage(bytes));
    }),
    { numRuns: 5000 },
  );
});

test("goal: a message has one form; cut and longer ones are refused", () => {
  fc.assert(
    fc.property(messages, fc.nat(), fc.nat(255), (message, at, value) => {
      const bytes = encodeMessage(message);
      for (let size = 0; size < bytes.length; size++) {
        expect(() => decodeMessage(bytes.subarray(0, size))).toThrow();
      }
      expect(() => decodeMessage(Uint8Array.of(...bytes, 0))).toThrow();
      const changed = bytes.slice();
      changed[at % bytes.length] = value;
      refusesOrTakes(() => {
        expect(encodeMessage(decodeMessage(changed))).toEqual(changed);
      });
    }),
    { numRuns: 300 },
  );
});

test("goal: whatever messages come in whatever order, an engine keeps its promises", () => {
  const small = fc.integer({ min: 0, max: 6 });
  const anyMessage = fc.oneof(
    messages,
    fc.record({
      type: fc.constant("appendEntries" as const),
      view: small,
      prevSeqno: small,
      prevView: small,
      lastSeqno: small,
      lastView: small,
      committedSeqno: small,
    }),
    fc.record({
      type: fc.constant("appendEntriesResponse" as const),
      view: small,
      lastSeqno: small,
      isAccepted: fc.boolean(),
      incarnation: fc.constant(1),
    }),
    fc.record({
      type: fc.constantFrom("voteResponse" as const, "voteRequest" as const),
      view: small,
      isGranted: fc.boolean(),
      signatureSeqno: small,
      signatureView: small,
    }) as fc.Arbitrary<RaftMessage>,
  );
  const input = fc.tuple(fc.constantFrom("b", "c", "x"), anyMessage, fc.boolean());
  fc.assert(
    fc.property(fc.array(input, { maxLength: 30 }), (inputs) => {
      const engine = createRaftEngine({ nodeId: "a", rng: createSeededRng(1) });
      const nodes = ["a", "b", "c"];
      const marks = [
        { kind: "configuration" as const, seqno: 1, nodes },
        { kind: "signature" as const, seqno: 2 },
      ];
      engine.propose({ view: 2, firstSeqno: 1, lastSeqno: 2, marks });
      engine.drain();
      engine.persisted({ view: 2, seqno: 2 });
      let committed = 0;
      for (const [from, message, hasEntries] of inputs) {
        const isAppend = message.type === "appendEntries" && hasEntries;
        const firstSeqno = isAppend ? message.prevSeqno + 1 : 1;
        const entries = isAppend
          ? { view: message.lastView, firstSeqno, lastSeqno: message.lastSeqno, marks: [] }
          : undefined;
        refusesOrTakes(() => engine.step(from, encodeMessage(message), entries));
        const effects = engine.drain();
        expect(effects.rolledBackTo ?? committed).toBeGreaterThanOrEqual(committed);
        expect(engine.committed().seqno).toBeGreaterThanOrEqual(committed);
        committed = engine.committed().seqno;
        expect(committed).toBeLessThanOrEqual(engine.seqno);
      }
    }),
    { numRuns: 2000 },
  );
});

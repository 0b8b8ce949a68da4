import { expect, test } from "vitest";
import { testEngine } from "../conformance.ts";
import type { Batch, Effects, Engine, EngineStart, Mark } from "../engine.ts";
import { createSeededRng } from "../scenarios/seeded-random.ts";
import { decodeMessage, encodeMessage, type RaftMessage } from "./messages.ts";
import { createRaftEngine, type RaftEngineOptions } from "./raft-engine.ts";

const timing = { heartbeatTicks: 2, electionTicks: 20 };

testEngine({
  name: "raft engine",
  create: ({ seed, ...options }) =>
    createRaftEngine({ ...options, ...timing, rng: createSeededRng(seed) }),
  nodeCounts: [1, 2, 3, 5],
  test,
});

const nodes = ["a", "b", "c"];
const incarnation = 7;

function create(options: Partial<RaftEngineOptions> = {}): Engine {
  return createRaftEngine({ nodeId: "a", ...timing, rng: createSeededRng(1), ...options });
}

/** The primary of a, b and c, whose first two entries are on its own disk. */
function createPrimary(options: Partial<RaftEngineOptions> = {}): Engine {
  const engine = create(options);
  propose(engine, [
    { kind: "configuration", seqno: 1, nodes },
    { kind: "signature", seqno: 2 },
  ]);
  engine.drain();
  engine.persisted({ view: 2, seqno: 2 });
  for (const node of ["b", "c"]) {
    accept(engine, node, 0, false);
    engine.drain();
    accept(engine, node, 2);
    engine.drain();
  }
  expect(engine.committed().seqno).toBe(2);
  return engine;
}

function propose(engine: Engine, marks: readonly Mark[], count = Math.max(marks.length, 1)): void {
  const firstSeqno = engine.seqno + 1;
  engine.propose({ view: engine.view, firstSeqno, lastSeqno: engine.seqno + count, marks });
}

function step(engine: Engine, from: string, message: RaftMessage, entries?: Batch): Effects {
  engine.step(from, encodeMessage(message), entries);
  return engine.drain();
}

function accept(engine: Engine, from: string, lastSeqno: number, isAccepted = true): void {
  const type = "appendEntriesResponse";
  const message = { type, view: engine.view, lastSeqno, isAccepted, incarnation } as const;
  engine.step(from, encodeMessage(message));
}

function sent(effects: Effects, to: string): RaftMessage[] {
  return effects.send.filter((item) => item.to === to).map(({ message }) => decodeMessage(message));
}

/** A backup that holds entries up to 3 of view 2, all on its disk, with signatures at 2 and 3. */
const backupStart: EngineStart = {
  viewFirstSeqnos: [1, 1],
  lastSeqno: 3,
  lastSignatureSeqno: 3,
  signatureSeqnos: [3],
  committedSeqno: 2,
  configurations: [{ kind: "configuration", seqno: 1, nodes }],
};

function append(view: number, prev: [view: number, seqno: number], last: number, committed = 2) {
  const [prevView, prevSeqno] = prev;
  const lastView = last > prevSeqno ? view : prevView;
  return {
    type: "appendEntries",
    view,
    prevSeqno,
    prevView,
    lastSeqno: last,
    lastView,
    committedSeqno: committed,
  } as const;
}

test("goal: entries are sent at once while nothing is in flight, and gathered otherwise", () => {
  const engine = createPrimary();
  propose(engine, []);
  expect(sent(engine.drain(), "b")).toMatchObject([{ prevSeqno: 2, lastSeqno: 3 }]);
  propose(engine, []);
  propose(engine, [], 3);
  expect(engine.drain().send).toEqual([]);
  accept(engine, "b", 3);
  const effects = engine.drain();
  expect(effects.send).toHaveLength(1);
  expect(sent(effects, "b")).toMatchObject([{ prevSeqno: 3, lastSeqno: 7 }]);
});

test("goal: a node that does not answer gets no more entries than the window holds", () => {
  const engine = createPrimary({ inFlightCountMax: 2 });
  for (let round = 0; round < 12; round++) {
    propose(engine, []);
    engine.drain();
    accept(engine, "c", engine.seqno);
    engine.tick();
    engine.drain();
  }
  const { lastSeqno } = sent(tickUntilSent(engine), "b")[0] as { lastSeqno: number };
  expect(lastSeqno).toBeLessThan(engine.seqno);
  accept(engine, "b", lastSeqno);
  expect(sent(engine.drain(), "b")).toMatchObject([
    { prevSeqno: lastSeqno, lastSeqno: engine.seqno },
  ]);
});

function tickUntilSent(engine: Engine): Effects {
  for (;;) {
    engine.tick();
    const effects = engine.drain();
    if (effects.send.length > 0) return effects;
  }
}

test("goal: messages are filled by the size of entries, as far as it is known", () => {
  const engine = createPrimary();
  const sizeBytes = 600 * 1024;
  for (let index = 0; index < 40; index++) {
    const firstSeqno = engine.seqno + 1;
    engine.propose({ view: 2, firstSeqno, lastSeqno: firstSeqno, marks: [], sizeBytes });
  }
  engine.drain();
  accept(engine, "b", 2, false);
  for (const { entries } of engine.drain().send) {
    expect((entries?.lastSeqno ?? 0) - (entries?.firstSeqno ?? 0)).toBe(0);
  }
});

test("goal: a backup confirms entries when they are on its disk, and not before", () => {
  const engine = create({ nodeId: "b", start: backupStart });
  const entries = { view: 2, firstSeqno: 4, lastSeqno: 5, marks: [] };
  const effects = step(engine, "a", append(2, [2, 3], 5), entries);
  expect(effects).toMatchObject({
    append: { firstSeqno: 4, lastSeqno: 5 },
    persist: { view: 2, seqno: 5 },
    send: [],
  });
  // A heartbeat is answered with what is durable.
  const beat = step(engine, "a", append(2, [2, 5], 5));
  expect(sent(beat, "a")).toMatchObject([{ isAccepted: true, lastSeqno: 3 }]);
  engine.persisted({ view: 2, seqno: 5 });
  expect(sent(engine.drain(), "a")).toMatchObject([{ isAccepted: true, lastSeqno: 5 }]);
});

test("goal: a vote is told when it is on the disk, and survives a restart", () => {
  const request = { type: "voteRequest", view: 3, signatureSeqno: 3, signatureView: 2 } as const;
  const engine = create({ nodeId: "b", start: backupStart });
  const effects = step(engine, "c", request);
  expect(effects.persistVote).toEqual({ view: 3, votedFor: "c" });
  expect(effects.send).toEqual([]);
  engine.votePersisted(3);
  expect(sent(engine.drain(), "c")).toMatchObject([{ type: "voteResponse", isGranted: true }]);
  const again = create({ nodeId: "b", start: { ...backupStart, vote: effects.persistVote! } });
  expect(sent(step(again, "a", request), "a")).toMatchObject([{ isGranted: false }]);
  expect(sent(step(again, "c", request), "c")).toMatchObject([{ isGranted: true }]);
});

test("goal: a heartbeat commits nothing that its sender may not hold", () => {
  const engine = create({ nodeId: "b", start: backupStart });
  // Entry 3 is here of view 2; the primary of view 4 has another there and has committed it.
  const effects = step(engine, "a", append(4, [2, 2], 2, 3));
  expect(effects.committed).toBeUndefined();
  expect(engine.committed().seqno).toBe(2);
});

test("goal: a refusal names the last entry that may match, of an old view if need be", () => {
  const start = { ...backupStart, viewFirstSeqnos: [1, 1, 3, 3, 3], view: 5 };
  const engine = create({ nodeId: "b", start });
  const effects = step(engine, "a", append(6, [4, 3], 3));
  expect(sent(effects, "a")).toMatchObject([{ isAccepted: false, view: 2, lastSeqno: 2 }]);
});

test("goal: a peer that has begun anew is believed about what it has lost", () => {
  const engine = createPrimary();
  propose(engine, [], 4);
  engine.drain();
  accept(engine, "b", 6);
  expect(engine.details().acknowledged.get("b")?.seqno).toBe(6);
  const type = "appendEntriesResponse";
  const lost = { type, view: 2, lastSeqno: 3, isAccepted: false, incarnation: 8 } as const;
  const effects = step(engine, "b", lost);
  expect(engine.details().acknowledged.get("b")?.seqno).toBe(0);
  expect(sent(effects, "b")).toMatchObject([{ prevSeqno: 3, lastSeqno: 6 }]);
});

test("goal: a primary that hears of no majority within an election time steps down", () => {
  const engine = createPrimary();
  for (let tick = 0; tick < timing.electionTicks - 1; tick++) engine.tick();
  expect(engine.role).toBe("primary");
  engine.tick();
  expect(engine.role).toBe("backup");
  expect(engine.drain().roleChange).toMatchObject({ role: "backup", view: 2 });
});

test("goal: a planned stop asks the node that has most to take over", () => {
  const engine = createPrimary();
  propose(engine, []);
  engine.drain();
  accept(engine, "c", 3);
  engine.drain();
  engine.nominateSuccessor();
  expect(engine.drain().send.map(({ to }) => to)).toEqual(["c"]);
  const start = { ...backupStart, view: 2 };
  const successor = create({ nodeId: "c", start });
  const effects = step(successor, "a", { type: "candidacyProposal", view: 2 });
  expect(successor.role).toBe("candidate");
  expect(effects.persistVote).toEqual({ view: 3, votedFor: "c" });
  successor.votePersisted(3);
  expect(sent(successor.drain(), "b")).toMatchObject([{ type: "voteRequest", view: 3 }]);
});

test("goal: who retires goes on until the entry that lets it go is committed", () => {
  const engine = createPrimary();
  propose(engine, [
    { kind: "configuration", seqno: 3, nodes: ["b", "c"] },
    { kind: "signature", seqno: 4 },
  ]);
  expect(engine.details().retirementPhase).toBe("signed");
  engine.drain();
  engine.persisted({ view: 2, seqno: 4 });
  accept(engine, "b", 4);
  expect(engine.committed().seqno).toBe(2);
  accept(engine, "c", 4);
  const effects = engine.drain();
  expect(effects).toMatchObject({ committed: 4, retiredNodes: ["a"] });
  expect(engine.role).toBe("primary");
  propose(engine, [
    { kind: "retired", seqno: 5, nodes: ["a"] },
    { kind: "signature", seqno: 6 },
  ]);
  engine.drain();
  engine.persisted({ view: 2, seqno: 6 });
  accept(engine, "b", 6);
  accept(engine, "c", 6);
  expect(engine.role).toBe("retired");
  const last = engine.drain().send.map(({ message }) => decodeMessage(message).type);
  expect(last).toContain("candidacyProposal");
});

test("goal: messages that no honest node sends are refused with the typed error", () => {
  const engine = createPrimary();
  const refused = expect.objectContaining({ code: "BadMessage" });
  const entries = { view: 2, firstSeqno: 3, lastSeqno: 3, marks: [] };
  const cases: [string, RaftMessage, Batch | undefined][] = [
    ["another primary of the view", append(2, [2, 2], 2), undefined],
    ["entries that are missing", append(3, [2, 2], 3), undefined],
    ["entries of another view", append(3, [2, 2], 3), entries],
    ["entries with a vote", { type: "candidacyProposal", view: 2 }, entries],
    ["a view far ahead", { type: "candidacyProposal", view: 10_000_000 }, undefined],
  ];
  for (const [name, message, attached] of cases) {
    expect(() => engine.step("b", encodeMessage(message), attached), name).toThrow(refused);
  }
  expect(() => accept(engine, "b", 99)).toThrow(refused);
  expect(() => engine.step("a", encodeMessage(append(3, [2, 2], 2)))).toThrow(refused);
  expect(engine.role).toBe("primary");
});

test("goal: a configuration of no nodes, or of too many, is refused", () => {
  const engine = create();
  const refused = expect.objectContaining({ code: "UnsupportedConfiguration" });
  const many = Array.from({ length: 257 }, (_, index) => `${index}`);
  for (const list of [[], many]) {
    const mark = { kind: "configuration", seqno: 1, nodes: list } as const;
    expect(() => propose(engine, [mark])).toThrow(refused);
  }
  expect(engine.seqno).toBe(0);
});

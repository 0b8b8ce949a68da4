/** Messages between nodes, as a node hears them from peers that may be anything. */
import { concatBytes } from "@coco/base";
import { createRaftEngine, type Engine, type EngineStart } from "@coco/consensus";
import { type FuzzTarget, OracleViolation } from "../fuzzer.ts";

const nodes = ["a", "b", "c"];
const rng = { bytes: (lengthBytes: number) => new Uint8Array(lengthBytes) };
const electionTicks = 20;
/** One input is one conversation; longer ones would only measure how fast errors are made. */
const messageCountMax = 200;

function create(nodeId: string, start?: EngineStart): Engine {
  const options = { nodeId, rng, heartbeatTicks: 2, electionTicks };
  return createRaftEngine(start === undefined ? options : { ...options, start });
}

/** The primary of three nodes, with four entries. */
function createPrimary(): Engine {
  const engine = create("a");
  engine.propose({
    view: 2,
    firstSeqno: 1,
    lastSeqno: 4,
    marks: [
      { kind: "configuration", seqno: 1, nodes },
      { kind: "signature", seqno: 3 },
    ],
  });
  engine.drain();
  engine.persisted({ view: 2, seqno: 4 });
  return engine;
}

/** A backup of the same network that has all of it. */
function createBackup(): Engine {
  return create("b", {
    viewFirstSeqnos: [1, 1],
    lastSeqno: 4,
    lastSignatureSeqno: 3,
    committedSeqno: 0,
    configurations: [{ kind: "configuration", seqno: 1, nodes }],
  });
}

/**
 * What a primary and its backups say to each other until one of these stands for election.
 * @param receiver a: what the primary hears; b: what the backup hears
 */
function toSeeds(receiver: "a" | "b"): readonly Uint8Array[] {
  const primary = createPrimary();
  const backup = createBackup();
  const messages: Uint8Array[] = [];
  for (let tick = 0; tick < 2 * electionTicks; tick++) {
    primary.tick();
    backup.tick();
    const { persistVote, send } = backup.drain();
    if (persistVote !== undefined) backup.votePersisted(persistVote.view);
    for (const { message } of send) {
      if (receiver === "a") messages.push(message);
      primary.step("b", message);
    }
    for (const { to, message, entries } of primary.drain().send) {
      if (receiver === "b") messages.push(message);
      if (to === "b" && entries === undefined && tick < 3) backup.step("a", message);
    }
  }
  const framed = messages.map((message) => concatBytes(Uint8Array.of(message.length), message));
  return [...framed, concatBytes(...framed.slice(0, 8))];
}

/** Before each message its length in one byte, whose highest bit says that a stranger sends it. */
function run(engine: Engine, input: Uint8Array): void {
  let committed = engine.committed().seqno;
  const peer = engine.nodeId === "a" ? "b" : "a";
  let failure: unknown;
  for (let offset = 0, count = 0; offset < input.length && count < messageCountMax; count++) {
    const head = input[offset]!;
    const end = offset + 1 + (head & 0x7f);
    try {
      engine.step(head >= 0x80 ? "stranger" : peer, input.subarray(offset + 1, end));
    } catch (error) {
      failure ??= error;
    }
    const { rolledBackTo } = engine.drain();
    const { seqno } = engine.committed();
    if (seqno < committed || seqno > engine.seqno || (rolledBackTo ?? seqno) < committed) {
      throw new OracleViolation("a message undid what was committed");
    }
    committed = seqno;
    offset = end;
  }
  if (failure !== undefined) throw failure;
}

export const consensusTargets: readonly FuzzTarget[] = [
  { name: "raft-primary", seeds: () => toSeeds("a"), run: (input) => run(createPrimary(), input) },
  { name: "raft-backup", seeds: () => toSeeds("b"), run: (input) => run(createBackup(), input) },
];

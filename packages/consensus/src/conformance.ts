/**
 * The tests that every engine has to pass, for any test runner:
 *
 *     testEngine({ name: "mine", create: createMyEngine, nodeCounts: [1, 3], test });
 */
import { assert, isCocoError } from "@coco/base";
import { type CreateEngine, EngineCluster } from "./conformance-cluster.ts";

export type { CreateEngine } from "./conformance-cluster.ts";

export interface EngineSuite {
  readonly name: string;
  readonly create: CreateEngine;
  /** Sizes of network that the engine supports; 1 must be among them. */
  readonly nodeCounts: readonly number[];
  /** Registers one test: `test` of vitest, of node:test, ... */
  readonly test: (name: string, body: () => void) => void;
  /** Random schedules for each size. Default 50. */
  readonly scheduleCount?: number;
}

export function testEngine(suite: EngineSuite): void {
  for (const [name, body] of Object.entries(oneNodeTests)) {
    suite.test(`${suite.name}, one node: ${name}`, () => body(suite.create));
  }
  for (const nodeCount of suite.nodeCounts) {
    for (const [name, body] of Object.entries(networkTests)) {
      suite.test(`${suite.name}, ${nodeCount} nodes: ${name}`, () => body(suite.create, nodeCount));
    }
    suite.test(`${suite.name}, ${nodeCount} nodes: random schedules keep every rule`, () => {
      for (let seed = 1; seed <= (suite.scheduleCount ?? 50); seed++) {
        runSchedule(suite.create, nodeCount, seed);
      }
    });
  }
}

/** Goal: each rule of the contract, in the smallest case that can break it. */
const oneNodeTests: Readonly<Record<string, (create: CreateEngine) => void>> = {
  "a new service begins in view 2 with nothing committed"(create) {
    const node = new EngineCluster(create, 1).addNode(undefined);
    const { engine } = node;
    equal([engine.view, engine.role, engine.seqno], [2, "primary", 0]);
    equal(engine.committed(), { view: 0, seqno: 0 });
    equal(engine.status({ view: 2, seqno: 1 }), "Unknown");
    equal(engine.viewHistory(1), []);
    equal(engine.drain().roleChange, { role: "primary", view: 2, primaryId: node.id });
    equal(engine.drain(), { send: [] });
  },
  "durable entries without a signature are not committed"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["plain", "plain"]);
    while (cluster.persistOne(node));
    equal(node.committedSeqno, 0);
    equal(cluster.status(node, { view: 2, seqno: 1 }), "Pending");
  },
  "a signature is committed when it is durable, and not before"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["plain"]);
    cluster.propose(node, ["plain", "signature"]);
    cluster.propose(node, ["plain"]);
    cluster.persistOne(node);
    equal(node.committedSeqno, 0);
    cluster.persistOne(node);
    equal(node.committedSeqno, 3);
    equal(cluster.status(node, { view: 2, seqno: 1 }), "Committed");
    equal(cluster.status(node, { view: 2, seqno: 4 }), "Pending");
    equal(cluster.status(node, { view: 3, seqno: 1 }), "Invalid");
    equal(cluster.status(node, { view: 1, seqno: 4 }), "Invalid");
    equal(cluster.status(node, { view: 3, seqno: 4 }), "Unknown");
    equal(cluster.status(node, { view: 2, seqno: 5 }), "Unknown");
  },
  "one durable write commits every signature before its end"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["signature", "plain", "signature", "plain"]);
    cluster.persistOne(node);
    equal(node.committedSeqno, 3);
  },
  "a new view gives up what follows the last signature, for ever"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["plain", "signature", "plain", "plain"]);
    cluster.newView(node);
    equal([node.engine.view, node.engine.seqno], [3, 2]);
    equal(cluster.status(node, { view: 2, seqno: 3 }), "Unknown");
    cluster.propose(node, ["signature"]);
    while (cluster.persistOne(node));
    equal(node.committedSeqno, 3);
    equal(cluster.status(node, { view: 2, seqno: 2 }), "Committed");
    equal(cluster.status(node, { view: 2, seqno: 3 }), "Invalid");
    equal(cluster.status(node, { view: 2, seqno: 4 }), "Invalid");
    equal(node.engine.viewHistory(2), [
      { view: 2, seqno: 1 },
      { view: 3, seqno: 3 },
    ]);
  },
  "a new view asks for a signature and announces itself"(create) {
    const node = new EngineCluster(create, 1).addNode(undefined);
    node.engine.drain();
    node.engine.newView();
    const effects = node.engine.drain();
    equal(effects.isSignatureWanted, true);
    equal(effects.roleChange, { role: "primary", view: 3, primaryId: node.id });
  },
  "a write of entries rolled back meanwhile makes no other entry durable"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["signature"]);
    cluster.persistOne(node);
    cluster.propose(node, ["plain", "plain"]);
    cluster.newView(node);
    cluster.propose(node, ["plain", "signature"]);
    node.engine.persisted({ view: 2, seqno: 3 });
    cluster.drain(node);
    equal(node.committedSeqno, 1);
    node.engine.persisted({ view: 3, seqno: 99 });
    cluster.drain(node);
    equal(node.committedSeqno, 1);
  },
  "too many waiting entries refuse more, but never a signature"(create) {
    const cluster = new EngineCluster(create, 1, 3);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["plain", "plain"]);
    node.engine.checkCanPropose(1);
    throwsCode("TooManyPendingTransactions", () => node.engine.checkCanPropose(2));
    throwsCode("TooManyPendingTransactions", () => cluster.propose(node, ["plain", "plain"]));
    equal(node.engine.seqno, 2);
    cluster.propose(node, ["plain", "signature"]);
    while (cluster.persistOne(node));
    node.engine.checkCanPropose(3);
  },
  "a restart keeps what is signed on disk and goes on in a higher view"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["plain", "signature"]);
    cluster.propose(node, ["plain", "signature", "plain"]);
    cluster.propose(node, ["signature"]);
    cluster.persistOne(node);
    cluster.persistOne(node);
    equal([node.committedSeqno, node.durable.length], [4, 5]);
    cluster.restart(node);
    equal([node.engine.view, node.engine.seqno, node.committedSeqno], [3, 4, 4]);
    cluster.propose(node, ["signature"]);
    while (cluster.persistOne(node));
    equal(cluster.status(node, { view: 2, seqno: 5 }), "Invalid");
    equal(cluster.status(node, { view: 3, seqno: 5 }), "Committed");
  },
  "a restart gives no id a second time that was lost with its entry"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["signature"]);
    cluster.persistOne(node);
    cluster.newView(node);
    const lost = cluster.propose(node, ["plain"]);
    cluster.restart(node);
    assert(node.engine.view > lost.view, "the view of lost entries is not used again");
  },
  "two restarts without an entry between them use two views"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    cluster.propose(node, ["signature"]);
    cluster.persistOne(node);
    cluster.newView(node);
    cluster.newView(node);
    cluster.propose(node, ["signature"]);
    cluster.persistOne(node);
    equal(node.engine.viewHistory(1), [
      { view: 1, seqno: 1 },
      { view: 2, seqno: 1 },
      { view: 3, seqno: 2 },
      { view: 4, seqno: 2 },
    ]);
    equal(node.engine.viewOf(2), 4);
  },
  "bytes that are no message are refused with a typed error"(create) {
    const cluster = new EngineCluster(create, 1);
    const node = cluster.addNode(undefined);
    for (let size = 0; size < 64; size++) {
      const junk = Uint8Array.from({ length: size }, () => cluster.random(256));
      throwsCode("BadMessage", () => node.engine.step("stranger", junk));
    }
    cluster.drain(node);
    equal(node.engine.role, "primary");
  },
};

/** Goal: the same promises in a network whose messages arrive. */
const networkTests: Readonly<Record<string, (create: CreateEngine, nodeCount: number) => void>> = {
  "every node commits what the primary signs"(create, nodeCount) {
    const cluster = EngineCluster.open(create, nodeCount, 1);
    const primary = cluster.primary();
    assert(primary !== undefined, "a network has a primary");
    const { view, firstSeqno } = cluster.propose(primary, ["plain", "plain", "signature"]);
    cluster.settle();
    for (const node of cluster.nodes) {
      equal(node.committedSeqno, firstSeqno + 2);
      equal(cluster.status(node, { view, seqno: firstSeqno }), "Committed");
      equal(cluster.status(node, { view: view + 1, seqno: firstSeqno }), "Invalid");
    }
  },
  "only the primary takes proposals"(create, nodeCount) {
    const cluster = EngineCluster.open(create, nodeCount, 2);
    for (const { engine } of cluster.nodes) {
      if (engine.role === "primary") engine.checkCanPropose(1);
      else throwsCode("NotPrimary", () => engine.checkCanPropose(1));
    }
  },
  "a new view keeps what is committed and commits again"(create, nodeCount) {
    const cluster = EngineCluster.open(create, nodeCount, 3);
    const before = cluster.primary();
    assert(before !== undefined, "a network has a primary");
    const { view } = before.engine;
    cluster.newView(before);
    cluster.settle();
    const primary = cluster.primary();
    assert(
      primary !== undefined && primary.engine.view > view,
      "the network goes on in a new view",
    );
    const batch = cluster.propose(primary, ["signature"]);
    cluster.settle();
    for (const node of cluster.nodes) equal(node.committedSeqno, batch.lastSeqno);
  },
};

/**
 * Random inputs; the cluster checks its invariants at each. Then everything arrives, and the
 * network has to go on.
 */
function runSchedule(create: CreateEngine, nodeCount: number, seed: number): void {
  const cluster = EngineCluster.open(create, nodeCount, seed);
  const { random } = cluster;
  for (let step = 0; step < 300; step++) {
    const node = cluster.nodes[random(nodeCount)]!;
    const choice = random(100);
    if (choice < 35) {
      if (node.engine.role === "primary") cluster.propose(node, ["plain"]);
    } else if (choice < 50) {
      if (node.engine.role === "primary") cluster.propose(node, ["plain", "signature"]);
    } else if (choice < 70) {
      cluster.persistOne(node);
    } else if (choice < 88) {
      if (cluster.parcels.length > 0) cluster.deliver(random(cluster.parcels.length));
      else cluster.tick(node);
    } else if (choice < 92) {
      if (cluster.parcels.length > 0) cluster.parcels.splice(random(cluster.parcels.length), 1);
    } else if (choice < 96) {
      cluster.newView(node);
    } else if (choice < 98) {
      cluster.restart(node);
    }
    const seqno = 1 + random(node.engine.seqno + 2);
    cluster.status(node, { view: 1 + random(node.engine.view + 1), seqno });
  }
  cluster.settle();
  const primary = cluster.primary();
  assert(primary !== undefined, "a network whose messages arrive elects a primary");
  const { lastSeqno } = cluster.propose(primary, ["signature"]);
  cluster.settle();
  for (const { engine, ledger, committedSeqno } of cluster.nodes) {
    equal(committedSeqno, lastSeqno);
    for (const { view, seqno } of ledger) equal(engine.viewOf(seqno), view);
  }
}

/** @throws {AssertionError} unless both have the same JSON form. */
function equal(actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  assert(left === right, `expected ${right}, got ${left}`);
}

function throwsCode(code: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (isCocoError(error) && error.code === code) return;
    throw error;
  }
  assert(false, `expected ${code}`);
}

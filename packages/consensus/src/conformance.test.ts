import { expect, test } from "vitest";
import { type CreateEngine, testEngine } from "./conformance.ts";
import type { Engine } from "./engine.ts";
import { createPermanentPrimaryEngine } from "./permanent-primary.testing.ts";
import { createSingleNodeEngine } from "./single-node-engine.ts";

/** An engine for one node with some of its methods replaced. */
function sabotage(replace: (engine: Engine) => Partial<Engine>): CreateEngine {
  return (options) => {
    const engine = createSingleNodeEngine(options);
    const replaced = replace(engine) as Record<PropertyKey, unknown>;
    return new Proxy(engine, {
      get(target, name) {
        if (name in replaced) return replaced[name];
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

const broken: Readonly<Record<string, CreateEngine>> = {
  "commits without a signature": sabotage((engine) => ({
    propose: (batch) =>
      engine.propose({ ...batch, marks: [{ kind: "signature", seqno: batch.lastSeqno }] }),
  })),
  "commits before it is durable": sabotage((engine) => ({
    propose(batch) {
      engine.propose(batch);
      engine.persisted({ view: batch.view, seqno: batch.lastSeqno });
    },
  })),
  "takes an old write for a new one": sabotage((engine) => ({
    persisted: ({ seqno }) => engine.persisted({ view: engine.viewOf(seqno) ?? 0, seqno }),
  })),
  "stays in its view": sabotage(() => ({ newView: () => {} })),
  "has no limit": (options) => createSingleNodeEngine({ ...options, pendingCountMax: 1e9 }),
  "refuses nothing": sabotage(() => ({ step: () => {} })),
  "keeps unsigned entries over a restart": ({ start, ...options }) =>
    createSingleNodeEngine(
      start === undefined
        ? options
        : { ...options, start: { ...start, lastSignatureSeqno: start.lastSeqno } },
    ),
  "says too early that a transaction is lost": sabotage((engine) => ({
    status(txId) {
      const status = engine.status(txId);
      return status === "Unknown" && txId.seqno <= engine.seqno ? "Invalid" : status;
    },
  })),
  "forgets to tell of a rollback": sabotage((engine) => ({
    drain() {
      const { rolledBackTo: _, ...effects } = engine.drain();
      return effects;
    },
  })),
};

for (const [name, create] of Object.entries(broken)) {
  test(`goal: the suite finds an engine that ${name}`, () => {
    const failures: string[] = [];
    testEngine({
      name: "broken",
      create,
      nodeCounts: [1],
      scheduleCount: 5,
      test(title, body) {
        try {
          body();
        } catch {
          failures.push(title);
        }
      },
    });
    expect(failures).not.toEqual([]);
  });
}

// Goal: the suite's network, by an engine that replicates and keeps every rule.
testEngine({
  name: "permanent primary",
  create: createPermanentPrimaryEngine,
  nodeCounts: [1, 2, 3, 5],
  scheduleCount: 20,
  test,
});

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { EngineStart } from "../engine.ts";
import { quorumSize } from "../raft/quorum.ts";
import { type RaftRules, raftRules } from "../raft/raft-rules.ts";
import type { RaftSettings } from "../raft/raft-state.ts";
import { runScenario } from "../scenarios/scenario-runner.ts";
import { runSimulation } from "./simulation.ts";

const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const folder = join(vectors, "raft/scenarios");
const scenarios = existsSync(folder) ? readdirSync(folder).sort() : [];
if (scenarios.length === 0) console.warn(`without scenarios: none in ${folder}`);

const seedCountMax = 200;

interface Mutant {
  readonly rules?: Partial<RaftRules>;
  readonly settings?: Partial<RaftSettings>;
  readonly changeStart?: (start: EngineStart) => EngineStart;
}

const union = (configurations: Parameters<RaftRules["isElected"]>[0]): readonly string[] => [
  ...new Set(configurations.flatMap(({ nodes }) => nodes)),
];

/** The six bugs that CCF has had. */
const historic: Readonly<Record<string, Mutant>> = {
  "tallies votes over the union of the configurations": {
    rules: {
      isElected(configurations, votes) {
        const nodes = union(configurations);
        return nodes.filter((node) => votes.has(node)).length >= quorumSize(nodes.length);
      },
    },
  },
  "commits entries of an earlier view by counting": { rules: { canCommit: () => true } },
  "takes a refusal for a match": {
    rules: { matchAfterRefusal: (match, refused) => Math.max(match, refused) },
  },
  "cuts entries off because of an early message": {
    rules: {
      firstConflict: ({ prevSeqno }, { lastSeqno }) =>
        prevSeqno < lastSeqno ? prevSeqno + 1 : undefined,
      canReplace: () => true,
    },
  },
  "confirms entries after the end of the message": {
    rules: { confirmedSeqno: (_, lastSeqno) => lastSeqno },
  },
  "retires before all know that it may": {
    rules: { isRetired: (phase) => phase === "completed" || phase === "retiredCommitted" },
  },
};

const others: Readonly<Record<string, Mutant>> = {
  "commits by a majority of the union": {
    rules: {
      agreedSeqno(configurations, seqnoOf) {
        const nodes = union(configurations);
        return raftRules.agreedSeqno([{ seqno: 0, nodes }], seqnoOf);
      },
    },
  },
  "commits what is not signed": { rules: { commitPoint: (_, agreed) => agreed } },
  "keeps unsigned entries over a change of view": { rules: { keptSeqno: (_, last) => last } },
  "votes for any candidate": { rules: { isUpToDate: () => true } },
  "compares the lengths of logs only": {
    rules: { isUpToDate: (theirs, ours) => theirs.seqno >= ours.seqno },
  },
  "compares the views of logs only": {
    rules: { isUpToDate: (theirs, ours) => theirs.view >= ours.view },
  },
  "votes twice in a view": { rules: { canVote: () => true } },
  "never gives up a conflicting entry": { rules: { canReplace: () => false } },
  "is elected by half": {
    rules: {
      isElected: (configurations, votes) =>
        configurations.every(
          ({ nodes }) => nodes.filter((node) => votes.has(node)).length >= nodes.length / 2,
        ),
    },
  },
  "is elected by the newest configuration alone": {
    rules: {
      isElected: (configurations, votes) => raftRules.isElected(configurations.slice(-1), votes),
    },
  },
  "is elected by the oldest configuration alone": {
    rules: {
      isElected: (configurations, votes) => raftRules.isElected(configurations.slice(0, 1), votes),
    },
  },
  "commits by the newest configuration alone": {
    rules: {
      agreedSeqno: (configurations, seqnoOf) =>
        raftRules.agreedSeqno(configurations.slice(-1), seqnoOf),
    },
  },
  "commits by the oldest configuration alone": {
    rules: {
      agreedSeqno: (configurations, seqnoOf) =>
        raftRules.agreedSeqno(configurations.slice(0, 1), seqnoOf),
    },
  },
  "commits what one node fewer than a majority holds": {
    rules: {
      agreedSeqno: (configurations, seqnoOf) =>
        Math.min(
          ...configurations.map(({ nodes }) => {
            const held = nodes.map(seqnoOf).sort((left, right) => left - right);
            return held[Math.floor((held.length + 1) / 2)] ?? held.at(-1) ?? 0;
          }),
        ),
    },
  },
  "appends after an entry that is another": {
    rules: { isContinuation: (theirs, ours) => ours === theirs || ours > 0 },
  },
  "counts votes of other views": { rules: { isVoteOf: () => true } },
  "forgets its votes in a crash": { changeStart: ({ vote: _, ...start }) => start },
  "forgets its signatures in a crash": {
    changeStart: (start) => ({
      ...start,
      signatureSeqnos: [],
      lastSignatureSeqno: start.committedSeqno,
    }),
  },
  "promises before the disk has written": { settings: { isDurableAtOnce: true } },
};

/** What catches the mutant first; undefined when nothing does. */
function findCatcher({ rules, settings = {}, changeStart }: Mutant): string | undefined {
  const broken = { ...raftRules, ...rules };
  const caught: string[] = [];
  if (rules !== undefined) {
    for (const name of scenarios) {
      try {
        runScenario(readFileSync(join(folder, name), "utf8"), { rules: broken });
      } catch {
        caught.push(name);
      }
    }
  }
  const options = {
    rules: broken,
    settings,
    ...(changeStart === undefined ? {} : { changeStart }),
  };
  for (let seed = 1; seed <= seedCountMax; seed++) {
    try {
      runSimulation({ seed, eventCount: 3000, ...options });
    } catch (error) {
      const [line] = (error as Error).message.split("\n");
      return `simulation, ${line}; scenarios: ${caught.join(" ") || "none"}`;
    }
  }
  return caught.length === 0 ? undefined : `scenarios: ${caught.join(" ")}`;
}

for (const [name, mutant] of Object.entries({ ...historic, ...others })) {
  test(`goal: an engine that ${name} is found`, () => {
    const catcher = findCatcher(mutant);
    console.info(`${name}: ${catcher}`);
    expect(catcher).toBeDefined();
  });
}

import { test } from "vitest";
import { testEngine } from "../conformance.ts";
import { createSeededRng } from "../scenarios/seeded-random.ts";
import { createRaftEngine } from "./raft-engine.ts";

testEngine({
  name: "raft engine",
  create: ({ seed, ...options }) =>
    createRaftEngine({
      ...options,
      rng: createSeededRng(seed),
      heartbeatTicks: 2,
      electionTicks: 20,
    }),
  nodeCounts: [1, 2, 3, 5],
  test,
});

// Goal: random programs take the same steps here and in another implementation, up to Osaka.
// EVM_FUZZ_RUNS and EVM_FUZZ_SEED run more of them.
import { expect, it } from "vitest";
import { createCase, findDifference, runHere, runThere } from "./differential.testing.ts";

const runs = Number(process.env["EVM_FUZZ_RUNS"] ?? 20);
const firstSeed = Number(process.env["EVM_FUZZ_SEED"] ?? 1);

it.each(["istanbul", "london", "cancun", "osaka"] as const)(
  "random programs on %s",
  async (fork) => {
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const given = createCase(seed);
      const here = runHere(given, fork);
      const there = await runThere(given, fork);
      const at = findDifference(here, there);
      const difference = at < 0 ? "" : `seed ${seed}, line ${at}`;
      const around = [
        here.slice(Math.max(0, at - 2), at + 2),
        there.slice(Math.max(0, at - 2), at + 2),
      ];
      expect(difference, JSON.stringify(around, undefined, 1)).toBe("");
    }
  },
  600_000,
);

import { expect, test } from "vitest";
import { runSimulation } from "./simulation.ts";

/** COCO_SIMULATION_SEEDS=from-to runs others; a failing seed fails again. */
const [fromSeed = 1, toSeed = 200] = (process.env["COCO_SIMULATION_SEEDS"] ?? "1-200")
  .split("-")
  .map(Number);
const eventCount = 3000;

test(`goal: seeds ${fromSeed} to ${toSeed} break no invariant, and all go on`, () => {
  const started = performance.now();
  const sums = { events: 0, committed: 0, views: 0, crashes: 0, configurations: 0 };
  let healElectionsMax = 0;
  for (let seed = fromSeed; seed <= toSeed; seed++) {
    const result = runSimulation({ seed, eventCount });
    sums.events += result.eventCount;
    sums.committed += result.committedSeqno;
    sums.views += result.lastView;
    sums.crashes += result.crashCount;
    sums.configurations += result.configurationCount;
    healElectionsMax = Math.max(healElectionsMax, result.healElections);
  }
  const perSecond = Math.round((sums.events * 1000) / (performance.now() - started));
  const figures = { ...sums, healElectionsMax, perSecond };
  console.info(`seeds ${fromSeed} to ${toSeed}: ${JSON.stringify(figures)}`);
  expect(healElectionsMax, "agreement within ten election times").toBeLessThan(10);
  // Schedules in which nothing happens would prove nothing.
  const seedCount = toSeed - fromSeed + 1;
  expect(sums.committed / seedCount).toBeGreaterThan(20);
  expect(sums.views / seedCount).toBeGreaterThan(5);
  expect(sums.crashes / seedCount).toBeGreaterThan(10);
  expect(sums.configurations / seedCount).toBeGreaterThan(1);
}, 240_000);

test("goal: a seed gives the same run again", () => {
  const options = { seed: 42, eventCount: 2000 };
  expect(runSimulation(options)).toEqual(runSimulation(options));
});

/**
 * `npm run raft-simulation -- --seeds N [--from N] [--events N]`: runs the Raft engine under seeded
 * schedules of faults. A seed that fails is printed with its last events, and fails again.
 */
import { parseArgs } from "node:util";
import { runSimulation } from "@coco/consensus/simulation";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    events: { type: "string", default: "3000" },
  },
});

function main(): number {
  const startedMs = performance.now();
  const sums = { eventCount: 0, committedCount: 0, viewCount: 0, crashCount: 0, failedCount: 0 };
  const from = Number(values.from);
  for (let seed = from; seed < from + Number(values.seeds); seed++) {
    try {
      const result = runSimulation({ seed, eventCount: Number(values.events) });
      sums.eventCount += result.eventCount;
      sums.committedCount += result.committedSeqno;
      sums.viewCount += result.lastView;
      sums.crashCount += result.crashCount;
    } catch (error) {
      sums.failedCount++;
      process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const eventsPerSecond = Math.round(sums.eventCount / seconds);
  process.stdout.write(`${JSON.stringify({ seeds: values.seeds, ...sums, eventsPerSecond })}\n`);
  return sums.failedCount === 0 ? 0 : 1;
}

process.exitCode = main();

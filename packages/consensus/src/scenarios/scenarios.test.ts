import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runScenario } from "./scenario-runner.ts";
import type { TraceLine } from "./scenario-trace.ts";

const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const folder = join(vectors, "raft/scenarios");
const names = existsSync(folder) ? readdirSync(folder).sort() : [];
if (names.length === 0) {
  console.warn(`skipped: no scenarios in ${folder}`);
  test.skip("the scenarios are not here", () => {});
}

/** What of a line does not depend on the program that wrote it. */
function toComparable({ msg, cmd, cmd_prefix }: TraceLine): unknown {
  return { msg, cmd, cmd_prefix };
}

for (const name of names) {
  const text = readFileSync(join(folder, name), "utf8");
  test(`goal: every assertion of the scenario ${name} holds`, () => {
    runScenario(text);
  });
  test(`goal: the trace of ${name} is the reference trace, event by event`, () => {
    const lines = readFileSync(join(vectors, `raft/traces/${name}.ndjson`), "utf8").trim();
    const expected = lines.split("\n").map((line) => toComparable(JSON.parse(line) as TraceLine));
    const actual = runScenario(text).trace.map(toComparable);
    for (const [index, line] of expected.entries())
      expect(actual[index], `event ${index}`).toEqual(line);
    expect(actual.length).toBe(expected.length);
  });
}

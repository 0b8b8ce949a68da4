// Goal: official state tests arrive at their state roots and logs. The whole sweep is
// `npm run test:evm-vectors`; here a part of each folder runs that takes seconds.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runStateTests } from "./node/conformance/state-test.ts";

const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const root = join(vectors, "ethereum/GeneralStateTests");

/** Folders whose tests fill memory or run for millions of operations. */
const slowFolders = new Set([
  "stTimeConsuming",
  "stQuadraticComplexityTest",
  "stMemoryStressTest",
  "stAttackTest",
]);
const slowFiles = /50000|1MB|loopMul|performanceTester|loopExp|static_Call.*Calldepth|Return50000/;
const filesMax = 12;
const fileSizeMax = 60_000;

function* findFiles(path: string): Generator<string> {
  for (const name of readdirSync(path).sort()) {
    const child = join(path, name);
    const { size } = statSync(child);
    if (statSync(child).isDirectory()) yield* findFiles(child);
    else if (name.endsWith(".json") && size < fileSizeMax && !slowFiles.test(name)) yield child;
  }
}

if (!existsSync(root)) {
  console.warn(`skipped: no official state tests in ${root}`);
  describe.skip("official state tests", () => {
    it("needs the vectors", () => undefined);
  });
} else {
  describe("official state tests", () => {
    for (const folder of readdirSync(root)) {
      if (slowFolders.has(folder)) continue;
      it(folder, () => {
        const files = Array.from(findFiles(join(root, folder)));
        // The files are spread over the folder, the same ones in every run.
        const step = Math.max(1, Math.floor(files.length / filesMax));
        const differences: string[] = [];
        for (let i = 0; i < files.length; i += step) {
          const tests = JSON.parse(readFileSync(files[i]!, "utf8"));
          for (const { name, difference } of runStateTests(tests)) {
            if (difference !== "") differences.push(`${name}: ${difference}`);
          }
        }
        expect(differences).toEqual([]);
      });
    }
  });
}

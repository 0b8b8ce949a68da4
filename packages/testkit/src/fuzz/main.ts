/** `npm run fuzz -- --target NAME --seconds N`: fuzzes one target, or all one after the other. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type FuzzReport, runFuzz } from "./fuzzer.ts";
import { fuzzTargets } from "./targets.ts";

const { values } = parseArgs({
  options: {
    target: { type: "string", default: "all" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    out: { type: "string", default: "workspace/fuzz" },
    "no-coverage": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function saveFindings(report: FuzzReport): void {
  for (const [index, { kind, detail, input }] of report.findings.entries()) {
    mkdirSync(values.out, { recursive: true });
    const path = join(values.out, `${report.target}-${kind}-${index}.bin`);
    writeFileSync(path, input);
    process.stderr.write(`${report.target}: ${kind} with ${path}\n${detail}\n`);
  }
}

function main(): number {
  const names = fuzzTargets.map(({ name }) => name);
  if (values.help || (values.target !== "all" && !names.includes(values.target))) {
    process.stderr.write(
      `npm run fuzz -- --target NAME|all --seconds N [--seed N] [--out DIR] [--no-coverage]\n` +
        `targets: ${names.join(", ")}\n`,
    );
    return values.help ? 0 : 2;
  }
  let findingCount = 0;
  for (const target of fuzzTargets) {
    if (values.target !== "all" && values.target !== target.name) continue;
    const report = runFuzz(target, {
      durationMs: Number(values.seconds) * 1000,
      seed: Number(values.seed),
      usesCoverage: !values["no-coverage"],
    });
    const { findings, ...figures } = report;
    const line = { ...figures, findingCount: findings.length, seed: Number(values.seed) };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    saveFindings(report);
    findingCount += findings.length;
  }
  return findingCount === 0 ? 0 : 1;
}

process.exitCode = main();

/**
 * `npm run raft-scenario -- FILE... [--trace OUT]`: runs scenario files of CCF's consensus tests on
 * the Raft engine. Exits with 0 when every assertion holds. OUT is the trace of the one FILE, or,
 * when it ends with a slash, a folder for the traces of all; CCF's TLA+ trace specification reads
 * them.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { parseArgs } from "node:util";
import { runScenario } from "@coco/consensus/scenarios";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    trace: { type: "string" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function runFile(path: string): boolean {
  try {
    const { trace, output } = runScenario(readFileSync(path, "utf8"));
    if (values.verbose) for (const line of output) process.stdout.write(`  ${line}\n`);
    process.stdout.write(`${basename(path)}: holds, ${trace.length} events\n`);
    if (values.trace === undefined) return true;
    const isFolder = values.trace.endsWith("/");
    const target = isFolder ? `${values.trace}${basename(path)}.ndjson` : values.trace;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, trace.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return true;
  } catch (error) {
    process.stderr.write(`${basename(path)}: ${error instanceof Error ? error.message : error}\n`);
    return false;
  }
}

function main(): number {
  const isAmbiguous = positionals.length > 1 && values.trace?.endsWith("/") === false;
  if (values.help || positionals.length === 0 || isAmbiguous) {
    process.stderr.write(
      "npm run raft-scenario -- FILE... [--trace OUT.ndjson | --trace FOLDER/] [--verbose]\n",
    );
    return values.help ? 0 : 2;
  }
  const failedCount = positionals.filter((path) => !runFile(path)).length;
  return failedCount === 0 ? 0 : 1;
}

process.exitCode = main();

/** `npm run state-tests -- DIR [--fork F] [--json]`: runs official state tests below a folder. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { runStateTests } from "./state-test.ts";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

function* findFiles(path: string): Generator<string> {
  if (!statSync(path).isDirectory()) {
    if (path.endsWith(".json")) yield path;
    return;
  }
  for (const name of readdirSync(path).sort()) yield* findFiles(join(path, name));
}

function main(parameters: readonly string[]): void {
  const isJson = parameters.includes("--json");
  const forkAt = parameters.indexOf("--fork");
  const fork = forkAt < 0 ? undefined : parameters[forkAt + 1];
  const [root = "."] = parameters.filter((text, index) => {
    return !text.startsWith("--") && (forkAt < 0 || index !== forkAt + 1);
  });
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const folders = new Map<string, Count>();
  for (const path of findFiles(root)) {
    const folder = relative(root, path).split(sep)[0]!;
    const count = folders.get(folder) ?? { passed: 0, failed: 0, skipped: 0 };
    folders.set(folder, count);
    const startedMs = Date.now();
    for (const { name, difference } of runStateTests(
      JSON.parse(readFileSync(path, "utf8")),
      fork,
    )) {
      const isPassed = difference === "";
      count[isPassed ? "passed" : "failed"]++;
      total[isPassed ? "passed" : "failed"]++;
      if (!isPassed) process.stderr.write(`${relative(root, path)} ${name}: ${difference}\n`);
    }
    const tookMs = Date.now() - startedMs;
    if (tookMs > 10_000) process.stderr.write(`${relative(root, path)}: ${tookMs} ms\n`);
  }
  if (!isJson) for (const [folder, count] of folders) console.log(folder, JSON.stringify(count));
  console.log(JSON.stringify(total));
  if (total.failed > 0) process.exitCode = 1;
}

main(process.argv.slice(2));

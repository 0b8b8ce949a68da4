// Compiles the virtual machine to WebAssembly: once plain, once with hooks for tracing. Does nothing
// when both modules are newer than their sources. Prints the hashes, because they are attested.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const room = dirname(fileURLToPath(import.meta.url));
const sources = join(room, "assembly");
const output = join(room, "dist");

const builds = [
  { file: "evm.wasm", isTracing: 0 },
  { file: "evm-tracing.wasm", isTracing: 1 },
];

function changedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

const names = readdirSync(sources).map((name) => join(sources, name));
const newestMs = Math.max(...[...names, fileURLToPath(import.meta.url)].map(changedMs));

mkdirSync(output, { recursive: true });
for (const { file, isTracing } of builds) {
  const target = join(output, file);
  if (changedMs(target) > newestMs) continue;
  await compile(target, isTracing);
  const hash = createHash("sha256").update(readFileSync(target)).digest("hex");
  process.stdout.write(`${file}: SHA-256 ${hash}\n`);
}

/** Writes beside the target first: two builds at the same time do not see half a module. */
async function compile(target, isTracing) {
  const asc = await import("assemblyscript/asc");
  const draft = `${target}.${process.pid}.draft`;
  const { error, stderr } = await asc.main([
    join(sources, "index.ts"),
    ...["--outFile", draft, "--runtime", "stub", "--noAssert", "--use", "abort="],
    ...["-O3", "--converge", "--maximumMemory", "65536", "--use", `TRACING=${isTracing}`],
  ]);
  if (error !== null) {
    rmSync(draft, { force: true });
    process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
    process.exit(1);
  }
  renameSync(draft, target);
}

/** Checks an app's types with the TypeScript compiler that the app or this project has. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createAppFailure } from "./failure.ts";

/**
 * Runs `tsc --noEmit` when the app has a tsconfig.json.
 * @returns remarks, when the check could not be made
 * @throws {CocoError} BadApp with the compiler's code frame
 */
export async function checkTypes(directory: string, isColored: boolean): Promise<string[]> {
  if (!existsSync(join(directory, "tsconfig.json"))) return [];
  const compiler = findCompiler(directory);
  if (compiler === undefined) {
    return ["TypeScript is not installed, so the types were not checked (npm install typescript)"];
  }
  const args = [compiler, "--noEmit", "--pretty", String(isColored), "-p", directory];
  const { code, output } = await collect(args, directory);
  if (code === 0) return [];
  const [first = "the types do not fit"] = output.split("\n", 1);
  throw createAppFailure(first.trim(), output);
}

/** The app's own compiler first. */
function findCompiler(directory: string): string | undefined {
  for (const from of [join(directory, "package.json"), import.meta.url]) {
    try {
      const manifest = createRequire(from).resolve("typescript/package.json");
      return join(dirname(manifest), "bin", "tsc");
    } catch {
      // Not there: try the next place.
    }
  }
  return undefined;
}

function collect(
  args: readonly string[],
  directory: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: directory,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output: Buffer.concat(chunks).toString("utf8") }));
  });
}

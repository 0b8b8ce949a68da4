/** `coco measure` */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { OptionValues } from "../command.ts";
import { readProgramFiles } from "../program-files.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

/** Four folders up from src/commands or dist/commands. */
const ownRoot = fileURLToPath(new URL("../../../../", import.meta.url));

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const root = resolve((options["root"] as string | undefined) ?? ownRoot);
  const { manifest, version, filesCount, packagesCount, namedOnly } = readProgramFiles(root);
  if (options["manifest"] === true) {
    context.out(manifest);
    return;
  }
  const measurement = createHash("sha256").update(manifest).digest("hex");
  if (options["json"] === true) {
    const facts = { measurement, algorithm: "SHA-256", version };
    context.out(toJsonLine({ ...facts, files: filesCount, packages: packagesCount, namedOnly }));
    return;
  }
  context.out(`${measurement}\n`);
  context.talk(`SHA-256 over ${filesCount} files and the names of ${packagesCount} packages\n`);
  if (namedOnly.length > 0) {
    context.talk(`${namedOnly.length} packages by version only: --json names them\n`);
  }
}

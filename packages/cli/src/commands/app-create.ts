/** `coco app create` */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { templateDirectory } from "../app/templates.ts";
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  name: string,
): Promise<undefined> {
  const directory = resolve(name);
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw cliErrors.create("FileExists", `${directory} is not empty`, { path: directory });
  }
  const template = options["template"] as string;
  copyTemplate(template, directory);
  if (options["json"] === true) context.out(toJsonLine({ directory, template }));
  else context.out(`${directory}\n`);
  context.talk(`Next: coco sandbox --app ${name}\n`);
}

function copyTemplate(template: string, directory: string): void {
  try {
    cpSync(templateDirectory(template), directory, { recursive: true });
    const manifest = join(directory, "package.json");
    const text = readFileSync(manifest, "utf8");
    writeFileSync(
      manifest,
      text.replace(/"name": "[^"]*"/, `"name": "${toPackageName(directory)}"`),
    );
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const detail = `${directory} (${code})`;
    throw cliErrors.create("FileUnwritable", detail, { path: directory }, cause);
  }
}

/** npm allows lower case, digits, dashes, dots and underscores. */
function toPackageName(directory: string): string {
  const name = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-");
  return name.replace(/^[._-]+/, "") || "app";
}

/** `coco app build` */
import { join } from "node:path";
import { buildApp } from "../app/build.ts";
import { failureFrame } from "../app/failure.ts";
import type { OptionValues } from "../command.ts";
import { writeFile } from "../files.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  directory: string,
): Promise<undefined> {
  const { bundle, kind, notes } = await buildAndTalk(context, options, directory);
  for (const note of notes) context.talk(`${context.color.yellow("note")} ${note}\n`);
  const out = (options["out"] as string | undefined) ?? join(directory, "dist", "bundle.json");
  const text = JSON.stringify(bundle);
  writeFile(out, `${text}\n`);
  const endpoints = Object.values(bundle.metadata.endpoints).flatMap(Object.keys).length;
  const facts = { out, kind, modules: bundle.modules.length, endpoints, sizeBytes: text.length };
  if (options["json"] === true) context.out(toJsonLine({ ok: true, ...facts }));
  else context.out(toTable(Object.entries(facts).map(([name, value]) => [name, String(value)])));
}

/** Builds; shows the code frame of a wrong source before the error goes on. */
export async function buildAndTalk(context: CommandContext, options: OptionValues, path: string) {
  try {
    return await buildApp(path, {
      hasSourceMaps: options["sourceMaps"] !== false,
      isChecked: options["check"] !== false,
      isColored: context.color.bold("") !== "",
    });
  } catch (error) {
    const frame = failureFrame(error);
    if (frame !== undefined) context.talk(frame.endsWith("\n") ? frame : `${frame}\n`);
    throw error;
  }
}

/** `coco app logs` */
import { existsSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { readBytes } from "../files.ts";
import { formatLogLine, isAppLine } from "../log-line.ts";
import { sandboxLogFile } from "../sandbox/facts.ts";
import type { CommandContext } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const path = join(options["sandbox"] as string, sandboxLogFile);
  if (!existsSync(path)) {
    throw cliErrors.create("FileUnreadable", `${path}: no sandbox has run here`, { path });
  }
  const isRaw = options["json"] === true;
  const isAll = options["all"] === true;
  let rest = "";
  let offset = 0;
  const printNew = () => {
    // A new sandbox run begins the file again.
    if (statSync(path).size < offset) offset = 0;
    const bytes = readBytes(path).subarray(offset);
    offset += bytes.length;
    const lines = (rest + Buffer.from(bytes).toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const shown = isRaw ? line : formatLogLine(line, context.color);
      if (isAll || isAppLine(line)) context.out(`${shown}\n`);
    }
  };
  printNew();
  if (options["follow"] !== true || context.stop.aborted) return;
  await new Promise<void>((resolve) => {
    const watcher = watch(path, printNew);
    context.stop.addEventListener("abort", () => {
      watcher.close();
      resolve();
    });
  });
}

/** `coco node run` */
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { readText } from "../files.ts";
import { createLifetime } from "../lifetime.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const { configurationSchema, parseConfiguration, startNode } = await import("@coco/node");
  if (options["printSchema"] === true) {
    context.out(`${JSON.stringify(configurationSchema, undefined, 2)}\n`);
    return;
  }
  const file = options["config"] as string | undefined;
  if (file === undefined) throw cliErrors.create("Usage", "--config is missing");
  const text = readText(file);
  // The file's own text first, so that an error names its line.
  parseConfiguration(text, file);
  const config: unknown = JSON.parse(text);
  const { onFailed, ended } = createLifetime(context);
  const log = (line: string) => context.talk(`${line}\n`);
  const node = await startNode(config, { log, onFailed });
  const facts = { url: node.url, ledgerDir: node.ledgerDirectory };
  if (options["json"] === true) context.out(toJsonLine(facts));
  else context.talk(`Node ready at ${node.url}; ledger in ${node.ledgerDirectory}\n`);
  try {
    await ended;
  } finally {
    await node.stop();
  }
}

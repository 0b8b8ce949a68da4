/** `coco node run` */
import type { OptionValues } from "../command.ts";
import { readText } from "../files.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const file = options["config"] as string;
  const text = readText(file);
  const { parseConfiguration, startNode } = await import("@coco/node");
  // The file's own text first, so that an error names its line.
  parseConfiguration(text, file);
  const config: unknown = JSON.parse(text);
  const node = await startNode(config, { log: (line) => context.talk(`${line}\n`) });
  const facts = { url: node.url, ledgerDir: node.ledgerDirectory };
  if (options["json"] === true) context.out(toJsonLine(facts));
  else context.talk(`Node ready at ${node.url}; ledger in ${node.ledgerDirectory}\n`);
  if (!context.stop.aborted) {
    await new Promise<void>((resolve) => {
      context.stop.addEventListener("abort", () => resolve());
    });
  }
  await node.stop();
}

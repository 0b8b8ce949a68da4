/** `coco node run` */
import type { OptionValues } from "../command.ts";
import { readJson } from "../files.ts";
import { loadNodeRoom } from "../sandbox/node-adapter.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const config = readJson<unknown>(options["config"] as string);
  const { startNode } = await loadNodeRoom();
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

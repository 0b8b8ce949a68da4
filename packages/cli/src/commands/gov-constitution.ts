/** `coco gov constitution` */
import type { OptionValues } from "../command.ts";
import { withConnection } from "../connection.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  await withConnection(options, undefined, async ({ governance }) => {
    const constitution = await governance.constitution();
    const text = constitution.endsWith("\n") ? constitution : `${constitution}\n`;
    context.out(options["json"] === true ? toJsonLine({ constitution }) : text);
  });
}

/** `coco receipt get` */
import type { OptionValues } from "../command.ts";
import { withConnection } from "../connection.ts";
import { writeFile } from "../files.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  txId: string,
): Promise<undefined> {
  const timeoutMs = options["timeout"] as number;
  const file = options["out"] as string | undefined;
  await withConnection(options, undefined, async (connection) => {
    const receipt = await connection.receipt(txId, { timeoutMs });
    const isJsonLine = options["json"] === true;
    const text = isJsonLine ? toJsonLine(receipt) : `${JSON.stringify(receipt, undefined, 2)}\n`;
    if (file === undefined) context.out(text);
    else {
      writeFile(file, text);
      context.talk(`The receipt of ${txId} is in ${file}.\n`);
    }
  });
}

/** `coco gov ack` */
import type { OptionValues } from "../command.ts";
import { certificateToId, findMember, withConnection } from "../connection.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const member = findMember(options);
  const memberId = certificateToId(member.certificate);
  await withConnection(options, member, async ({ governance }) => {
    const stateDigest = await governance.acknowledge();
    const rows = [
      ["member", memberId],
      ["acknowledged state", stateDigest],
    ];
    context.out(options["json"] === true ? toJsonLine({ memberId, stateDigest }) : toTable(rows));
  });
}

/** `coco gov members` */
import type { OptionValues } from "../command.ts";
import { withConnection } from "../connection.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  await withConnection(options, undefined, async ({ governance }) => {
    const members = await governance.members();
    if (options["json"] === true) {
      context.out(toJsonLine(members));
      return;
    }
    const rows = members.map((member) => [
      member.memberId,
      member.status,
      member.recoveryRole ?? "",
      member.memberData === undefined ? "" : JSON.stringify(member.memberData),
    ]);
    context.out(toTable([["member", "status", "recovery role", "data"], ...rows]));
  });
}

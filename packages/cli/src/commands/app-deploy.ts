/** `coco app deploy` */
import type { OptionValues } from "../command.ts";
import { findMember, withConnection } from "../connection.ts";
import { exitCode } from "../failure.ts";
import { printProposal } from "../proposal.ts";
import type { CommandContext } from "../streams.ts";
import { buildAndTalk } from "./app-build.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  path: string,
): Promise<number> {
  const { bundle, notes } = await buildAndTalk(context, options, path);
  for (const note of notes) context.talk(`${context.color.yellow("note")} ${note}\n`);
  return withConnection(options, findMember(options), async (connection) => {
    const actions = [{ name: "set_js_app", args: { bundle, disable_bytecode_cache: false } }];
    const proposal = await connection.governance.propose({ actions });
    if (proposal.proposalState === "Accepted" && proposal.txId !== undefined) {
      await connection.waitForCommit(proposal.txId);
    }
    printProposal(context, proposal, options["json"] === true);
    if (proposal.proposalState === "Open") {
      context.talk("The members have to vote: coco gov vote ID --yes\n");
    }
    const isFine = proposal.proposalState === "Accepted" || proposal.proposalState === "Open";
    return isFine ? exitCode.ok : exitCode.failed;
  });
}

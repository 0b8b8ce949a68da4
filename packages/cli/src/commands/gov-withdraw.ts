/** `coco gov withdraw` */
import type { OptionValues } from "../command.ts";
import { findMember, withConnection } from "../connection.ts";
import { findProposalId, printProposal } from "../proposal.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  given: string,
): Promise<undefined> {
  const isJson = options["json"] === true;
  await withConnection(options, findMember(options), async ({ governance }) => {
    const proposal = await governance.withdraw(await findProposalId(governance, given));
    if (proposal !== undefined) printProposal(context, proposal, isJson);
    else if (isJson) context.out(toJsonLine({ proposalId: given, proposalState: null }));
    else context.talk(`There is no proposal ${given}.\n`);
  });
}

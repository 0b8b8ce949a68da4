/** `coco gov show` */
import type { OptionValues } from "../command.ts";
import { withConnection } from "../connection.ts";
import { findProposalId, proposalToText } from "../proposal.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  given: string,
): Promise<undefined> {
  await withConnection(options, undefined, async ({ governance }) => {
    const proposalId = await findProposalId(governance, given);
    const proposal = await governance.proposal(proposalId);
    const { actions } = await governance.actions(proposalId);
    if (options["json"] === true) {
      context.out(toJsonLine({ ...proposal, actions }));
      return;
    }
    context.out(proposalToText(proposal));
    for (const action of actions) {
      context.out(`action    ${action.name} ${JSON.stringify(action.args, undefined, 2)}\n`);
    }
  });
}

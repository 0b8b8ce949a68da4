/** `coco gov list` */
import type { OptionValues } from "../command.ts";
import { withConnection } from "../connection.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  await withConnection(options, undefined, async ({ governance }) => {
    const proposals = await governance.proposals();
    if (options["json"] === true) context.out(toJsonLine(proposals));
    else if (proposals.length === 0) context.talk("There are no proposals.\n");
    else {
      const header = ["proposal", "state", "ballots", "proposer"];
      const rows = proposals.map((proposal) => [
        proposal.proposalId,
        proposal.proposalState,
        String(proposal.ballotCount),
        proposal.proposerId.slice(0, 12),
      ]);
      context.out(toTable([header, ...rows]));
    }
  });
}

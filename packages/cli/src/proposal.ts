/** Proposals on the command line: found by the beginning of their ids, shown as aligned lines. */
import type { Governance, ProposalInfo } from "@coco/client";
import { cliErrors } from "./errors.ts";
import { type CommandContext, toJsonLine, toTable } from "./streams.ts";

const wholeId = /^[0-9a-f]{64}$/;

export function isWholeProposalId(given: string): boolean {
  return wholeId.test(given);
}

/** Completes a beginning that only one proposal has. @throws {CocoError} Usage */
export async function findProposalId(governance: Governance, given: string): Promise<string> {
  if (isWholeProposalId(given)) return given;
  const proposals = await governance.proposals();
  const found = proposals.filter(({ proposalId }) => proposalId.startsWith(given));
  if (found.length === 1) return found[0]!.proposalId;
  const reason = found.length === 0 ? "no proposal begins so" : "several proposals begin so";
  throw cliErrors.create("Usage", `${given}: ${reason}; see coco gov list`);
}

export function proposalToText(proposal: ProposalInfo): string {
  const rows = [
    ["proposal", proposal.proposalId],
    ["state", proposal.proposalState],
    ["proposer", proposal.proposerId],
    ["ballots", String(proposal.ballotCount)],
  ];
  for (const [member, vote] of Object.entries(proposal.finalVotes ?? {})) {
    rows.push(["vote", `${vote ? "yes" : "no "} ${member}`]);
  }
  for (const [member, failure] of Object.entries(proposal.voteFailures ?? {})) {
    rows.push(["failed vote", `${member} ${JSON.stringify(failure)}`]);
  }
  if (proposal.failure !== undefined) rows.push(["failure", JSON.stringify(proposal.failure)]);
  if (proposal.txId !== undefined) rows.push(["transaction", proposal.txId]);
  return toTable(rows);
}

export function printProposal(
  context: CommandContext,
  proposal: ProposalInfo,
  isJson: boolean,
): void {
  context.out(isJson ? toJsonLine(proposal) : proposalToText(proposal));
}

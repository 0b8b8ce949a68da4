/** `coco gov vote` */
import { ballotMessage, ballots, type ProposalInfo } from "@coco/client";
import type { OptionValues } from "../command.ts";
import {
  certificateToId,
  findMember,
  findMemberCertificate,
  withConnection,
} from "../connection.ts";
import { cliErrors } from "../errors.ts";
import { readText } from "../files.ts";
import { sendPrepared, writePrepared } from "../prepared-file.ts";
import { findProposalId, isWholeProposalId, printProposal } from "../proposal.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  given: string,
): Promise<undefined> {
  const isJson = options["json"] === true;
  const finishFile = options["finish"] as string | undefined;
  const prepareFile = options["prepare"] as string | undefined;
  if (finishFile !== undefined) {
    const signatureFile = options["signature"] as string | undefined;
    await withConnection(options, undefined, async ({ governance }) => {
      const answer = await sendPrepared(governance, finishFile, signatureFile);
      printProposal(context, answer.json<ProposalInfo>(), isJson);
    });
    return;
  }
  const ballot = readBallot(options);
  if (prepareFile !== undefined) {
    const certificate = findMemberCertificate(options);
    // Only a shortened id makes it necessary to ask a node.
    const proposalId = isWholeProposalId(given)
      ? given
      : await withConnection(options, undefined, ({ governance }) =>
          findProposalId(governance, given),
        );
    const message = ballotMessage(proposalId, certificateToId(certificate), ballot);
    const prepared = writePrepared(prepareFile, message, certificate);
    context.out(isJson ? toJsonLine(prepared) : `${prepareFile}\n`);
    return;
  }
  await withConnection(options, findMember(options), async ({ governance }) => {
    const proposalId = await findProposalId(governance, given);
    printProposal(context, await governance.vote(proposalId, ballot), isJson);
  });
}

function readBallot(options: OptionValues): string {
  const file = options["ballot"] as string | undefined;
  const given = [options["yes"] === true, options["no"] === true, file !== undefined];
  if (given.filter(Boolean).length !== 1) {
    throw cliErrors.create("Usage", "give exactly one of --yes, --no and --ballot");
  }
  if (file !== undefined) return readText(file);
  return options["yes"] === true ? ballots.yes : ballots.no;
}

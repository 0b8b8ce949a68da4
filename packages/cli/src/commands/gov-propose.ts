/** `coco gov propose` */
import { type ProposalInfo, proposalMessage } from "@coco/client";
import type { OptionValues } from "../command.ts";
import { findMember, findMemberCertificate, withConnection } from "../connection.ts";
import { cliErrors } from "../errors.ts";
import { readText } from "../files.ts";
import { sendPrepared, writePrepared } from "../prepared-file.ts";
import { printProposal } from "../proposal.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  file: string | undefined,
): Promise<undefined> {
  const isJson = options["json"] === true;
  const finishFile = options["finish"] as string | undefined;
  if (finishFile !== undefined) {
    const signatureFile = options["signature"] as string | undefined;
    await withConnection(options, undefined, async ({ governance }) => {
      const answer = await sendPrepared(governance, finishFile, signatureFile);
      printProposal(context, answer.json<ProposalInfo>(), isJson);
    });
    return;
  }
  if (file === undefined) throw cliErrors.create("Usage", "the proposal file is missing");
  const proposal = readProposal(file);
  const prepareFile = options["prepare"] as string | undefined;
  if (prepareFile !== undefined) {
    const certificate = findMemberCertificate(options);
    const prepared = writePrepared(prepareFile, proposalMessage(proposal), certificate);
    context.out(isJson ? toJsonLine(prepared) : `${prepareFile}\n`);
    return;
  }
  await withConnection(options, findMember(options), async ({ governance }) => {
    printProposal(context, await governance.propose(proposal), isJson);
  });
}

/** The text as it is, so that what is signed is what the person wrote. */
function readProposal(file: string): string {
  const text = readText(file);
  try {
    const proposal = JSON.parse(text) as { actions?: unknown };
    if (Array.isArray(proposal.actions)) return text;
  } catch (cause) {
    const detail = `${file}: ${(cause as Error).message}`;
    throw cliErrors.create("NotJson", detail, { path: file }, cause);
  }
  throw cliErrors.create("NotJson", `${file}: it has no list of actions`, { path: file });
}

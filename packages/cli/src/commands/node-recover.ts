/** `coco node recover` */
import { dirname, join, resolve } from "node:path";
import { connectNode } from "@coco/client/node";
import type { RunningNode } from "@coco/node";
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { readText, writeFile } from "../files.ts";
import { createLifetime } from "../lifetime.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

interface ConfigurationJson {
  readonly ledger?: object;
  readonly snapshots?: object;
  readonly command?: {
    readonly service_certificate_file?: string;
    readonly recover?: { readonly previous_service_identity_file?: string };
  };
}

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const { startNode } = await import("@coco/node");
  const file = options["config"] as string;
  const config = toRecoverConfiguration(readConfiguration(file), options);
  const { onFailed, ended } = createLifetime(context);
  const log = (line: string) => context.talk(`${line}\n`);
  const node = await startNode(config, { log, onFailed });
  try {
    const serviceCert = resolve(config.command.service_certificate_file);
    const openProposal = join(dirname(serviceCert), "open_service.json");
    writeFile(openProposal, await createOpenProposal(node));
    const facts = { url: node.url, ledgerDir: node.ledgerDirectory, serviceCert, openProposal };
    if (options["json"] === true) context.out(toJsonLine(facts));
    else context.talk(toText(facts));
    await ended;
  } finally {
    await node.stop();
  }
}

function readConfiguration(file: string): ConfigurationJson {
  try {
    return JSON.parse(readText(file)) as ConfigurationJson;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw cliErrors.create("NotJson", `${file}: ${cause.message}`, { path: file }, cause);
  }
}

/** The file's configuration with what the command line says; whatever it would have started. */
function toRecoverConfiguration(json: ConfigurationJson, options: OptionValues) {
  const { ledger, snapshots, command } = json;
  const previous =
    (options["previousServiceCert"] as string | undefined) ??
    command?.recover?.previous_service_identity_file;
  if (previous === undefined) {
    throw cliErrors.create("Usage", "--previous-service-cert is missing");
  }
  const ledgerDirectory = options["ledger"] as string | undefined;
  const snapshotsDirectory = options["snapshots"] as string | undefined;
  return {
    ...json,
    ledger: { ...ledger, ...(ledgerDirectory !== undefined && { directory: ledgerDirectory }) },
    snapshots: {
      ...snapshots,
      ...(snapshotsDirectory !== undefined && { directory: snapshotsDirectory }),
    },
    command: {
      type: "Recover",
      service_certificate_file: command?.service_certificate_file ?? "service_cert.pem",
      recover: { ...command?.recover, previous_service_identity_file: previous },
    },
  };
}

/** The service compares the previous identity with the text in its ledger, so it is taken there. */
async function createOpenProposal({ url, serviceCertificatePem }: RunningNode): Promise<string> {
  const connection = connectNode({ url, serviceCertificate: serviceCertificatePem });
  try {
    const answer = await connection.request("/node/service/previous_identity");
    const { previous_service_identity } = answer.json<{ previous_service_identity: string }>();
    const args = { previous_service_identity, next_service_identity: serviceCertificatePem };
    const proposal = { actions: [{ name: "transition_service_to_open", args }] };
    return `${JSON.stringify(proposal, undefined, 2)}\n`;
  } finally {
    await connection.close();
  }
}

function toText(facts: {
  readonly url: string;
  readonly ledgerDir: string;
  readonly serviceCert: string;
  readonly openProposal: string;
}): string {
  return (
    `The public ledger in ${facts.ledgerDir} is recovered; node ready at ${facts.url}\n` +
    `New service certificate: ${facts.serviceCert}\n` +
    "The service is closed. Now the members\n" +
    `  vote for the proposal ${facts.openProposal}: coco gov propose, coco gov vote\n` +
    "  submit their shares: coco gov recovery-share submit\n"
  );
}

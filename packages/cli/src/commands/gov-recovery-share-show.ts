/** `coco gov recovery-share show` */
import { createHash, X509Certificate } from "node:crypto";
import type { Connection } from "@coco/client";
import type { OptionValues } from "../command.ts";
import { certificateToId, findMember, withConnection } from "../connection.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const member = findMember(options);
  const memberId = certificateToId(member.certificate);
  await withConnection(options, member, async (connection) => {
    const { governance } = connection;
    const service = await governance.serviceInfo();
    const previous = await readPreviousIdentity(connection);
    const hasShare = await holdsShare(connection, memberId);
    const facts = {
      memberId,
      hasShare,
      serviceStatus: service.status,
      recoveryCount: service.recoveryCount,
      ...(previous !== undefined && {
        previousIdentity: toFingerprint(previous),
        lastSeqno: Number(service.creationTransactionId.split(".")[1]) - 1,
      }),
    };
    context.out(options["json"] === true ? toJsonLine(facts) : toText(facts));
  });
}

async function readPreviousIdentity(connection: Connection): Promise<string | undefined> {
  const answer = await connection.request("/node/service/previous_identity");
  if (answer.status !== 200) return undefined;
  return answer.json<{ previous_service_identity: string }>().previous_service_identity;
}

async function holdsShare(connection: Connection, memberId: string): Promise<boolean> {
  const path = `/gov/recovery/encrypted-shares/${memberId}?api-version=2024-07-01`;
  return (await connection.request(path)).status === 200;
}

/** Hex SHA-256 of the certificate. */
function toFingerprint(certificate: string): string {
  return createHash("sha256").update(new X509Certificate(certificate).raw).digest("hex");
}

function toText(facts: {
  readonly memberId: string;
  readonly hasShare: boolean;
  readonly serviceStatus: string;
  readonly recoveryCount: number;
  readonly previousIdentity?: string;
  readonly lastSeqno?: number;
}): string {
  const rows = [
    ["member", facts.memberId],
    ["holds a share", facts.hasShare ? "yes" : "no"],
    ["service", facts.serviceStatus],
    ["recoveries", String(facts.recoveryCount)],
  ];
  if (facts.previousIdentity !== undefined) {
    rows.push(["previous identity (SHA-256)", facts.previousIdentity]);
    rows.push(["last transaction before", String(facts.lastSeqno)]);
  }
  return toTable(rows);
}

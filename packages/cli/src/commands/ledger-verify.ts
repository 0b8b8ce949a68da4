/** `coco ledger verify` */
import { createNodeCrypto } from "@coco/base/node";
import { type AuditReport, auditLedger } from "@coco/store";
import type { OptionValues } from "../command.ts";
import { verifying } from "../failure.ts";
import { readText } from "../files.ts";
import { openLedger } from "../ledger-files.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  directory: string,
): Promise<undefined> {
  const certificateFile = options["serviceCert"] as string | undefined;
  const serviceCertificate = certificateFile && readText(certificateFile);
  const report = await verifying(() => {
    const ledger = openLedger(directory);
    try {
      return auditLedger(ledger.files, { crypto: createNodeCrypto(), serviceCertificate });
    } finally {
      ledger.close();
    }
  });
  talkNotes(context, report, serviceCertificate !== undefined);
  context.out(options["json"] === true ? toJsonLine(toData(report)) : toText(report));
}

function toData(report: AuditReport) {
  const { chunks, transactions, signatures, coseSignatures, lastTxId, root } = report;
  return { ok: true, chunks, transactions, signatures, coseSignatures, lastTxId, root };
}

function toText(report: AuditReport): string {
  return toTable([
    ["verified", "yes"],
    ["chunks", String(report.chunks)],
    ["transactions", String(report.transactions)],
    ["signatures", String(report.signatures)],
    ["COSE signatures", String(report.coseSignatures)],
    ["last transaction", report.lastTxId],
    ["Merkle root", report.root],
  ]);
}

/** What a careful reader has to know besides the figures. */
function talkNotes(context: CommandContext, report: AuditReport, isServiceGiven: boolean): void {
  const note = (text: string) => context.talk(`${context.color.yellow("note")} ${text}\n`);
  // The last signature covers everything before it, not itself.
  if (report.unsignedTransactions > 1) {
    const count = report.unsignedTransactions;
    note(`${count} transactions from ${report.lastSignedTxId} on are not covered by a signature`);
  }
  const tail = report.incompleteTail;
  if (tail !== undefined) {
    note(`${tail.file} ends in a cut-off write of ${tail.sizeBytes} bytes at byte ${tail.offset}`);
  }
  if (report.otherFiles.length > 0) note(`not read: ${report.otherFiles.join(", ")}`);
  if (!isServiceGiven) {
    note("the ledger names its own service; give --service-cert to check that it is yours");
  }
}

/** `coco ledger decrypt` */
import { createNodeCrypto } from "@coco/base/node";
import { type DecryptReport, decryptLedger } from "@coco/store";
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { verifying } from "../failure.ts";
import { openLedger } from "../ledger-files.ts";
import { readMemberKeys } from "../member-keys.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";
import { mapToChanges, type TableChange } from "../table-history.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  directory: string,
): Promise<undefined> {
  const memberEncryptionKeys = readMemberKeys(options["memberKeys"] as string);
  const table = options["table"] as string | undefined;
  const history: TableChange[] = [];
  const report = await verifying(() => {
    const ledger = openLedger(directory);
    try {
      return decryptLedger(ledger.files, {
        crypto: createNodeCrypto(),
        memberEncryptionKeys,
        onTransaction: ({ txId, publicWriteSet, privateWriteSet }) => {
          for (const map of [...publicWriteSet.maps, ...privateWriteSet.maps]) {
            if (map.name === table) history.push(...mapToChanges(txId, map));
          }
        },
      });
    } finally {
      ledger.close();
    }
  });
  if (table !== undefined && history.length === 0) throw cliErrors.create("NoSuchTable", table);
  if (options["json"] === true) {
    const data = toData(report);
    context.out(toJsonLine(table === undefined ? data : { ...data, table, history }));
  } else if (table !== undefined) context.out(historyToText(history));
  else context.out(toText(report));
}

function toData(report: DecryptReport) {
  const { threshold, sharesUsed, ledgerSecrets, transactions, privateDecrypted } = report;
  const { lastTxId, root } = report.audit;
  return {
    ok: true,
    threshold,
    sharesUsed,
    ledgerSecrets,
    transactions,
    privateDecrypted,
    commitEvidenceChecked: report.commitEvidenceChecked,
    lastTxId,
    root,
  };
}

function toText(report: DecryptReport): string {
  return toTable([
    ["decrypted", "yes"],
    ["threshold", String(report.threshold)],
    ["shares used", String(report.sharesUsed)],
    ["ledger secrets", String(report.ledgerSecrets)],
    ["transactions", String(report.transactions)],
    ["private parts decrypted", String(report.privateDecrypted)],
    ["commit evidence checked", String(report.commitEvidenceChecked)],
    ["last transaction", report.audit.lastTxId],
    ["Merkle root", report.audit.root],
  ]);
}

function historyToText(history: readonly TableChange[]): string {
  const rows = history.map((change) => [
    change.txId,
    change.operation,
    change.key ?? `0x${change.keyHex}`,
    change.value ?? (change.valueHex === undefined ? "" : `0x${change.valueHex}`),
  ]);
  return toTable([["transaction", "", "key", "value"], ...rows]);
}

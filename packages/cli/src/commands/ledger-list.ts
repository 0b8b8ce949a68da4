/** `coco ledger list` */
import {
  ChunkReader,
  decodeLedgerEntry,
  decodeWriteSet,
  type LedgerFile,
  orderLedgerFiles,
  txIdToText,
} from "@coco/store";
import type { OptionValues } from "../command.ts";
import { verifying } from "../failure.ts";
import { openLedger } from "../ledger-files.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

interface ListedTransaction {
  readonly txId: string;
  readonly file: string;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Whether there is an encrypted part; its tables are not known without the keys. */
  readonly hasPrivatePart: boolean;
  readonly tables: readonly string[];
}

export async function run(
  context: CommandContext,
  options: OptionValues,
  directory: string,
): Promise<undefined> {
  const from = options["from"] as number;
  const to = (options["to"] as number | undefined) ?? Number.MAX_SAFE_INTEGER;
  const isJson = options["json"] === true;
  await verifying(() => {
    const ledger = openLedger(directory);
    try {
      if (isJson) {
        for (const item of list(ledger.files, from, to)) context.out(toJsonLine(item));
        return;
      }
      const rows = [...list(ledger.files, from, to)].map(toRow);
      context.out(toTable([["transaction", "file", "byte", "size", "", "public tables"], ...rows]));
    } finally {
      ledger.close();
    }
  });
}

function toRow(item: ListedTransaction): string[] {
  const { txId, file, offset, sizeBytes, hasPrivatePart, tables } = item;
  const short = tables.map((name) => name.replace(/^public:/, "")).join(" ");
  return [txId, file, String(offset), String(sizeBytes), hasPrivatePart ? "private" : "", short];
}

function* list(
  files: Iterable<LedgerFile>,
  from: number,
  to: number,
): Generator<ListedTransaction, void, undefined> {
  for (const { file, chunk } of orderLedgerFiles(files, "any").chunks) {
    if (chunk.startSeqno > to || (chunk.endSeqno ?? to) < from) continue;
    for (const { seqno, offset, bytes } of new ChunkReader(file).entries()) {
      if (seqno < from || seqno > to) continue;
      const entry = decodeLedgerEntry(bytes);
      const { maps } = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
      yield {
        txId: txIdToText(entry.txId),
        file: file.name,
        offset,
        sizeBytes: bytes.length,
        hasPrivatePart: entry.ciphertext.length > 0,
        tables: maps.map(({ name }) => name),
      };
    }
  }
}

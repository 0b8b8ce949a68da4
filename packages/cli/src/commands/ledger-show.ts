/** `coco ledger show` */
import { bytesToHex } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  ChunkReader,
  decodeLedgerEntry,
  decodeWriteSet,
  decryptLedger,
  entryToLeaf,
  type LedgerFile,
  orderLedgerFiles,
  textToTxId,
  txIdToText,
  type WriteSet,
} from "@coco/store";
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { verifying } from "../failure.ts";
import { openLedger } from "../ledger-files.ts";
import { readMemberKeys } from "../member-keys.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";
import { mapToChanges, writeSetToText } from "../table-history.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  directory: string,
  given: string,
): Promise<undefined> {
  const txId = textToTxId(given);
  const seqno = txId?.seqno ?? Number(given);
  if (!Number.isSafeInteger(seqno) || seqno < 1) {
    throw cliErrors.create("Usage", `${given} is neither view.seqno nor a sequence number`);
  }
  const keyDirectory = options["memberKeys"] as string | undefined;
  const keys = keyDirectory === undefined ? undefined : readMemberKeys(keyDirectory);
  const shown = await verifying(() => {
    const ledger = openLedger(directory);
    try {
      const found = findTransaction(ledger.files, seqno);
      if (found === undefined) return undefined;
      const privateWriteSet = keys && decryptTransaction(ledger.files, seqno, keys);
      return { ...found, privateWriteSet };
    } finally {
      ledger.close();
    }
  });
  const isOther = txId !== undefined && shown?.txId !== given;
  if (shown === undefined || isOther) throw cliErrors.create("NoSuchTransaction", given);
  context.out(options["json"] === true ? toJsonLine(toData(shown)) : toText(shown));
}

function findTransaction(files: Iterable<LedgerFile>, seqno: number) {
  for (const { file, chunk } of orderLedgerFiles(files, "any").chunks) {
    if (seqno < chunk.startSeqno || seqno > (chunk.endSeqno ?? seqno)) continue;
    const place = new ChunkReader(file).entry(seqno);
    if (place === undefined) return undefined;
    const entry = decodeLedgerEntry(place.bytes);
    const { claimsDigest, commitEvidenceDigest } = entry;
    return {
      id: entry.txId,
      txId: txIdToText(entry.txId),
      file: place.file,
      offset: place.offset,
      sizeBytes: place.bytes.length,
      leaf: bytesToHex(entryToLeaf(createNodeCrypto(), entry)),
      claimsDigest: claimsDigest && bytesToHex(claimsDigest),
      commitEvidenceDigest: commitEvidenceDigest && bytesToHex(commitEvidenceDigest),
      privateSizeBytes: entry.ciphertext.length,
      publicWriteSet: decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset),
    };
  }
  return undefined;
}

type FoundTransaction = NonNullable<ReturnType<typeof findTransaction>> & {
  readonly privateWriteSet: WriteSet | undefined;
};

function decryptTransaction(
  files: Iterable<LedgerFile>,
  seqno: number,
  memberEncryptionKeys: readonly string[],
): WriteSet | undefined {
  let found: WriteSet | undefined;
  decryptLedger(files, {
    crypto: createNodeCrypto(),
    memberEncryptionKeys,
    onTransaction: ({ txId, privateWriteSet }) => {
      if (txId.seqno === seqno) found = privateWriteSet;
    },
  });
  return found;
}

function toData({ id, publicWriteSet, privateWriteSet, ...facts }: FoundTransaction) {
  const toTables = (writeSet: WriteSet) =>
    Object.fromEntries(
      writeSet.maps.map((map) => [
        map.name,
        mapToChanges(id, map).map(({ txId: _, ...change }) => change),
      ]),
    );
  return {
    ...facts,
    tables: toTables(publicWriteSet),
    ...(privateWriteSet && { privateTables: toTables(privateWriteSet) }),
  };
}

function toText(shown: FoundTransaction): string {
  const rows = [
    ["transaction", shown.txId],
    ["place", `${shown.file}, byte ${shown.offset}, ${shown.sizeBytes} bytes`],
    ["leaf", shown.leaf],
    ["claims digest", shown.claimsDigest ?? "none"],
    ["commit evidence digest", shown.commitEvidenceDigest ?? "none"],
    ["private part", `${shown.privateSizeBytes} bytes`],
  ];
  const { publicWriteSet, privateWriteSet } = shown;
  const privateText = privateWriteSet === undefined ? "" : writeSetToText(privateWriteSet);
  return `${toTable(rows)}\n${writeSetToText(publicWriteSet)}${privateText}`;
}

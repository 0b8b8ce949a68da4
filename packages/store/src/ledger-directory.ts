import { type ChunkName, parseChunkName } from "./chunk-name.ts";
import { ledgerErrors } from "./errors.ts";

/** A file that belongs to the ledger, by its name. */
export interface NamedChunk<F extends { readonly name: string }> {
  readonly file: F;
  readonly chunk: ChunkName;
}

/** The files of a directory in the order of the ledger. */
export interface LedgerDirectory<F extends { readonly name: string }> {
  readonly chunks: readonly NamedChunk<F>[];
  /** Files that are no part of the ledger: set aside, of an unfinished recovery, or foreign. */
  readonly otherFiles: readonly F[];
}

/**
 * Picks and orders the ledger files of a directory, and checks by their names that they follow
 * one another: no gap, no overlap, only the last one open.
 * @param firstSeqno the sequence number with which the ledger must begin
 * @throws {CocoError} BadLedger naming the file
 */
export function orderLedgerFiles<F extends { readonly name: string }>(
  files: Iterable<F>,
  firstSeqno: number | "any" = 1,
): LedgerDirectory<F> {
  const chunks: NamedChunk<F>[] = [];
  const otherFiles: F[] = [];
  for (const file of files) {
    const chunk = parseChunkName(file.name);
    if (chunk === undefined || chunk.isIgnored || chunk.isRecovery) otherFiles.push(file);
    else chunks.push({ file, chunk });
  }
  chunks.sort((left, right) => left.chunk.startSeqno - right.chunk.startSeqno);
  let expected = firstSeqno === "any" ? undefined : firstSeqno;
  let previous: string | undefined;
  for (const [index, { file, chunk }] of chunks.entries()) {
    expected ??= chunk.startSeqno;
    if (chunk.startSeqno !== expected) {
      const problem = chunk.startSeqno > expected ? "is missing" : "is there twice";
      const place = previous === undefined ? "at the beginning" : `after ${previous}`;
      const detail = `seqno ${expected} ${problem}, ${place}; next is ${file.name}`;
      throw ledgerErrors.create("BadLedger", detail, { file: file.name, seqno: expected });
    }
    if (chunk.endSeqno === undefined && index < chunks.length - 1) {
      const detail = `${file.name} is open, but is not the last file`;
      throw ledgerErrors.create("BadLedger", detail, { file: file.name });
    }
    expected = (chunk.endSeqno ?? chunk.startSeqno) + 1;
    previous = file.name;
  }
  return { chunks, otherFiles };
}

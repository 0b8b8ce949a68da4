/** Names of ledger files. */

/** How far a chunk has come: being written, full, or agreed by the consensus. */
export type ChunkState = "open" | "complete" | "committed";

export interface ChunkName {
  readonly startSeqno: number;
  /** Undefined while the chunk is open. */
  readonly endSeqno: number | undefined;
  readonly state: ChunkState;
  /** Written by a recovery that was not finished. */
  readonly isRecovery: boolean;
  /** Set aside by a node: no part of the ledger. */
  readonly isIgnored: boolean;
}

const chunkPattern =
  /^ledger_([1-9][0-9]{0,15})(?:-([1-9][0-9]{0,15})(\.committed)?)?(\.recovery)?(\.ignored)?$/;

/** Undefined when `name` is not the name of a ledger file. */
export function parseChunkName(name: string): ChunkName | undefined {
  const match = chunkPattern.exec(name);
  if (match === null) return undefined;
  const startSeqno = Number(match[1]);
  const endSeqno = match[2] === undefined ? undefined : Number(match[2]);
  if (endSeqno !== undefined && endSeqno < startSeqno) return undefined;
  if (!Number.isSafeInteger(startSeqno) || !Number.isSafeInteger(endSeqno ?? 0)) return undefined;
  return {
    startSeqno,
    endSeqno,
    state: endSeqno === undefined ? "open" : match[3] === undefined ? "complete" : "committed",
    isRecovery: match[4] !== undefined,
    isIgnored: match[5] !== undefined,
  };
}

/** `ledger_<start>`, `ledger_<start>-<end>` or `ledger_<start>-<end>.committed`. */
export function formatChunkName(
  startSeqno: number,
  endSeqno?: number,
  isCommitted = false,
): string {
  const open = `ledger_${startSeqno}`;
  if (endSeqno === undefined) return open;
  return `${open}-${endSeqno}${isCommitted ? ".committed" : ""}`;
}

/** Transaction identifiers: a view and a sequence number. */

export interface TxId {
  readonly view: number;
  readonly seqno: number;
}

/** `view.seqno`. */
export function txIdToText(txId: TxId): string {
  return `${txId.view}.${txId.seqno}`;
}

const txIdPattern = /^(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})$/;

/** Undefined when `text` is not two decimal numbers below 2^53 with a dot between them. */
export function textToTxId(text: string): TxId | undefined {
  const match = txIdPattern.exec(text);
  if (match === null) return undefined;
  const view = Number(match[1]);
  const seqno = Number(match[2]);
  return Number.isSafeInteger(view) && Number.isSafeInteger(seqno) ? { view, seqno } : undefined;
}

/** Order of two transactions in one ledger: by view, then by sequence number. */
export function compareTxIds(left: TxId, right: TxId): number {
  return left.view - right.view || left.seqno - right.seqno;
}

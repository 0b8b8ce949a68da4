/** Positions in the ledger, and what is known of a transaction. */

/** Counts primaries; the first view of a service is 2. */
export type View = number;

/** Position in the ledger: 1 for the first entry; 0 before it. */
export type Seqno = number;

export interface TxId {
  readonly view: View;
  readonly seqno: Seqno;
}

/**
 * Unknown: nothing is known of it. Pending: this node holds it. Committed: it is final.
 * Invalid: it can never be committed.
 */
export type TxStatus = "Unknown" | "Pending" | "Committed" | "Invalid";

/**
 * Status of `txId` from what a node knows.
 * @param localView view of the node's own entry at that seqno; undefined when there is none
 */
export function evaluateStatus(txId: TxId, localView: View | undefined, committed: TxId): TxStatus {
  const isHere = localView === txId.view;
  if (txId.seqno <= committed.seqno) return isHere ? "Committed" : "Invalid";
  if (isHere) return "Pending";
  // A later view has committed an entry before that seqno, so that no earlier view can reach it.
  return committed.view > txId.view ? "Invalid" : "Unknown";
}

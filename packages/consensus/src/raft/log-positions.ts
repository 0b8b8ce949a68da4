/** Where the ledger ends: appended, durable, signed, committed; and the view of each entry. */
import { assert } from "@coco/base";
import type { Seqno, TxId, View } from "../tx-id.ts";
import { ViewHistory } from "../view-history.ts";

export class LogPositions {
  readonly history: ViewHistory;
  #lastSeqno: Seqno;
  #persistedSeqno: Seqno;
  #committedSeqno: Seqno;
  /** Signatures after the last committed one, in order. */
  #signatures: Seqno[];

  constructor(
    viewFirstSeqnos: readonly Seqno[] = [],
    lastSeqno: Seqno = 0,
    committedSeqno: Seqno = 0,
    signatures: readonly Seqno[] = [],
  ) {
    this.history = new ViewHistory(viewFirstSeqnos);
    this.#lastSeqno = lastSeqno;
    this.#persistedSeqno = lastSeqno;
    this.#committedSeqno = committedSeqno;
    this.#signatures = [...signatures];
  }

  get lastSeqno(): Seqno {
    return this.#lastSeqno;
  }

  get persistedSeqno(): Seqno {
    return this.#persistedSeqno;
  }

  get committedSeqno(): Seqno {
    return this.#committedSeqno;
  }

  get signatures(): readonly Seqno[] {
    return this.#signatures;
  }

  /** The last signature; before any, the last committed entry. */
  get lastSignature(): Seqno {
    return this.#signatures.at(-1) ?? this.#committedSeqno;
  }

  /** View of the entry at `seqno`; 0 when there is none. */
  viewOf(seqno: Seqno): View {
    return seqno > this.#lastSeqno ? 0 : (this.history.viewOf(seqno) ?? 0);
  }

  /** Last entry of the view that the entry at `seqno` belongs to, or would belong to. */
  lastOfView(seqno: Seqno): Seqno {
    const next = this.history.firstOf((this.history.viewOf(seqno) ?? 0) + 1);
    return next === undefined ? this.#lastSeqno : next - 1;
  }

  /** The highest signature after the committed one that is not after `limit`. */
  signatureUpTo(limit: Seqno): Seqno | undefined {
    return this.#signatures.findLast((seqno) => seqno <= limit);
  }

  /** The last entry here that may be the same as in a log which ends with `txId`. */
  highestPossibleMatch({ view, seqno }: TxId): Seqno {
    let probe = Math.min(seqno, this.#lastSeqno);
    while (this.viewOf(probe) > view) {
      const first = this.history.firstOf(this.viewOf(probe)) ?? 0;
      probe = Math.max(first - 1, 0);
    }
    return probe;
  }

  append(view: View, lastSeqno: Seqno): void {
    assert(lastSeqno >= this.#lastSeqno, "entries are appended");
    if (lastSeqno === this.#lastSeqno) return;
    this.history.add({ view, seqno: this.#lastSeqno + 1 });
    this.#lastSeqno = lastSeqno;
  }

  sign(seqno: Seqno): void {
    assert(seqno > this.lastSignature, "signatures come in order");
    this.#signatures.push(seqno);
  }

  /** @returns whether more is durable now; entries rolled back meanwhile are ignored */
  persist({ view, seqno }: TxId): boolean {
    if (seqno <= this.#persistedSeqno || this.viewOf(seqno) !== view) return false;
    this.#persistedSeqno = seqno;
    return true;
  }

  commit(seqno: Seqno): void {
    assert(seqno <= this.#lastSeqno, "what is committed is here");
    this.#committedSeqno = seqno;
    const index = this.#signatures.findIndex((signature) => signature > seqno);
    this.#signatures.splice(0, index === -1 ? this.#signatures.length : index);
  }

  rollback(seqno: Seqno): void {
    assert(seqno >= this.#committedSeqno, "what is committed is not rolled back");
    this.#lastSeqno = Math.min(seqno, this.#lastSeqno);
    this.#persistedSeqno = Math.min(seqno, this.#persistedSeqno);
    this.history.rollback(seqno);
    while ((this.#signatures.at(-1) ?? 0) > seqno) this.#signatures.pop();
  }
}

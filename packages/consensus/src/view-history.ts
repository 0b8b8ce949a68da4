/** Which view each entry belongs to, kept as the first seqno of each view. */
import { assert } from "@coco/base";
import type { Seqno, TxId, View } from "./tx-id.ts";

export class ViewHistory {
  /** Entry i is the first seqno of view i + 1; a view without entries shares it with the next. */
  readonly #firstSeqnos: Seqno[];

  constructor(firstSeqnos: readonly Seqno[] = []) {
    this.#firstSeqnos = [];
    for (const [index, seqno] of firstSeqnos.entries()) this.add({ view: index + 1, seqno });
  }

  /** Highest view that has entries; 0 when there is none. */
  get view(): View {
    return this.#firstSeqnos.length;
  }

  /** Records that the entry `txId` belongs to its view, which may have begun with it. */
  add({ view, seqno }: TxId): void {
    assert(seqno >= (this.#firstSeqnos.at(-1) ?? 1), "the seqnos of views do not go backwards");
    assert(view >= this.#firstSeqnos.length, "views do not go backwards");
    while (this.#firstSeqnos.length < view) this.#firstSeqnos.push(seqno);
  }

  /** Undefined before the first view. The caller knows which seqnos exist. */
  viewOf(seqno: Seqno): View | undefined {
    let low = 0;
    let high = this.#firstSeqnos.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#firstSeqnos[middle]! <= seqno) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : low;
  }

  /** First seqno of `view`; undefined when no such view is known. */
  firstOf(view: View): Seqno | undefined {
    return this.#firstSeqnos[view - 1];
  }

  /** Forgets the views that began after `seqno`. */
  rollback(seqno: Seqno): void {
    while ((this.#firstSeqnos.at(-1) ?? 0) > seqno) this.#firstSeqnos.pop();
  }

  /** First entry of each view from `since` (at least 1) on; views without entries included. */
  since(since: View): TxId[] {
    const firsts: TxId[] = [];
    for (let view = since; view <= this.#firstSeqnos.length; view++) {
      firsts.push({ view, seqno: this.#firstSeqnos[view - 1]! });
    }
    return firsts;
  }

  /** For a snapshot or a restart: entry i is the first seqno of view i + 1. */
  toFirstSeqnos(): readonly Seqno[] {
    return [...this.#firstSeqnos];
  }
}

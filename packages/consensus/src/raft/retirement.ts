/** How far the retirement of this node has come. */
import type { RetirementPhase } from "../engine.ts";
import type { Seqno } from "../tx-id.ts";

export class Retirement {
  phase: RetirementPhase | undefined;
  /** The entry whose configuration does not name this node any more. */
  seqno: Seqno | undefined;
  /** The first signature after it. */
  signatureSeqno: Seqno | undefined;
  /** The signature whose commit made the retirement final. */
  retiredCommittedSeqno: Seqno | undefined;

  get isFinal(): boolean {
    return this.phase === "retiredCommitted";
  }

  order(seqno: Seqno): void {
    if (this.phase !== undefined) return;
    this.phase = "ordered";
    this.seqno = seqno;
  }

  sign(seqno: Seqno): void {
    if (this.phase !== "ordered") return;
    this.phase = "signed";
    this.signatureSeqno = seqno;
  }

  commit(seqno: Seqno): void {
    if (this.phase === "signed" && seqno >= (this.signatureSeqno ?? 0)) this.phase = "completed";
  }

  /** @returns whether the retirement has become final */
  finish(seqno: Seqno): boolean {
    if (this.phase !== "completed") return false;
    this.phase = "retiredCommitted";
    this.retiredCommittedSeqno = seqno;
    return true;
  }

  rollback(seqno: Seqno): void {
    if (this.phase === "signed" && (this.signatureSeqno ?? 0) > seqno) {
      this.phase = "ordered";
      this.signatureSeqno = undefined;
    }
    if (this.phase === "ordered" && (this.seqno ?? 0) > seqno) {
      this.phase = undefined;
      this.seqno = undefined;
    }
  }
}

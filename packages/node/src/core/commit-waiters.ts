/** Answers that leave only when their transaction is committed, some with its receipt. */
import { bytesToBase64Url, utf8ToBytes } from "@coco/base";
import { rpcErrorResponse } from "@coco/runtime";
import {
  type AppendedTransaction,
  createReceipt,
  type MerkleTree,
  receiptToJson,
} from "@coco/store";
import type { Answer } from "./dispatcher.ts";
import type { SignedRoot } from "./ledger-pipeline.ts";

/** Response header that carries a receipt: CCF's JSON, base64url. */
const receiptHeader = "x-coco-receipt";

const lostResponse = rpcErrorResponse(
  503,
  "TransactionInvalid",
  "The primary has changed and the transaction was not kept: it has no effect. Send it again.",
);

interface Waiter<Front> {
  readonly front: Front;
  readonly answer: Answer;
}

export class CommitWaiters<Front> {
  readonly #send: (front: Front, answer: Answer) => void;
  /** In order of their seqnos: answers are added as transactions commit to the store. */
  #waiters: Waiter<Front>[] = [];
  readonly #wanted = new Map<number, AppendedTransaction | undefined>();
  #signed: SignedRoot[] = [];

  constructor(send: (front: Front, answer: Answer) => void) {
    this.#send = send;
  }

  get count(): number {
    return this.#waiters.length;
  }

  add(front: Front, answer: Answer): void {
    this.#waiters.push({ front, answer });
    if (answer.wantsReceipt) this.#wanted.set(answer.awaitedSeqno, undefined);
  }

  appended(transaction: AppendedTransaction): void {
    const { seqno } = transaction.txId;
    if (this.#wanted.has(seqno)) this.#wanted.set(seqno, transaction);
  }

  signed(signed: SignedRoot): void {
    this.#signed.push(signed);
  }

  /** Sends what waited for `seqno` or less. `tree` still has the leaves of those transactions. */
  committed(seqno: number, tree: MerkleTree): void {
    let count = 0;
    while (count < this.#waiters.length && this.#waiters[count]!.answer.awaitedSeqno <= seqno) {
      const { front, answer } = this.#waiters[count++]!;
      this.#send(front, answer.wantsReceipt ? this.#withReceipt(answer, tree) : answer);
    }
    if (count > 0) this.#waiters = this.#waiters.slice(count);
    this.#signed = this.#signed.filter((signed) => signed.seqno > seqno);
  }

  /** Answers those whose transactions are gone: they can be sent again. */
  rolledBack(seqno: number): void {
    const kept: Waiter<Front>[] = [];
    for (const waiter of this.#waiters) {
      const { front, answer } = waiter;
      if (answer.awaitedSeqno <= seqno) kept.push(waiter);
      else this.#send(front, { ...answer, response: lostResponse });
    }
    this.#waiters = kept;
    for (const wanted of this.#wanted.keys()) if (wanted > seqno) this.#wanted.delete(wanted);
    this.#signed = this.#signed.filter((signed) => signed.seqno <= seqno);
  }

  #withReceipt(answer: Answer, tree: MerkleTree): Answer {
    const seqno = answer.awaitedSeqno;
    const components = this.#wanted.get(seqno);
    this.#wanted.delete(seqno);
    const signed = this.#signed.find((root) => root.seqno > seqno);
    if (components === undefined || signed === undefined) return answer;
    const receipt = receiptToJson(createReceipt({ tree, seqno, components, signed }));
    const text = bytesToBase64Url(utf8ToBytes(JSON.stringify(receipt)));
    const { response } = answer;
    const headers = { ...response.headers, [receiptHeader]: text };
    return { ...answer, response: { ...response, headers } };
  }
}

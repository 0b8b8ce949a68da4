/** The request that runs now, as the API functions see it. */
import type { Table, Transaction } from "@coco/store";
import type { AppRequest, ExecutionContext } from "../application.ts";
import { scriptErrors } from "../script-errors.ts";

/** One call of a handler. */
export class Invocation {
  readonly transaction: Transaction;
  readonly request: AppRequest;
  readonly context: ExecutionContext;
  applyWrites: boolean | undefined = undefined;
  claimsDigest: Uint8Array | undefined = undefined;
  /** `ccf.historicalState`, made at its first use. */
  historicalState: object | undefined = undefined;
  /** A conflict or the end of the transaction, which the program must not swallow. */
  interruption: Error | undefined = undefined;

  constructor(transaction: Transaction, request: AppRequest, context: ExecutionContext) {
    this.transaction = transaction;
    this.request = request;
    this.context = context;
  }
}

/**
 * What `ccf.kv` works on. Handles of tables are kept by programs over several requests, so each
 * use looks up the transaction of the moment.
 */
export interface TransactionSlot {
  /** @throws {CocoError} TransactionOver when nothing runs */
  transaction(): Transaction;
  /** Keeps an error that has to end the whole call. */
  interrupt(error: Error): void;
}

/** Holds the invocation that runs now. */
export class InvocationSlot implements TransactionSlot {
  #current: Invocation | undefined;

  get isRunning(): boolean {
    return this.#current !== undefined;
  }

  /** @throws {CocoError} TransactionOver */
  current(): Invocation {
    const current = this.#current;
    if (current === undefined) throw scriptErrors.create("TransactionOver");
    return current;
  }

  transaction(): Transaction {
    return this.current().transaction;
  }

  interrupt(error: Error): void {
    if (this.#current !== undefined) this.#current.interruption = error;
  }

  /** @returns what was there before, to be put back by `leave` */
  enter(invocation: Invocation): Invocation | undefined {
    const outer = this.#current;
    this.#current = invocation;
    return outer;
  }

  leave(outer: Invocation | undefined): void {
    this.#current = outer;
  }
}

/** The table `name` of the transaction of the moment. */
export function currentTable(slot: TransactionSlot, name: string): Table {
  return slot.transaction().table(name);
}

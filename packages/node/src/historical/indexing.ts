/** Indexes over committed transactions: each strategy sees every one once, in order. */
import { assert, type Log } from "@coco/base";
import type { TxId } from "@coco/runtime";
import { type Changes, txIdToText } from "@coco/store";
import type { IndexFacts } from "../api/ports.ts";

/** What a strategy is fed. */
export interface IndexedTransaction {
  readonly txId: TxId;
  /** Public and private tables alike: an index lives inside the node. */
  readonly changes: Changes;
}

/**
 * An index that an application keeps. It must bound its own memory: what it forgets it can read
 * again from the ledger, as `SeqnosByKey` does.
 */
export interface IndexStrategy {
  readonly name: string;
  /** Called for each committed transaction, in order of seqno, without gaps. */
  handleCommitted(transaction: IndexedTransaction): void;
  /** First seqno that it has not seen; default 1. Asked once, when it is installed. */
  readonly firstSeqno?: number;
}

/** Gives committed transactions of the past; undefined while they are being read. */
export type CommittedSource = (
  first: number,
  last: number,
) => readonly IndexedTransaction[] | undefined;

export interface IndexerOptions {
  readonly source: CommittedSource;
  readonly log: Log;
  /** Transactions fed in one turn at most: the executor has other work. Default 1,000. */
  readonly turnCountMax?: number;
}

interface InstalledStrategy {
  readonly strategy: IndexStrategy;
  next: number;
  last: TxId;
}

/** Feeds strategies. One that throws is taken out: the others and the node go on. */
export class Indexer {
  readonly #options: IndexerOptions;
  #installed: InstalledStrategy[] = [];
  #committedSeqno = 0;

  constructor(options: IndexerOptions) {
    this.#options = options;
  }

  install(strategy: IndexStrategy): void {
    const isKnown = this.#installed.some((known) => known.strategy.name === strategy.name);
    assert(!isKnown, "two strategies have two names");
    const last = { view: 0, seqno: (strategy.firstSeqno ?? 1) - 1 };
    this.#installed.push({ strategy, next: last.seqno + 1, last });
  }

  /** For GET /node/index/strategies. */
  facts(): readonly IndexFacts[] {
    return this.#installed.map(({ strategy, last }) => ({
      indexed_watermark: txIdToText(last),
      name: strategy.name,
    }));
  }

  /** Last seqno that the strategy has seen. */
  watermark(name: string): number {
    return this.#installed.find(({ strategy }) => strategy.name === name)?.last.seqno ?? 0;
  }

  /**
   * Takes transactions right after their commit, in order, so that strategies that are up to date
   * need not read the ledger.
   */
  committed(transactions: readonly IndexedTransaction[]): void {
    const first = transactions[0]?.txId.seqno;
    if (first === undefined) return;
    this.#committedSeqno = first + transactions.length - 1;
    for (const installed of [...this.#installed]) {
      if (installed.next >= first)
        this.#feed(installed, transactions.slice(installed.next - first));
    }
  }

  /** Only says how far the commit has come; `tick` then reads. */
  advance(committedSeqno: number): void {
    this.#committedSeqno = Math.max(this.#committedSeqno, committedSeqno);
  }

  /** Feeds strategies that are behind. @returns whether there is more to do */
  tick(): boolean {
    const { source, turnCountMax = 1000 } = this.#options;
    let isBehind = false;
    for (const installed of [...this.#installed]) {
      if (installed.next > this.#committedSeqno) continue;
      const last = Math.min(this.#committedSeqno, installed.next + turnCountMax - 1);
      const transactions = source(installed.next, last);
      if (transactions !== undefined) this.#feed(installed, transactions);
      isBehind ||= installed.next <= this.#committedSeqno;
    }
    return isBehind;
  }

  #feed(installed: InstalledStrategy, transactions: readonly IndexedTransaction[]): void {
    const { strategy } = installed;
    try {
      for (const transaction of transactions) {
        assert(transaction.txId.seqno === installed.next, "transactions are indexed in order");
        strategy.handleCommitted(transaction);
        installed.next += 1;
        installed.last = transaction.txId;
      }
    } catch (error) {
      this.#installed = this.#installed.filter((other) => other !== installed);
      this.#options.log("error", "an index strategy failed and was taken out", {
        strategy: strategy.name,
        seqno: installed.next,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

/** The ledger as a source: what the cache of past transactions reads. */
export function createCommittedSource(cache: {
  range(
    handle: number,
    first: number,
    last: number,
    expirySeconds: number,
  ): readonly IndexedTransaction[] | undefined;
  drop(handle: number): void;
}): CommittedSource {
  return (first, last) => {
    // Applications name their requests with positive numbers.
    const handle = -first;
    const transactions = cache.range(handle, first, last, 60);
    if (transactions !== undefined) cache.drop(handle);
    return transactions;
  };
}

/** The indexes of a node: those that a program installs, and those that applications ask for. */
import type { Log } from "@coco/base";
import { accessToRights, tableNameToClass } from "@coco/store";
import type { IndexFacts } from "../api/ports.ts";
import { historicalErrors } from "./errors.ts";
import { type CommittedSource, Indexer, type IndexStrategy } from "./indexing.ts";
import { SeqnosByKey } from "./seqnos-by-key.ts";

export interface IndexServiceOptions {
  readonly source: CommittedSource;
  readonly committedSeqno: () => number;
  readonly log: Log;
  /** Tables that applications may have indexed at once. Default 16. */
  readonly tableCountMax?: number;
}

/**
 * Keeps indexes up to date between requests. An index of a table comes into being when somebody
 * asks for it first: it then reads the ledger from its beginning.
 */
export class IndexService {
  readonly #options: IndexServiceOptions;
  readonly #indexer: Indexer;
  readonly #byTable = new Map<string, SeqnosByKey>();
  #strategyCount = 0;
  #isScheduled = false;

  constructor(options: IndexServiceOptions) {
    this.#options = options;
    this.#indexer = new Indexer(options);
  }

  install(strategy: IndexStrategy): void {
    this.#indexer.install(strategy);
    this.#strategyCount++;
    this.wake();
  }

  /** For GET /node/index/strategies. */
  facts(): readonly IndexFacts[] {
    return this.#indexer.facts();
  }

  /** There may be something to read: a commit, or entries that were waited for. */
  wake(): void {
    if (this.#strategyCount === 0 || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#work());
  }

  /**
   * Transactions from `first` to `last` that wrote `key`, ascending, at most `countMax`.
   * @returns undefined while the index is not that far
   * @throws {CocoError} IndexRefused
   */
  seqnosOf(
    table: string,
    key: Uint8Array,
    first: number,
    last: number,
    countMax: number,
  ): readonly number[] | undefined {
    let index = this.#byTable.get(table);
    if (index === undefined) {
      index = this.#createIndex(table);
      this.#byTable.set(table, index);
      this.install(index);
    }
    return index.seqnos(key, first, last, countMax);
  }

  #createIndex(table: string): SeqnosByKey {
    const { source, tableCountMax = 16 } = this.#options;
    if (!accessToRights("applicationReadOnly", tableNameToClass(table)).canRead) {
      throw historicalErrors.create("IndexRefused", `${table} is not for applications`);
    }
    if (this.#byTable.size >= tableCountMax) {
      throw historicalErrors.create("IndexRefused", `${tableCountMax} tables have one already`);
    }
    return new SeqnosByKey({ name: `seqnos_by_key ${table}`, table, source });
  }

  #work(): void {
    this.#isScheduled = false;
    const before = this.#progress();
    this.#indexer.advance(this.#options.committedSeqno());
    const isBehind = this.#indexer.tick();
    // Without progress the ledger is being read: whoever reads it calls `wake`.
    if (isBehind && this.#progress() !== before) this.wake();
  }

  #progress(): string {
    return this.facts()
      .map((fact) => fact.indexed_watermark)
      .join();
  }
}

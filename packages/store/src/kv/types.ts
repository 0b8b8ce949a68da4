/**
 * The contract of the transactional store. Keys and values are bytes. The store keeps them as
 * one-byte strings (one character U+0000..U+00FF per byte); callers on the hot path may use that
 * form directly through the `...Text` methods.
 */

/** Position in the ledger: 1 for the first transaction; 0 before it. */
export type Seqno = number;

/** Who a transaction acts for; decides which tables it may read and write. */
export type Access =
  /** The node itself: everything. */
  | "node"
  /** An application: its tables read-write, public governance and internal tables read-only. */
  | "application"
  /** As `application`, but nothing may be written. */
  | "applicationReadOnly"
  /** validate, resolve and ballots: public governance and internal tables read-only. */
  | "governanceReadOnly"
  /** apply: governance read-write, public internal read-only, public application write-only. */
  | "governanceApply";

export interface RangeOptions {
  /** First key, inclusive. */
  readonly from?: Uint8Array;
  /** End, exclusive. */
  readonly to?: Uint8Array;
  /** Only keys that begin so. */
  readonly prefix?: Uint8Array;
  /** Descending order. */
  readonly reverse?: boolean;
  readonly countMax?: number;
}

/** `RangeOptions` with keys in the store's one-byte-string form. */
export interface TextRangeOptions {
  readonly from?: string;
  readonly to?: string;
  readonly prefix?: string;
  readonly reverse?: boolean;
  readonly countMax?: number;
}

/**
 * One table inside one transaction: sees the transaction's own writes.
 * Every method may throw TableAccessDenied, TransactionEnded, and (only when other transactions
 * were committed or rolled back since the transaction began) TransactionConflict.
 */
export interface Table {
  readonly name: string;
  /** Number of keys. */
  readonly size: number;
  /**
   * Equal to a stamp of another transaction when the table held the same then: what was made of its
   * contents can be used again. Undefined when that is not known, for instance after own writes.
   */
  readonly stamp: number | undefined;
  get(key: Uint8Array): Uint8Array | undefined;
  has(key: Uint8Array): boolean;
  set(key: Uint8Array, value: Uint8Array): void;
  /** @returns whether the key was there. */
  delete(key: Uint8Array): boolean;
  /** Removes every key. */
  clear(): void;
  /** Seqno of the last committed write to `key`, whatever this transaction writes to it. */
  versionOf(key: Uint8Array): Seqno | undefined;
  /** In no promised order, over a stable view; stops when `visit` returns false. */
  forEach(visit: (value: Uint8Array, key: Uint8Array) => unknown): void;
  /** In bytewise order of keys, over a stable view. */
  range(options?: RangeOptions): Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
  getText(key: string): string | undefined;
  hasText(key: string): boolean;
  setText(key: string, value: string): void;
  deleteText(key: string): boolean;
  versionOfText(key: string): Seqno | undefined;
  forEachText(visit: (value: string, key: string) => unknown): void;
  rangeText(options?: TextRangeOptions): Iterable<readonly [key: string, value: string]>;
}

/** Changes of one table, in the store's one-byte-string form, each in bytewise order of keys. */
export interface TableChanges {
  readonly name: string;
  /** Seqno at which the transaction began to read. */
  readonly readVersion: Seqno;
  readonly writes: ReadonlyMap<string, string>;
  readonly removes: ReadonlySet<string>;
}

/** What a committed transaction changed: tables in order of their names. */
export type Changes = readonly TableChanges[];

export interface Transaction {
  readonly access: Access;
  /** The state that this transaction reads: everything up to and including this seqno. */
  readonly readVersion: Seqno;
  readonly hasWrites: boolean;
  /** True after commit, discard or conflict; every use then throws TransactionEnded. */
  readonly isEnded: boolean;
  /**
   * Access is checked at each use of the table.
   * @throws {CocoError} BadTableName, TransactionEnded
   */
  table(name: string): Table;
  /** Runs once, synchronously, right after a successful commit, with its seqno. Must not throw. */
  afterCommit(action: (seqno: Seqno) => void): void;
  /** Ends the transaction without effect. */
  discard(): void;
}

export type CommitResult =
  /** Nothing was written; the transaction read the state of `seqno`. */
  | { readonly kind: "readOnly"; readonly seqno: Seqno }
  | { readonly kind: "committed"; readonly seqno: Seqno; readonly changes: Changes }
  /** Something that was read has changed since: run the transaction again. */
  | { readonly kind: "conflict" };

/** Everything that a store holds at one seqno, for a snapshot. */
export interface StoreContents {
  readonly seqno: Seqno;
  /** In order of their names. */
  readonly tables: readonly TableContents[];
}

export interface TableContents {
  readonly name: string;
  /** Seqno of the last transaction that changed the table. */
  readonly version: Seqno;
  readonly size: number;
  /** In no promised order; valid until the store changes. */
  readonly entries: Iterable<readonly [key: string, entry: StoredEntry]>;
}

export interface StoredEntry {
  readonly value: string;
  /** Seqno of the write. */
  readonly version: Seqno;
}

/**
 * A walk over everything that the store held at one seqno, in pieces, while transactions go on:
 * what they change is kept until the walk has passed it. Tables are first measured, then read.
 */
export interface StoreScan {
  readonly seqno: Seqno;
  /** A rollback or a repair has changed the past: give up. */
  readonly isBroken: boolean;
  /** In order of names, those that were ever written; complete once `seqno` is filled. */
  tables(): readonly ScannedTable[];
  /** To be called in any case: the store keeps nothing more for this scan. */
  end(): void;
}

export interface ScannedTable {
  readonly name: string;
  /** At the scan's seqno. */
  readonly version: Seqno;
  /** Sum over all rows as soon as the table is measured. */
  readonly sizeBytes: number;
  /** @returns whether all is measured; call it again otherwise */
  measure(isTimeUp: () => boolean): boolean;
  /**
   * In no promised order. Every table has to be measured before.
   * @returns whether all is read; call it again otherwise, it goes on with the next row
   */
  read(
    visit: (key: string, value: string, version: Seqno) => void,
    isTimeUp: () => boolean,
  ): boolean;
}

export interface Store {
  /** Seqno of the last applied transaction. */
  readonly seqno: Seqno;
  /** Lowest seqno that `rollback` can go back to. */
  readonly compactedSeqno: Seqno;
  begin(access: Access): Transaction;
  /**
   * Validates the reads, installs the writes at seqno + 1. Safe against interruption: `repair`
   * undoes whatever a terminated call left behind.
   */
  commit(transaction: Transaction): CommitResult;
  /** Installs changes decided elsewhere (replay, replication) as seqno + 1. */
  apply(changes: Changes): Seqno;
  /**
   * Takes over whole tables that nothing was ever written to here, with the versions they have:
   * the private part of a recovered ledger. It is no transaction and is not rolled back; open
   * transactions conflict.
   */
  adopt(tables: Iterable<TableContents>): void;
  /**
   * Takes seqno + 1 for a transaction whose content comes later: a signature is computed on the
   * thread pool while further transactions execute. The slot is empty until `fill`.
   */
  reserve(): Seqno;
  /**
   * Installs the content of a reserved slot. No later transaction may have changed its tables
   * (only signature transactions write the tables of signatures). Open transactions conflict.
   */
  fill(seqno: Seqno, changes: Changes): void;
  /** Goes back to the state of `seqno`. @throws {CocoError} RollbackTooFar */
  rollback(seqno: Seqno): void;
  /** Forgets how to undo transactions up to `seqno`, which are committed for good. */
  compact(seqno: Seqno): void;
  /**
   * Called after a guarded run was terminated at an arbitrary instruction: undoes a commit that
   * was under way, finishes a rollback. A commit may still have succeeded without its caller
   * having seen the result, so roll back to the last seqno that the caller has taken over.
   */
  repair(): void;
  /** What transaction `seqno` changed; undefined when compacted, not there or not yet filled. */
  changesOf(seqno: Seqno): Changes | undefined;
  /** Names of the tables that hold or held anything. */
  tableNames(): readonly string[];
  contents(): StoreContents;
  /**
   * Begins to keep the present state for a walk over it; one at a time. The last seqno may be
   * reserved, and filled later: its content belongs to the state.
   */
  beginScan(rowSizeBytes: (key: string, value: string) => number): StoreScan;
}

import { assert, bytesToLatin1 } from "@coco/base";
import type { CommittedSource, IndexedTransaction, IndexStrategy } from "./indexing.ts";

export interface SeqnosByKeyOptions {
  readonly name: string;
  /** The table whose writes are indexed. */
  readonly table: string;
  /** Memory of all buckets together, roughly. Default 64 MB. */
  readonly sizeBytesMax?: number;
  /** Seqnos in one bucket: what is forgotten and read again together. Default 10,000. */
  readonly bucketSeqnos?: number;
  /** Reads forgotten buckets again. */
  readonly source: CommittedSource;
}

interface Bucket {
  readonly seqnosOf: Map<string, number[]>;
  sizeBytes: number;
}

const keyOverheadBytes = 120;
const seqnoBytes = 8;

/**
 * Which transactions wrote a key. Seqnos are kept in buckets; when they do not fit into memory,
 * the bucket that was asked for longest ago is forgotten and read again from the ledger when
 * somebody asks for it.
 */
export class SeqnosByKey implements IndexStrategy {
  readonly name: string;
  readonly #options: SeqnosByKeyOptions;
  readonly #bucketSeqnos: number;
  readonly #sizeBytesMax: number;
  /** By number, least recently used first. */
  readonly #buckets = new Map<number, Bucket>();
  #sizeBytes = 0;
  #seen = 0;

  constructor(options: SeqnosByKeyOptions) {
    this.name = options.name;
    this.#options = options;
    this.#bucketSeqnos = options.bucketSeqnos ?? 10_000;
    this.#sizeBytesMax = options.sizeBytesMax ?? 64 * 1024 * 1024;
  }

  /** Last transaction that the index covers. */
  get watermark(): number {
    return this.#seen;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  handleCommitted(transaction: IndexedTransaction): void {
    const { seqno } = transaction.txId;
    assert(seqno === this.#seen + 1, "the index sees every transaction");
    this.#seen = seqno;
    const number = this.#numberOf(seqno);
    const isFirst = seqno === number * this.#bucketSeqnos + 1;
    if (isFirst) this.#keep(number, { seqnosOf: new Map(), sizeBytes: 0 });
    const bucket = this.#buckets.get(number);
    // The newest bucket may have been forgotten: then it is read again as a whole when asked for.
    if (bucket !== undefined) this.#add(bucket, transaction);
    this.#shrink(number);
  }

  /**
   * Seqnos from `first` to `last` that wrote `key`, ascending; at most `countMax` of them.
   * @returns undefined while a part is being read again, or when `last` has not been indexed yet
   */
  seqnos(
    key: Uint8Array,
    first: number,
    last: number,
    countMax = Number.POSITIVE_INFINITY,
  ): readonly number[] | undefined {
    if (last > this.#seen) return undefined;
    const found: number[] = [];
    const text = bytesToLatin1(key);
    for (
      let number = this.#numberOf(Math.max(1, first));
      number <= this.#numberOf(last);
      number++
    ) {
      const bucket = this.#load(number);
      if (bucket === undefined) return undefined;
      for (const seqno of bucket.seqnosOf.get(text) ?? []) {
        if (seqno < first || seqno > last) continue;
        if (found.length >= countMax) return found;
        found.push(seqno);
      }
    }
    return found;
  }

  #numberOf(seqno: number): number {
    return Math.floor((seqno - 1) / this.#bucketSeqnos);
  }

  #keep(number: number, bucket: Bucket): void {
    this.#forget(number);
    this.#buckets.set(number, bucket);
    this.#sizeBytes += bucket.sizeBytes;
  }

  #forget(number: number): void {
    const bucket = this.#buckets.get(number);
    if (bucket === undefined) return;
    this.#buckets.delete(number);
    this.#sizeBytes -= bucket.sizeBytes;
  }

  /** Forgets until the rest fits; never `keptNumber`, which is in use. */
  #shrink(keptNumber: number): void {
    for (const number of this.#buckets.keys()) {
      if (this.#sizeBytes <= this.#sizeBytesMax) return;
      if (number !== keptNumber) this.#forget(number);
    }
  }

  #add(bucket: Bucket, { txId, changes }: IndexedTransaction): void {
    for (const { name, writes, removes } of changes) {
      if (name !== this.#options.table) continue;
      for (const keys of [writes.keys(), removes.keys()]) {
        for (const key of keys) {
          const before = bucket.sizeBytes;
          let seqnos = bucket.seqnosOf.get(key);
          if (seqnos === undefined) {
            seqnos = [];
            bucket.seqnosOf.set(key, seqnos);
            bucket.sizeBytes += key.length + keyOverheadBytes;
          }
          seqnos.push(txId.seqno);
          bucket.sizeBytes += seqnoBytes;
          this.#sizeBytes += bucket.sizeBytes - before;
        }
      }
    }
  }

  #load(number: number): Bucket | undefined {
    const known = this.#buckets.get(number);
    if (known !== undefined) {
      this.#buckets.delete(number);
      this.#buckets.set(number, known);
      return known;
    }
    const first = number * this.#bucketSeqnos + 1;
    const last = Math.min(this.#seen, first + this.#bucketSeqnos - 1);
    const transactions = this.#options.source(first, last);
    if (transactions === undefined) return undefined;
    const bucket: Bucket = { seqnosOf: new Map(), sizeBytes: 0 };
    this.#keep(number, bucket);
    for (const transaction of transactions) this.#add(bucket, transaction);
    this.#shrink(number);
    return bucket;
  }
}

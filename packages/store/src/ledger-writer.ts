import { type Aead, assert, type Hash } from "@coco/base";
import type { ByteText } from "./byte-writer.ts";
import { encodeLedgerEntry } from "./entry-encoder.ts";
import { ledgerErrors } from "./errors.ts";
import { decodeLedgerEntry, entryFlag, entrySizeBytesMax } from "./ledger-entry.ts";
import { ChunkLayout, type FileChange, type LedgerBatch } from "./ledger-layout.ts";
import type { LedgerSecrets } from "./ledger-secrets.ts";
import { createMerkleTree, type MerkleTree } from "./merkle-tree.ts";
import { bytesToWords } from "./sha256.ts";
import {
  type CommitEvidence,
  entryToLeaf,
  type LeafComponents,
  leafToWords,
  noClaimsDigest,
} from "./transaction-digest.ts";
import { type TxId, txIdToText } from "./tx-id.ts";
import type { WriteSet } from "./write-set.ts";

/** A transaction for the ledger. */
export interface LedgerAppend {
  readonly view: number;
  /** The one after the last. */
  readonly seqno: number;
  readonly writeSet: WriteSet<ByteText>;
  /** 32 bytes; absent: no claims. */
  readonly claimsDigest?: Uint8Array | undefined;
  /** A signature transaction: a chunk may end with it, and only with one. */
  readonly isSignature?: boolean;
}

export interface LedgerWriterOptions {
  readonly crypto: Hash & Aead;
  readonly secrets: LedgerSecrets;
  /** The last transaction before those to be written; absent for a new ledger. */
  readonly lastTxId?: TxId;
  /** The tree up to and including that transaction. */
  readonly tree?: MerkleTree;
  /** A chunk ends with the first signature after this many bytes. */
  readonly chunkSizeBytes?: number;
}

export const defaultChunkSizeBytes = 5_000_000;

/** What is needed of a transaction to make its receipt without reading it again. */
export class AppendedTransaction implements LeafComponents {
  readonly txId: TxId;
  readonly writeSetDigest: Uint8Array;
  readonly claimsDigest: Uint8Array;
  readonly sizeBytes: number;
  /** Bytes of the entry, a view into the pending batch: copy them to keep them. */
  readonly bytes: Uint8Array;
  readonly #evidence: CommitEvidence;

  constructor(
    txId: TxId,
    bytes: Uint8Array,
    digests: { readonly writeSet: Uint8Array; readonly claims: Uint8Array },
    evidence: CommitEvidence,
  ) {
    this.txId = txId;
    this.bytes = bytes;
    this.sizeBytes = bytes.length;
    this.writeSetDigest = digests.writeSet;
    this.claimsDigest = digests.claims;
    this.#evidence = evidence;
  }

  /** Derived anew at each call. It must not leave the node before the transaction is committed. */
  get commitEvidence(): string {
    return this.#evidence.text(this.txId);
  }
}

/**
 * Turns write sets into the bytes of a ledger: encodes, encrypts, hashes, appends to the Merkle
 * tree, and lays the entries out in chunk files. It does no I/O: `takeBatch` gives what to write,
 * `truncate` and `commit` give what to do with the files.
 *
 * A signature covers exactly the transactions before it. While one is being signed, the write
 * sets that follow have to wait outside; nothing can be appended in front of it any more.
 */
export class LedgerWriter {
  readonly secrets: LedgerSecrets;
  readonly #crypto: Hash & Aead;
  readonly #tree: MerkleTree;
  readonly #layout: ChunkLayout;
  readonly #evidenceDigest = new Int32Array(8);
  readonly #leaf = new Int32Array(8);
  readonly #views: { readonly view: number; readonly seqno: number }[] = [];
  #lastTxId: TxId;

  constructor(options: LedgerWriterOptions) {
    this.#crypto = options.crypto;
    this.secrets = options.secrets;
    this.#lastTxId = options.lastTxId ?? { view: 0, seqno: 0 };
    this.#tree = options.tree ?? createMerkleTree();
    const { seqno } = this.#lastTxId;
    assert(this.#tree.leafCount === seqno + 1, "the tree ends with the last transaction");
    this.#layout = new ChunkLayout(seqno, options.chunkSizeBytes ?? defaultChunkSizeBytes);
    this.#views.push({ view: this.#lastTxId.view, seqno: 0 });
  }

  /** The tree over all transactions so far. Do not append to it. */
  get tree(): MerkleTree {
    return this.#tree;
  }

  get lastTxId(): TxId {
    return this.#lastTxId;
  }

  /** Bytes that the next `takeBatch` will give. */
  get pendingBytes(): number {
    return this.#layout.pendingBytes;
  }

  /** Makes the chunk end with the next signature, however small it is. */
  requestChunkEnd(): void {
    this.#layout.requestChunkEnd();
  }

  /**
   * Appends a transaction that this node executed.
   * @throws {CocoError} SecretMissing, EntryTooLarge; nothing was appended then
   */
  append(transaction: LedgerAppend): AppendedTransaction {
    const { view, seqno } = transaction;
    this.#assertNext(view, seqno);
    const secret = this.secrets.at(seqno);
    const claims = transaction.claimsDigest ?? noClaimsDigest;
    secret.commitEvidence.digestWords(view, seqno, this.#evidenceDigest);
    const { buffer } = this.#layout;
    const start = this.#layout.beginEntry();
    let sizeBytes: number;
    try {
      sizeBytes = encodeLedgerEntry(buffer, this.#crypto, {
        view,
        seqno,
        writeSet: transaction.writeSet,
        claimsDigest: claims,
        commitEvidenceDigest: this.#evidenceDigest,
        key: secret.key,
      });
      this.#assertSize(sizeBytes, seqno);
    } catch (cause) {
      this.#layout.cancelEntry();
      throw cause;
    }
    const isEnd = transaction.isSignature === true && this.#layout.isEndDue(sizeBytes);
    if (isEnd) buffer.bytes[start + 1] = entryFlag.endChunkAfter;
    const bytes = buffer.bytes.subarray(start, start + sizeBytes);
    const writeSet = this.#crypto.sha256(bytes);
    leafToWords(writeSet, this.#evidenceDigest, claims, this.#leaf);
    this.#finish({ view, seqno }, sizeBytes, isEnd);
    return new AppendedTransaction(
      { view, seqno },
      bytes,
      { writeSet, claims },
      secret.commitEvidence,
    );
  }

  /**
   * Appends an entry as another node encoded it. Its chunk flags are obeyed, so that all nodes
   * have the same files. The private part is not decrypted here.
   * @returns the entry's digests
   * @throws {CocoError} BadEntry, BadLedger when it is not the next transaction, SecretMissing
   */
  appendEncoded(encoded: Uint8Array): AppendedTransaction {
    const entry = decodeLedgerEntry(encoded);
    const { view, seqno } = entry.txId;
    if (seqno !== this.#lastTxId.seqno + 1 || view < this.#lastTxId.view) {
      const detail = `${txIdToText(entry.txId)} does not follow ${txIdToText(this.#lastTxId)}`;
      throw ledgerErrors.create("BadLedger", detail, { seqno });
    }
    const secret = this.secrets.at(seqno);
    if ((entry.flags & entryFlag.endChunkBefore) !== 0) this.#layout.endChunk();
    const start = this.#layout.beginEntry();
    const { buffer } = this.#layout;
    buffer.raw(encoded);
    const bytes = buffer.bytes.subarray(start, start + encoded.length);
    const writeSet = this.#crypto.sha256(bytes);
    bytesToWords(entryToLeaf(this.#crypto, entry), 0, this.#leaf);
    const isEnd = (entry.flags & entryFlag.endChunkAfter) !== 0;
    this.#finish(entry.txId, encoded.length, isEnd);
    const claims = new Uint8Array(entry.claimsDigest ?? noClaimsDigest);
    return new AppendedTransaction(entry.txId, bytes, { writeSet, claims }, secret.commitEvidence);
  }

  #assertNext(view: number, seqno: number): void {
    assert(seqno === this.#lastTxId.seqno + 1, "sequence numbers follow without gap");
    assert(view >= this.#lastTxId.view, "views do not go back");
  }

  #assertSize(sizeBytes: number, seqno: number): void {
    if (sizeBytes > entrySizeBytesMax) {
      throw ledgerErrors.create("EntryTooLarge", `${sizeBytes} bytes`, { sizeBytes, seqno });
    }
  }

  #finish(txId: TxId, sizeBytes: number, isEnd: boolean): void {
    this.#tree.appendWords(this.#leaf);
    if (txId.view !== this.#lastTxId.view) this.#views.push(txId);
    this.#lastTxId = txId;
    this.#layout.finishEntry(sizeBytes, txId.seqno);
    if (isEnd) this.#layout.endChunk();
  }

  /** What has to be written since the last call; undefined when there is nothing. */
  takeBatch(): LedgerBatch | undefined {
    return this.#layout.takeBatch();
  }

  /** Gives the memory of a batch back, when its bytes are written and sent. */
  release(batch: LedgerBatch): void {
    this.#layout.release(batch);
  }

  /**
   * Rolls back to `seqno`: forgets later transactions, secrets and tree leaves. The pending batch
   * must have been taken and written before.
   * @returns the changes of files, to be done in order
   */
  truncate(seqno: number): readonly FileChange[] {
    assert(seqno <= this.#lastTxId.seqno, "a rollback goes back");
    const changes = this.#layout.truncate(seqno);
    this.#tree.retract(seqno + 1);
    this.secrets.rollback(seqno);
    while (this.#views.length > 1 && this.#views.at(-1)!.seqno > seqno) this.#views.pop();
    this.#lastTxId = { view: this.#views.at(-1)!.view, seqno };
    return changes;
  }

  /**
   * Notes that transactions up to `seqno` are committed: they can no longer be rolled back.
   * @param keepTree leaves to keep below the commit, for receipts; the others are dropped
   * @returns the chunks that are now called committed, as changes of files
   */
  commit(seqno: number, keepTree = 0): readonly FileChange[] {
    assert(seqno <= this.#lastTxId.seqno, "only what is in the ledger is committed");
    this.#tree.flush(Math.max(0, seqno - keepTree));
    return this.#layout.commit(seqno);
  }
}

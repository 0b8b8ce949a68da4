import { assert } from "@coco/base";
import { ByteReader } from "./byte-reader.ts";
import { ledgerErrors } from "./errors.ts";
import { bytesToWords, digestWords, hashNodePair, wordsToBytes } from "./sha256.ts";

/** One step from a leaf to the root: the sibling's hash and on which side it stands. */
export interface ProofStep {
  readonly side: "left" | "right";
  readonly hash: Uint8Array;
}

/** The complete nodes of one height, from `base` on; a view that grows at its end. */
interface Level {
  hashes: Int32Array;
  base: number;
  /** Number of complete nodes, the dropped ones included. */
  count: number;
}

/** A tree of this many leaves has 2^53 as its last index at most. */
const levelCountMax = 53;

/**
 * The binary Merkle tree over a ledger: leaf n is the digest of transaction n, leaf 0 is 32 zero
 * bytes, a node is SHA-256(left || right), and a node without right sibling is promoted unchanged.
 *
 * Only complete nodes are stored, by height; the root and the paths for any retained size are
 * folded from them. So appending costs one hash on average, and dropping leaves at either end is
 * moving a number.
 */
export class MerkleTree {
  #levels: Level[] = [];
  /** Leaves below this index are dropped. */
  #flushed = 0;

  /** Number of leaves, the dropped ones included: the next leaf's index. */
  get leafCount(): number {
    return this.#levels[0]?.count ?? 0;
  }

  /** First leaf for which `path` works. */
  get firstLeaf(): number {
    return this.#flushed;
  }

  /** Appends a leaf of 32 bytes. */
  append(leaf: Uint8Array): void {
    assert(leaf.length === 32, "a leaf has 32 bytes");
    this.appendWords(bytesToWords(leaf));
  }

  /** As `append`, for a digest in 8 words. */
  appendWords(leaf: Int32Array): void {
    let height = 0;
    let at = this.#push(0);
    this.#levels[0]!.hashes.set(leaf, at);
    while (this.#levels[height]!.count % 2 === 0) {
      const level = this.#levels[height]!;
      const left = (level.count - 2 - level.base) * digestWords;
      at = this.#push(height + 1);
      const above = this.#levels[height + 1]!;
      hashNodePair(level.hashes, left, level.hashes, left + digestWords, above.hashes, at);
      height++;
    }
  }

  /** Makes room for one more node of a height; returns where its words go. */
  #push(height: number): number {
    let level = this.#levels[height];
    if (level === undefined) {
      assert(height < levelCountMax, "the tree has fewer than 2^53 leaves");
      level = { hashes: new Int32Array(digestWords * 8), base: 0, count: 0 };
      this.#levels.push(level);
    }
    const at = (level.count - level.base) * digestWords;
    if (at === level.hashes.length) {
      const grown = new Int32Array(level.hashes.length * 2);
      grown.set(level.hashes);
      level.hashes = grown;
    }
    level.count++;
    return at;
  }

  #words(height: number, index: number): Int32Array {
    const level = this.#levels[height];
    assert(level !== undefined, "the tree has nodes of this height");
    assert(index >= level.base && index < level.count, "a stored node");
    const at = (index - level.base) * digestWords;
    return level.hashes.subarray(at, at + digestWords);
  }

  /** Root of the leaves from `first`, a multiple of a power of two not below their number. */
  #fold(size: number, first: number): Int32Array {
    let folded: Int32Array | undefined;
    for (let height = 0, nodes = size - first; nodes > 0; height++) {
      if (nodes % 2 === 1) {
        const complete = this.#words(height, first / 2 ** height + nodes - 1);
        if (folded === undefined) folded = complete;
        else {
          const joined = new Int32Array(digestWords);
          hashNodePair(complete, 0, folded, 0, joined, 0);
          folded = joined;
        }
      }
      nodes = Math.floor(nodes / 2);
    }
    assert(folded !== undefined, "there is at least one leaf");
    return folded;
  }

  #assertSize(size: number): void {
    if (!Number.isSafeInteger(size) || size < 1 || size > this.leafCount || size < this.#flushed) {
      const facts = { size, leafCount: this.leafCount };
      throw ledgerErrors.create("LeafNotRetained", `a tree of ${size} leaves`, facts);
    }
  }

  /**
   * Root over the first `size` leaves.
   * @throws {CocoError} LeafNotRetained when the tree is smaller or was flushed beyond that size
   */
  root(size = this.leafCount): Uint8Array {
    this.#assertSize(size);
    return wordsToBytes(this.#fold(size, 0));
  }

  /**
   * The 64 bytes whose SHA-256 is `root(size)`; undefined for a tree of one leaf. Platforms that
   * sign only messages, not digests, sign and verify the root through it.
   */
  rootPreimage(size = this.leafCount): Uint8Array | undefined {
    this.#assertSize(size);
    if (size === 1) return undefined;
    if (size === this.#flushed) this.#assertLeaf(size - 1);
    let height = 0;
    while (2 ** (height + 1) < size) height++;
    const preimage = new Uint8Array(64);
    wordsToBytes(this.#words(height, 0), 0, preimage, 0);
    wordsToBytes(this.#fold(size, 2 ** height), 0, preimage, 32);
    return preimage;
  }

  /** @throws {CocoError} LeafNotRetained */
  leaf(index: number): Uint8Array {
    this.#assertLeaf(index);
    return wordsToBytes(this.#words(0, index));
  }

  #assertLeaf(index: number): void {
    const isRetained = index >= this.#flushed && index < this.leafCount;
    if (!Number.isSafeInteger(index) || !isRetained) {
      throw ledgerErrors.create("LeafNotRetained", `leaf ${index}`, { index });
    }
  }

  /**
   * Path from leaf `index` to `root(size)`, the leaf's sibling first.
   * @throws {CocoError} LeafNotRetained
   */
  path(index: number, size = this.leafCount): ProofStep[] {
    this.#assertLeaf(index);
    this.#assertSize(size);
    assert(index < size, "the leaf is below the root");
    const steps: ProofStep[] = [];
    let nodes = size;
    let at = index;
    for (let height = 0; 2 ** height < size; height++) {
      const sibling = at % 2 === 0 ? at + 1 : at - 1;
      const first = sibling * 2 ** height;
      if (first < size) {
        const isComplete = sibling < nodes;
        const hash = isComplete ? this.#words(height, sibling) : this.#fold(size, first);
        steps.push({ side: sibling < at ? "left" : "right", hash: wordsToBytes(hash) });
      }
      at = Math.floor(at / 2);
      nodes = Math.floor(nodes / 2);
    }
    return steps;
  }

  /** Drops the leaves from index `size` on: a rollback. @throws {CocoError} LeafNotRetained */
  retract(size: number): void {
    this.#assertSize(size);
    let count = size;
    for (const level of this.#levels) {
      level.count = count;
      count = Math.floor(count / 2);
    }
  }

  /**
   * Drops the leaves below `index` but keeps what later roots and paths need of them.
   * Leaf `index` itself is kept, so it must exist.
   */
  flush(index: number): void {
    if (index <= this.#flushed) return;
    this.#assertLeaf(index);
    this.#flushed = index;
    let first = index;
    for (const level of this.#levels) {
      const base = first - (first % 2);
      const dropped = (base - level.base) * digestWords;
      if (dropped > 0) {
        const kept = level.hashes.subarray(dropped, (level.count - level.base) * digestWords);
        level.hashes = new Int32Array(Math.max(kept.length, digestWords * 8));
        level.hashes.set(kept);
        level.base = base;
      }
      first = Math.floor(first / 2);
    }
  }

  /**
   * The form in which signature transactions carry the tree: number of leaves and number of
   * dropped leaves (8 bytes each, big-endian), the leaves, and the complete nodes left of them
   * from the lowest to the highest.
   * @param from first leaf to include; @param size leaves in the tree, as for `root`
   */
  serialise(from = this.#flushed, size = this.leafCount): Uint8Array {
    this.#assertSize(size);
    this.#assertLeaf(from);
    assert(from < size, "at least one leaf is included");
    const extras: Int32Array[] = [];
    for (let height = 0, first = from; first > 0; height++) {
      if (first % 2 === 1) extras.push(this.#words(height, first - 1));
      first = Math.floor(first / 2);
    }
    const bytes = new Uint8Array(16 + (size - from + extras.length) * 32);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(size - from));
    view.setBigUint64(8, BigInt(from));
    const level = this.#levels[0]!;
    let offset = 16;
    for (let index = from; index < size; index++, offset += 32) {
      wordsToBytes(level.hashes, (index - level.base) * digestWords, bytes, offset);
    }
    for (const extra of extras) {
      wordsToBytes(extra, 0, bytes, offset);
      offset += 32;
    }
    return bytes;
  }

  /** Inverse of `serialise`. @throws {CocoError} BadTree */
  static deserialise(bytes: Uint8Array): MerkleTree {
    const fail = (detail: string) => ledgerErrors.create("BadTree", detail);
    if (bytes.length < 16) throw fail("it is shorter than 16 bytes");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const leaves = Number(view.getBigUint64(0));
    const flushed = Number(view.getBigUint64(8));
    let extras = 0;
    if (!Number.isSafeInteger(leaves + flushed) || leaves < 1) throw fail("its size is impossible");
    for (let first = flushed; first > 0; first = Math.floor(first / 2)) extras += first % 2;
    if (bytes.length !== 16 + (leaves + extras) * 32) throw fail("its length does not fit");
    const reader = new ByteReader(bytes, fail, 16);
    const leafHashes = reader.take(leaves * 32, "leaves");
    const tree = new MerkleTree();
    tree.#flushed = flushed;
    let first = flushed;
    while (first > 0) {
      const base = first - (first % 2);
      const level: Level = { hashes: new Int32Array(digestWords * 8), base, count: first };
      if (first % 2 === 1) bytesToWords(reader.take(32, "node"), 0, level.hashes, 0);
      tree.#levels.push(level);
      first = Math.floor(first / 2);
    }
    const leaf = new Int32Array(digestWords);
    for (let index = 0; index < leaves; index++) {
      tree.appendWords(bytesToWords(leafHashes, index * 32, leaf));
    }
    return tree;
  }
}

/** A new ledger's tree: it begins with a leaf of zeros, so that leaf n is transaction n. */
export function createMerkleTree(): MerkleTree {
  const tree = new MerkleTree();
  tree.append(new Uint8Array(32));
  return tree;
}

/** The root to which a path leads, and the 64 bytes whose hash it is (undefined: no steps). */
export function foldProof(
  leaf: Uint8Array,
  proof: readonly ProofStep[],
): { readonly root: Uint8Array; readonly preimage: Uint8Array | undefined } {
  const current = bytesToWords(leaf);
  const sibling = new Int32Array(digestWords);
  let preimage: Uint8Array | undefined;
  for (const [index, { side, hash }] of proof.entries()) {
    bytesToWords(hash, 0, sibling);
    const [left, right] = side === "left" ? [sibling, current] : [current, sibling];
    if (index === proof.length - 1) {
      preimage = new Uint8Array(64);
      wordsToBytes(left, 0, preimage, 0);
      wordsToBytes(right, 0, preimage, 32);
    }
    hashNodePair(left, 0, right, 0, current, 0);
  }
  return { root: wordsToBytes(current), preimage };
}

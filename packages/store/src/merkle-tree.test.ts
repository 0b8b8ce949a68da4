import { isCocoError } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMerkleTree, foldProof, MerkleTree } from "./merkle-tree.ts";

const crypto = createNodeCrypto();

function leafOf(index: number): Uint8Array {
  return index === 0 ? new Uint8Array(32) : new Uint8Array(crypto.sha256(Uint8Array.of(index)));
}

/** The definition, level by level: pairs are hashed, an odd last node moves up unchanged. */
function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  let level = [...leaves];
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let index = 0; index < level.length; index += 2) {
      const [left, right] = [level[index]!, level[index + 1]];
      if (right === undefined) above.push(left);
      else above.push(new Uint8Array(crypto.sha256(new Uint8Array([...left, ...right]))));
    }
    level = above;
  }
  return level[0]!;
}

function treeOf(count: number): MerkleTree {
  const tree = createMerkleTree();
  while (tree.leafCount < count) tree.append(leafOf(tree.leafCount));
  return tree;
}

describe("MerkleTree", () => {
  // Goal: roots of every size, pre-images and paths agree with the definition.
  test("agrees with the definition", () => {
    const tree = treeOf(40);
    const leaves = Array.from({ length: 40 }, (_, index) => leafOf(index));
    for (let size = 1; size <= 40; size++) {
      const root = rootOf(leaves.slice(0, size));
      expect(tree.root(size)).toEqual(root);
      const preimage = tree.rootPreimage(size);
      if (size > 1) expect(new Uint8Array(crypto.sha256(preimage!))).toEqual(root);
      else expect(preimage).toBeUndefined();
      for (let index = 0; index < size; index++) {
        const proof = tree.path(index, size);
        const folded = foldProof(leaves[index]!, proof);
        expect(folded.root).toEqual(root);
        if (proof.length > 0) {
          expect(new Uint8Array(crypto.sha256(folded.preimage!))).toEqual(root);
        }
      }
    }
  });

  // Goal: whatever is appended, dropped and rolled back, the tree is that of the leaves left.
  test("holds under appends, flushes and rollbacks", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("append" as const), by: fc.nat(9) }),
      fc.record({ kind: fc.constant("flush" as const), by: fc.nat(9) }),
      fc.record({ kind: fc.constant("retract" as const), by: fc.nat(9) }),
      fc.record({ kind: fc.constant("serialise" as const), by: fc.nat(9) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let tree = createMerkleTree();
        const leaves = [leafOf(0)];
        for (const { kind, by } of steps) {
          if (kind === "append") {
            for (let count = 0; count < by; count++) {
              leaves.push(leafOf((leaves.length * 7 + by) % 251));
              tree.append(leaves.at(-1)!);
            }
          } else if (kind === "flush") {
            tree.flush(Math.min(leaves.length - 1, tree.firstLeaf + by));
          } else if (kind === "retract") {
            leaves.length = Math.max(tree.firstLeaf + 1, leaves.length - by);
            tree.retract(leaves.length);
          } else {
            const bytes = tree.serialise();
            tree = MerkleTree.deserialise(bytes);
            expect(tree.serialise()).toEqual(bytes);
          }
          expect(tree.leafCount).toBe(leaves.length);
          for (let size = Math.max(1, tree.firstLeaf); size <= leaves.length; size++) {
            expect(tree.root(size)).toEqual(rootOf(leaves.slice(0, size)));
          }
          for (let index = tree.firstLeaf; index < leaves.length; index++) {
            const { root } = foldProof(leaves[index]!, tree.path(index));
            expect(root).toEqual(tree.root());
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  // Goal: what is no longer there is refused by name, not computed wrongly.
  test("refuses dropped and future leaves", () => {
    const tree = treeOf(20);
    tree.flush(9);
    const refused = expect.objectContaining({ code: "LeafNotRetained" });
    expect(() => tree.path(8)).toThrow(refused);
    expect(() => tree.path(20)).toThrow(refused);
    expect(() => tree.root(8)).toThrow(refused);
    expect(() => tree.root(21)).toThrow(refused);
    expect(() => tree.retract(8)).toThrow(refused);
    expect(() => tree.rootPreimage(9)).toThrow(refused);
    expect(tree.path(9).length).toBeGreaterThan(0);
  });

  // Goal: damaged serialised trees are typed errors, or trees of the same size.
  test("reads hostile bytes", () => {
    const bytes = treeOf(13).serialise(5);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, end) => {
        const changed = bytes.slice(0, end);
        if (at < end) changed[at] = value;
        try {
          MerkleTree.deserialise(changed);
        } catch (error) {
          expect(isCocoError(error)).toBe(true);
        }
      }),
    );
  });
});

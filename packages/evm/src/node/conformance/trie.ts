/** A Merkle-Patricia trie that is built at once from its leaves: an oracle for state roots. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { encodeRlp, type RlpItem } from "./rlp.ts";

interface Leaf {
  /** One nibble each. */
  readonly path: Uint8Array;
  readonly value: Uint8Array;
}

/** The root of a trie whose keys are hashed first. */
export function secureRoot(entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>) {
  const leaves: Leaf[] = [];
  for (const [key, value] of entries) leaves.push({ path: toNibbles(keccak_256(key)), value });
  leaves.sort((a, b) => comparePaths(a.path, b.path));
  if (leaves.length === 0) return keccak_256(Uint8Array.of(0x80));
  return keccak_256(encodeRlp(buildNode(leaves, 0)));
}

function toNibbles(key: Uint8Array): Uint8Array {
  const path = new Uint8Array(2 * key.length);
  for (const [index, byte] of key.entries()) {
    path[2 * index] = byte >> 4;
    path[2 * index + 1] = byte & 15;
  }
  return path;
}

function comparePaths(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

function buildNode(leaves: readonly Leaf[], depth: number): RlpItem {
  const first = leaves[0]!;
  if (leaves.length === 1) return [compactPath(first.path.subarray(depth), true), first.value];
  const last = leaves.at(-1)!;
  let shared = depth;
  while (first.path[shared] === last.path[shared]) shared++;
  if (shared > depth) {
    const path = compactPath(first.path.subarray(depth, shared), false);
    return [path, reference(buildNode(leaves, shared))];
  }
  const branch: RlpItem[] = [];
  for (let nibble = 0; nibble < 16; nibble++) {
    const below = leaves.filter(({ path }) => path[depth] === nibble);
    branch.push(below.length === 0 ? new Uint8Array() : reference(buildNode(below, depth + 1)));
  }
  branch.push(new Uint8Array());
  return branch;
}

function reference(node: RlpItem): RlpItem {
  const encoded = encodeRlp(node);
  return encoded.length < 32 ? node : keccak_256(encoded);
}

function compactPath(path: Uint8Array, isLeaf: boolean): Uint8Array {
  const isOdd = path.length % 2 === 1;
  const flag = (isLeaf ? 2 : 0) + (isOdd ? 1 : 0);
  const nibbles = isOdd ? [flag, ...path] : [flag, 0, ...path];
  const bytes = new Uint8Array(nibbles.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (nibbles[2 * i]! << 4) | nibbles[2 * i + 1]!;
  return bytes;
}

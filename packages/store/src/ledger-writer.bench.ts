/** Cost of a transaction on its way into the ledger. Run: npx vitest bench packages/store --run */
import { createNodeCrypto } from "@coco/base/node";
import { bench, describe } from "vitest";
import { ByteWriter } from "./byte-writer.ts";
import { LedgerSecrets } from "./ledger-secrets.ts";
import { LedgerWriter } from "./ledger-writer.ts";
import { createMerkleTree } from "./merkle-tree.ts";
import { hashNodePair } from "./sha256.ts";
import { CommitEvidence } from "./transaction-digest.ts";
import { encodeWriteSet, type WriteSet } from "./write-set.ts";

const crypto = createNodeCrypto();
const value = JSON.stringify({ message: "twenty characters ok", at: 1_700_000_000 });

function writeSetOf(name: string, writes: number): WriteSet<string> {
  const rows = Array.from({ length: writes }, (_, index) => [`key-${index}`, value] as const);
  return { maps: [{ name, readVersion: 0, writes: rows, removes: [] }] };
}

function appender(writeSet: WriteSet<string>): () => void {
  const secrets = new LedgerSecrets(crypto, [{ version: 0, key: crypto.bytes(32) }]);
  const writer = new LedgerWriter({ crypto, secrets });
  let seqno = 0;
  return () => {
    writer.append({ view: 2, seqno: ++seqno, writeSet });
    if (seqno % 64 !== 0) return;
    const batch = writer.takeBatch();
    if (batch !== undefined) writer.release(batch);
    writer.commit(seqno);
  };
}

describe("one transaction: encode, encrypt, hash, append", () => {
  bench("1 private write", appender(writeSetOf("notes", 1)));
  bench("10 private writes", appender(writeSetOf("notes", 10)));
  bench("1 public write", appender(writeSetOf("public:notes", 1)));
});

describe("parts", () => {
  const writer = new ByteWriter();
  const writeSet = writeSetOf("notes", 1);
  bench("encode 1 write", () => {
    writer.length = 0;
    encodeWriteSet(writer, writeSet, "private");
  });
  const key = crypto.bytes(32);
  const iv = crypto.bytes(12);
  const plain = crypto.bytes(120);
  const open = crypto.bytes(81);
  bench("AES-256-GCM of 120 bytes", () => {
    crypto.seal(key, iv, plain, open);
  });
  const entry = crypto.bytes(250);
  bench("SHA-256 of 250 bytes", () => {
    crypto.sha256(entry);
  });
  const evidence = new CommitEvidence(crypto.bytes(32), crypto);
  const digest = new Int32Array(8);
  bench("commit evidence and its digest", () => {
    evidence.digestWords(2, 123_456, digest);
  });
  const pair = new Int32Array(24);
  bench("SHA-256 of a node pair", () => {
    hashNodePair(pair, 0, pair, 8, pair, 16);
  });
  let tree = createMerkleTree();
  bench("append to the Merkle tree", () => {
    if (tree.leafCount > 1_000_000) tree = createMerkleTree();
    tree.appendWords(digest);
  });
});

/** What lies on disk and what others hand in: ledger files, snapshots, receipts, shares. */
import { signCoseSign1, utf8ToBytes } from "@coco/base";
import { createNodeCrypto, generateEncryptionKey, generateSigningKey } from "@coco/base/node";
import {
  ChunkReader,
  createCoseReceipt,
  createMerkleTree,
  decodeLedgerEntry,
  decodeSnapshotFile,
  decodeWriteSet,
  decryptEntry,
  encodeSnapshot,
  LedgerSecrets,
  LedgerWriter,
  MerkleTree,
  parseChunkName,
  parseCoseReceipt,
  parseReceipt,
  SecretRecordCollector,
  textToTxId,
} from "@coco/store";
import type { FuzzTarget } from "../fuzzer.ts";

const crypto = createNodeCrypto();
const key = new Uint8Array(32).fill(7);
const secrets = new LedgerSecrets(crypto, [{ version: 0, key }]);

function writeChunk(): Uint8Array {
  const writer = new LedgerWriter({ crypto, secrets, chunkSizeBytes: 1 });
  for (let seqno = 1; seqno <= 3; seqno++) {
    const map = (name: string) => ({
      name,
      readVersion: 0,
      writes: [[`key${seqno}`, "value"]] as [string, string][],
      removes: ["old"],
    });
    const writeSet = { maps: [map("public:table"), map("private")] };
    writer.append({ view: 2, seqno, writeSet, isSignature: seqno === 3 });
  }
  const parts = writer.takeBatch()!.writes.map(({ bytes, completion }) => {
    const copy = Uint8Array.from(bytes);
    if (completion !== undefined) copy.set(completion.header);
    return copy;
  });
  return Buffer.concat(parts);
}

function toFile(bytes: Uint8Array, name = "ledger_1-3.committed") {
  return {
    name,
    sizeBytes: bytes.length,
    read: (offset: number, sizeBytes: number) => bytes.subarray(offset, offset + sizeBytes),
  };
}

function readEntries(bytes: Uint8Array, name?: string): Uint8Array[] {
  return [...new ChunkReader(toFile(bytes, name)).entries()].map((entry) => entry.bytes);
}

const receipt = {
  cert: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  leaf_components: {
    claims_digest: "0".repeat(64),
    commit_evidence: `ce:2.17:${"1".repeat(64)}`,
    write_set_digest: "2".repeat(64),
  },
  node_id: "3".repeat(64),
  proof: [{ left: "4".repeat(64) }, { right: "5".repeat(64) }],
  service_endorsements: ["x"],
  signature: "MGYC",
};

function createTree(): Uint8Array {
  const tree = createMerkleTree();
  for (let leaf = 1; leaf < 20; leaf++) tree.append(new Uint8Array(32).fill(leaf));
  return tree.serialise(5);
}

function createSnapshot(): Uint8Array {
  const rows = [{ key: utf8ToBytes("key"), value: utf8ToBytes("value"), version: 3 }];
  const entry = encodeSnapshot(crypto, key, {
    txId: { view: 2, seqno: 15 },
    hashAtSnapshot: new Uint8Array(32),
    viewHistory: [1, 1],
    maps: [
      { name: "public:table", version: 3, rows },
      { name: "private", version: 3, rows },
    ],
  });
  return Buffer.concat([entry, utf8ToBytes(JSON.stringify(receipt))]);
}

function createShares(): Uint8Array {
  const encryption = generateEncryptionKey();
  const encrypted = crypto.wrapRsaOaep(encryption.publicPem, new Uint8Array(44));
  const base64 = Buffer.from(encrypted).toString("base64");
  const value = {
    encrypted_shares: { ["a".repeat(64)]: base64 },
    wrapped_latest_ledger_secret: Buffer.alloc(60).toString("base64"),
  };
  return utf8ToBytes(JSON.stringify(value));
}

function createCoseReceiptSeed(): Uint8Array {
  const headers = new Map<number, number>([[395, 2]]);
  const root = signCoseSign1({
    signer: generateSigningKey(),
    headers,
    payload: new Uint8Array(32),
    detached: true,
  });
  const digest = new Uint8Array(32);
  const commitEvidence = receipt.leaf_components.commit_evidence;
  const leaf = { writeSetDigest: digest, commitEvidence, claimsDigest: digest };
  return createCoseReceipt(root, leaf, [{ side: "left", hash: digest }]);
}

const singleton = new Uint8Array(8);

export const storeTargets: readonly FuzzTarget[] = [
  {
    name: "ledger-entry",
    seeds: () => readEntries(writeChunk()),
    run: (input) => {
      const entry = decodeLedgerEntry(input);
      decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
      decryptEntry(crypto, entry, secrets);
    },
  },
  {
    name: "ledger-private",
    seeds: () =>
      readEntries(writeChunk()).map((bytes) => {
        const entry = decodeLedgerEntry(bytes);
        const { iv, ciphertext, tag, publicDomain } = entry;
        return crypto.open(key, iv, ciphertext, tag, publicDomain);
      }),
    run: (input) => {
      decodeWriteSet(input, "private");
    },
  },
  {
    name: "ledger-chunk",
    seeds: () => [writeChunk()],
    run: (input) => {
      readEntries(input);
      readEntries(input, "ledger_1");
      for (const seqno of [1, 2, 3, 4]) new ChunkReader(toFile(input)).entry(seqno);
    },
  },
  {
    name: "snapshot",
    seeds: () => [createSnapshot()],
    run: (input) => {
      const { content } = decodeSnapshotFile(input);
      for (const { rows } of content.maps) for (const row of rows) void row.version;
    },
  },
  {
    name: "merkle-tree",
    seeds: () => [createTree()],
    run: (input) => {
      const tree = MerkleTree.deserialise(input);
      tree.root();
      tree.path(tree.leafCount - 1);
    },
  },
  {
    name: "receipt",
    seeds: () => [utf8ToBytes(JSON.stringify(receipt))],
    dictionary: Object.keys(receipt).concat(
      Object.keys(receipt.leaf_components),
      "null",
      "[]",
      "{}",
    ),
    run: (input) => {
      parseReceipt(parseJson(input));
    },
  },
  {
    name: "cose-receipt",
    seeds: () => [createCoseReceiptSeed()],
    run: (input) => {
      parseCoseReceipt(input);
    },
  },
  {
    name: "recovery-shares",
    seeds: () => [createShares()],
    dictionary: ["encrypted_shares", "previous_secret_stored_version", "null", "1e99"],
    run: (input) => {
      const name = "public:ccf.internal.recovery_shares";
      const map = {
        name,
        readVersion: 0,
        writes: [[singleton, input]] as [Uint8Array, Uint8Array][],
        removes: [],
      };
      new SecretRecordCollector().apply({ maps: [map] }, 1);
    },
  },
  {
    name: "ledger-names",
    seeds: () => [utf8ToBytes("ledger_1-15.committed"), utf8ToBytes("2.17")],
    run: (input) => {
      const text = Buffer.from(input).toString("latin1");
      parseChunkName(text);
      textToTxId(text);
    },
  },
];

/** Text that is not JSON is the caller's matter: parsers get values. */
export function parseJson(input: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(input).toString("utf8"));
  } catch {
    return undefined;
  }
}

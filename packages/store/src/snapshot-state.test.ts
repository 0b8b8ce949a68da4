import { createCipheriv } from "node:crypto";
import { bytesToHex, concatBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { writeSetToChanges } from "./changes.ts";
import { ChunkReader } from "./chunk-reader.ts";
import { decryptEntry } from "./entry-decryption.ts";
import { createStore } from "./kv/store.ts";
import type { Store } from "./kv/types.ts";
import { auditLedger } from "./ledger-audit.ts";
import { recoverSecrets, SecretRecordCollector } from "./ledger-decrypt.ts";
import { orderLedgerFiles } from "./ledger-directory.ts";
import { decodeLedgerEntry } from "./ledger-entry.ts";
import type { LedgerSecrets } from "./ledger-secrets.ts";
import { createMerkleTree, type MerkleTree } from "./merkle-tree.ts";
import {
  presentLedgers,
  readLedger,
  readMemberKeys,
  readSnapshots,
} from "./real-ledgers.testing.ts";
import { decodeSnapshotFile, encodeSnapshot, type SnapshotContent } from "./snapshot.ts";
import { snapshotToState } from "./snapshot-state.ts";
import { SnapshotStream, scannedRowSizeBytes } from "./snapshot-stream.ts";
import { entryToLeaf } from "./transaction-digest.ts";
import { decodeWriteSet } from "./write-set.ts";

const crypto = createNodeCrypto();

const ledgersWithSnapshots = presentLedgers().filter(({ name }) => {
  return readSnapshots(name).length > 0;
});

function recoverAll(name: string): LedgerSecrets {
  const records = new SecretRecordCollector();
  auditLedger(readLedger(name), {
    crypto,
    onTransaction: ({ writeSet, entry }) => records.apply(writeSet, entry.txId.seqno),
  });
  return recoverSecrets(crypto, records, readMemberKeys(name)).secrets;
}

interface Replayed {
  readonly store: Store;
  readonly tree: MerkleTree;
}

/** Applies the transactions after those that are there, up to `lastSeqno`. */
function replay(
  name: string,
  secrets: LedgerSecrets,
  { store, tree }: Replayed,
  lastSeqno: number,
) {
  for (const { file } of orderLedgerFiles(readLedger(name)).chunks) {
    for (const { bytes } of new ChunkReader(file).entries()) {
      const entry = decodeLedgerEntry(bytes);
      if (entry.txId.seqno <= store.seqno || entry.txId.seqno > lastSeqno) continue;
      const open = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
      const secret = decryptEntry(crypto, entry, secrets);
      store.apply(writeSetToChanges({ maps: [...open.maps, ...secret.maps] }));
      tree.append(entryToLeaf(crypto, entry));
    }
  }
}

/** Everything in a store, in one order. */
function listContents(store: Store) {
  return store.contents().tables.map(({ name, version, entries }) => ({
    name,
    version,
    rows: Array.from(entries, ([key, entry]) => [key, entry.value, entry.version]).sort(),
  }));
}

/** As a node does it: parts encrypted one after the other. */
function takeSnapshot(
  store: Store,
  key: Uint8Array,
  facts: Pick<SnapshotContent, "txId" | "hashAtSnapshot" | "viewHistory">,
): Uint8Array {
  const scan = store.beginScan(scannedRowSizeBytes);
  const stream = new SnapshotStream({ scan, ...facts });
  while (!stream.measure(() => true));
  const cipher = createCipheriv("aes-256-gcm", key, stream.iv);
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = stream.next(() => true);
    if (part === undefined) break;
    if (part.domain === "public") cipher.setAAD(part.bytes);
    parts.push(
      part.domain === "public"
        ? new Uint8Array(part.bytes)
        : new Uint8Array(cipher.update(part.bytes)),
    );
  }
  cipher.final();
  scan.end();
  const entry = concatBytes(stream.prefix(cipher.getAuthTag()), ...parts);
  expect(entry.length).toBe(stream.sizeBytes);
  return entry;
}

describe("states from snapshots of real services", () => {
  // Goal: a real snapshot gives the tables, versions, tree and views that replaying the same real
  // ledger gives; the rest of the ledger on top of both gives the same again; and the snapshot
  // that we take of the replayed state has the same content.
  test.each(ledgersWithSnapshots)("of $name", ({ name, transactions }) => {
    const snapshots = readSnapshots(name);
    const secrets = recoverAll(name);
    for (const file of snapshots) {
      const snapshot = decodeSnapshotFile(file.read(0, file.sizeBytes));
      const { seqno } = snapshot.content.txId;
      const { key } = secrets.at(seqno);
      const state = snapshotToState(crypto, snapshot, key);
      const loaded = { store: createStore(state.contents), tree: state.tree };
      const replayed = { store: createStore(), tree: createMerkleTree() };
      replay(name, secrets, replayed, seqno);
      expect(listContents(loaded.store)).toEqual(listContents(replayed.store));
      expect(bytesToHex(loaded.tree.root())).toBe(bytesToHex(replayed.tree.root()));

      const { hashAtSnapshot, viewHistory } = snapshot.content;
      const facts = { txId: { view: 9, seqno }, hashAtSnapshot, viewHistory };
      const own = takeSnapshot(replayed.store, key, facts);
      const again = snapshotToState(crypto, decodeSnapshotFile(own), key);
      expect(again.txId).toEqual(state.txId);
      expect(listContents(createStore(again.contents))).toEqual(listContents(loaded.store));
      // Rows have no fixed order, so only the length can be compared with the real file.
      expect(own.length).toBe(snapshot.entry.bytes.length);

      replay(name, secrets, loaded, transactions);
      replay(name, secrets, replayed, transactions);
      expect(loaded.store.seqno).toBe(transactions);
      expect(listContents(loaded.store)).toEqual(listContents(replayed.store));
      expect(bytesToHex(loaded.tree.root())).toBe(bytesToHex(replayed.tree.root()));
    }
  });

  // Goal: without the ledger secret only the public tables are there, the same as with it.
  test.each(ledgersWithSnapshots)("public part of $name", ({ name }) => {
    for (const file of readSnapshots(name)) {
      const { contents } = snapshotToState(
        crypto,
        decodeSnapshotFile(file.read(0, file.sizeBytes)),
        undefined,
      );
      expect(contents.tables.length).toBeGreaterThan(10);
      for (const table of contents.tables) expect(table.name).toMatch(/^public:/);
    }
  });
});

describe("contradictions in a snapshot", () => {
  const ledger = presentLedgers().find(({ name }) => name === "live_service");

  // Goal: even if a service committed to them, parts that do not fit together are refused.
  test.skipIf(ledger === undefined)("are refused", () => {
    const secrets = recoverAll("live_service");
    const file = readSnapshots("live_service")[0]!;
    const { content, entry } = decodeSnapshotFile(file.read(0, file.sizeBytes));
    const { key } = secrets.at(content.txId.seqno);
    const [first, ...others] = content.maps;
    const isTree = (name: string) => name === "public:ccf.internal.tree";
    const changed: Partial<SnapshotContent>[] = [
      { txId: { view: 2, seqno: content.txId.seqno + 1 } },
      { viewHistory: [] },
      { viewHistory: [1, 1, 1] },
      { viewHistory: [1, 16] },
      { hashAtSnapshot: new Uint8Array(0) },
      { maps: [first!, first!, ...others] },
      { maps: [{ ...first!, version: 16 }, ...others] },
      { maps: content.maps.filter(({ name }) => !isTree(name)) },
      {
        maps: content.maps.map((map) => {
          if (!isTree(map.name)) return map;
          const [row] = map.rows;
          const value = new Uint8Array(row!.value);
          value[20]! ^= 1;
          return { ...map, rows: [{ ...row!, value }] };
        }),
      },
    ];
    expect(entry.txId.seqno).toBe(15);
    for (const [index, change] of changed.entries()) {
      const bytes = encodeSnapshot(crypto, key, { ...content, ...change });
      expect(
        () => snapshotToState(crypto, decodeSnapshotFile(bytes), key),
        `change ${index}`,
      ).toThrow(expect.objectContaining({ name: "CocoError" }));
    }
  });
});

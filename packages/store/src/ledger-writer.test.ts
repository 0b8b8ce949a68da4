import { bytesToHex, concatBytes, equalBytes, isCocoError } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { ChunkReader } from "./chunk-reader.ts";
import { auditLedger } from "./ledger-audit.ts";
import { orderLedgerFiles } from "./ledger-directory.ts";
import { decodeLedgerEntry, entryFlag } from "./ledger-entry.ts";
import { LedgerSecrets } from "./ledger-secrets.ts";
import { LedgerWriter } from "./ledger-writer.ts";
import { createMerkleTree } from "./merkle-tree.ts";
import { presentLedgers, readLedger } from "./real-ledgers.testing.ts";
import { MemoryDirectory, TestService, write } from "./test-service.testing.ts";
import { leafComponentsToDigest } from "./transaction-digest.ts";

function names(service: TestService): string[] {
  return orderLedgerFiles(service.directory.list()).chunks.map(({ file }) => file.name);
}

describe("LedgerWriter", () => {
  // Goal: what the writer writes, the independent auditor accepts, with the same root.
  test("writes a ledger that verifies", async () => {
    const service = await TestService.create();
    await service.sign();
    for (let index = 0; index < 20; index++) {
      service.append(write(index % 2 === 0 ? "public:notes" : "notes", `k${index}`, "v"));
    }
    await service.sign();
    service.append(write("notes", "tail", "v"));
    service.flush();
    const { crypto, serviceCertificate } = service;
    const report = auditLedger(service.directory.list(), { crypto, serviceCertificate });
    expect(report).toMatchObject({
      chunks: 1,
      transactions: 24,
      signatures: 2,
      coseSignatures: 2,
      lastTxId: "2.24",
      lastSignedTxId: "2.23",
      unsignedTransactions: 1,
      root: bytesToHex(service.writer.tree.root()),
    });
  });

  // Goal: the parts of a receipt that the writer hands out lead to the leaf in the tree.
  test("hands out the leaf's components", async () => {
    const service = await TestService.create();
    const claims = new Uint8Array(32).fill(7);
    const appended = service.append(write("notes", "k", "v"), claims);
    expect(appended.commitEvidence).toMatch(/^ce:2\.2:[0-9a-f]{64}$/);
    const leaf = leafComponentsToDigest(service.crypto, appended);
    expect(leaf).toEqual(service.writer.tree.leaf(2));
  });

  // Goal: a chunk ends with the first signature beyond the size, and only there.
  test("rolls chunks at signatures", async () => {
    const service = await TestService.create(3000);
    for (let round = 0; round < 6; round++) {
      for (let index = 0; index < 4; index++) service.append(write("notes", "k", "v".repeat(200)));
      await service.sign();
      service.directory.apply(service.writer.commit(service.writer.lastTxId.seqno));
    }
    expect(names(service).length).toBeGreaterThan(3);
    expect(names(service)[0]).toMatch(/^ledger_1-\d+\.committed$/);
    const { crypto } = service;
    expect(auditLedger(service.directory.list(), { crypto }).signatures).toBe(6);
    for (const { file } of orderLedgerFiles(service.directory.list()).chunks) {
      const entries = [...new ChunkReader(file).entries()];
      for (const [index, { bytes }] of entries.entries()) {
        const { flags } = decodeLedgerEntry(bytes);
        const isLast = file.name.includes("-") && index === entries.length - 1;
        expect(flags).toBe(isLast ? entryFlag.endChunkAfter : 0);
      }
    }
  });

  // Goal: a chunk can be asked to end, for example for a snapshot.
  test("ends a chunk on request", async () => {
    const service = await TestService.create();
    service.writer.requestChunkEnd();
    await service.sign();
    await service.sign();
    expect(names(service)).toEqual(["ledger_1-2", "ledger_3"]);
  });

  // Goal: after a rollback into any earlier chunk the files and the tree are as if nothing
  // later had been written, and writing goes on in the next view.
  test.each([0, 1, 2, 5, 6, 7, 10, 11, 14, 15])("rolls back to %i", async (seqno) => {
    const service = await TestService.create(2500);
    const roots: Uint8Array[] = [service.writer.tree.root(1), service.writer.tree.root()];
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 4; index++) {
        service.append(write("notes", "k", "v".repeat(300)));
        roots.push(service.writer.tree.root());
      }
      await service.sign(0);
      roots.push(service.writer.tree.root());
    }
    service.directory.apply(service.writer.truncate(seqno));
    expect(service.writer.tree.root()).toEqual(roots[seqno]);
    expect(service.writer.lastTxId).toEqual({ view: seqno === 0 ? 0 : 2, seqno });
    if (seqno === 0) {
      expect(service.directory.files.size).toBe(0);
      return;
    }
    service.view = 3;
    service.append(write("notes", "after", "rollback"));
    await service.sign(0);
    const { crypto } = service;
    const report = auditLedger(service.directory.list(), { crypto });
    expect(report.lastTxId).toBe(`3.${seqno + 2}`);
  });

  // Goal: a transaction that cannot be written leaves nothing behind.
  test("appends nothing when a secret is missing", async () => {
    const crypto = createNodeCrypto();
    const secrets = new LedgerSecrets(crypto, [{ version: 2, key: crypto.bytes(32) }]);
    const writer = new LedgerWriter({ crypto, secrets });
    const add = () => writer.append({ view: 2, seqno: 1, writeSet: { maps: [] } });
    expect(add).toThrow(expect.objectContaining({ code: "SecretMissing" }));
    expect(writer.takeBatch()).toBeUndefined();
    secrets.add({ version: 1, key: crypto.bytes(32) });
    expect(add().txId).toEqual({ view: 2, seqno: 1 });
  });

  // Goal: batches may be taken at any time; the files are the same.
  test("gives the same files however the batches fall", async () => {
    const service = await TestService.create(2500);
    const secondDirectory = new MemoryDirectory();
    const second = new LedgerWriter({
      crypto: service.crypto,
      secrets: service.secrets,
      chunkSizeBytes: 1,
    });
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 4; index++) service.append(write("notes", "k", "v".repeat(300)));
      await service.sign(0);
    }
    for (const [index, bytes] of service.entries.entries()) {
      second.appendEncoded(bytes);
      if (index % 3 !== 0) continue;
      const batch = second.takeBatch();
      if (batch !== undefined) secondDirectory.write(batch);
    }
    const batch = second.takeBatch();
    if (batch !== undefined) secondDirectory.write(batch);
    expect(second.tree.root()).toEqual(service.writer.tree.root());
    expect(secondDirectory.files).toEqual(service.directory.files);
  });

  // Goal: entries out of order are refused as an error of the sender, not of the program.
  test("refuses an encoded entry that does not follow", async () => {
    const service = await TestService.create();
    const other = new LedgerWriter({ crypto: service.crypto, secrets: service.secrets });
    const bytes = new Uint8Array(service.append(write("notes", "k", "v")).bytes);
    expect(() => other.appendEncoded(bytes)).toThrow(
      expect.objectContaining({ code: "BadLedger" }),
    );
  });
});

describe("real ledgers", () => {
  // Goal: a backup that receives the entries of a real service has its files byte for byte.
  test.each(presentLedgers())("$name is reproduced byte for byte", ({ name }) => {
    const crypto = createNodeCrypto();
    const secrets = new LedgerSecrets(crypto, [{ version: 0, key: new Uint8Array(32) }]);
    const files = orderLedgerFiles(readLedger(name)).chunks;
    for (const { file, chunk } of files) {
      const reader = new ChunkReader(file);
      const entries = [...reader.entries()];
      const txId = { view: 0, seqno: chunk.startSeqno - 1 };
      const tree = createMerkleTree();
      while (tree.leafCount < chunk.startSeqno) tree.append(new Uint8Array(32));
      const writer = new LedgerWriter({ crypto, secrets, lastTxId: txId, tree });
      for (const { bytes } of entries) writer.appendEncoded(bytes);
      const batch = writer.takeBatch();
      const bytes = concatBytes(...(batch?.writes ?? []).map((part) => part.bytes));
      const last = decodeLedgerEntry(entries.at(-1)!.bytes);
      const body = file.read(8, (last.flags & 1) === 1 ? file.sizeBytes : reader.entriesEnd - 8);
      expect(equalBytes(bytes.subarray(8), body)).toBe(true);
    }
  });

  test("are typed errors when damaged", () => {
    // Goal: the reader of encoded entries fails in a typed way.
    const crypto = createNodeCrypto();
    const secrets = new LedgerSecrets(crypto, [{ version: 0, key: new Uint8Array(32) }]);
    const writer = new LedgerWriter({ crypto, secrets });
    let caught: unknown;
    try {
      writer.appendEncoded(new Uint8Array(100));
    } catch (error) {
      caught = error;
    }
    expect(isCocoError(caught)).toBe(true);
  });
});

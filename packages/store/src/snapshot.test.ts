import { concatBytes, equalBytes, isCocoError, utf8ToBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { auditLedger } from "./ledger-audit.ts";
import { recoverSecrets, SecretRecordCollector } from "./ledger-decrypt.ts";
import {
  presentLedgers,
  readLedger,
  readMemberKeys,
  readSnapshots,
} from "./real-ledgers.testing.ts";
import { createReceipt, receiptToJson } from "./receipt.ts";
import { readSignature } from "./signature-transaction.ts";
import {
  decodeSnapshotFile,
  decryptSnapshotMaps,
  encodeSnapshot,
  formatSnapshotName,
  parseSnapshotName,
  type SnapshotContent,
  snapshotDigest,
  verifySnapshot,
} from "./snapshot.ts";
import { TestService } from "./test-service.testing.ts";

const crypto = createNodeCrypto();

describe("snapshots of real services", () => {
  // Goal: real snapshots verify against the service of their time, their private maps open with
  // the recovered secrets, and encoding them again gives the same bytes.
  test.each(presentLedgers())("of $name", ({ name }) => {
    const records = new SecretRecordCollector();
    const services: string[] = [];
    auditLedger(readLedger(name), {
      crypto,
      onTransaction: ({ writeSet, entry }) => {
        records.apply(writeSet, entry.txId.seqno);
        for (const map of writeSet.maps) {
          if (map.name !== "public:ccf.gov.service.info") continue;
          const row = JSON.parse(new TextDecoder().decode(map.writes[0]![1]));
          if (!services.includes(row.cert)) services.push(row.cert);
        }
      },
    });
    const { secrets } = recoverSecrets(crypto, records, readMemberKeys(name));
    for (const file of readSnapshots(name)) {
      const bytes = file.read(0, file.sizeBytes);
      const snapshot = decodeSnapshotFile(bytes);
      const { key } = secrets.at(snapshot.content.txId.seqno);
      const privateMaps = decryptSnapshotMaps(crypto, snapshot.entry, key);
      const maps = [...snapshot.content.maps, ...privateMaps];
      const again = encodeSnapshot(crypto, key, { ...snapshot.content, maps });
      expect(equalBytes(again, snapshot.entry.bytes), file.name).toBe(true);
      expect(parseSnapshotName(file.name)?.seqno).toBe(snapshot.content.txId.seqno);
      const verified = services.filter((serviceCertificate) => {
        try {
          verifySnapshot(crypto, snapshot, { serviceCertificate });
          return true;
        } catch (error) {
          expect(isCocoError(error) && error.facts["check"]).toBe("endorsement");
          return false;
        }
      });
      expect(verified.length, file.name).toBeGreaterThanOrEqual(1);
    }
  });
});

async function makeSnapshot() {
  const service = await TestService.create();
  const rows = [
    { key: utf8ToBytes("k"), value: utf8ToBytes("value"), version: 1 },
    { key: utf8ToBytes("eight888"), value: new Uint8Array(0), version: 2 },
  ];
  const content: SnapshotContent = {
    txId: { view: 2, seqno: 2 },
    hashAtSnapshot: new Uint8Array(32).fill(3),
    viewHistory: [1, 1],
    maps: [
      { name: "public:a", version: 1, rows },
      { name: "private", version: 2, rows },
    ],
  };
  const { key } = service.secrets.at(2);
  await service.sign();
  const entry = encodeSnapshot(crypto, key, content);
  const digest = crypto.sha256(entry);
  const components = service.append({ maps: [] }, new Uint8Array(digest));
  const signature = readSignature(await service.sign());
  const receipt = createReceipt({
    tree: service.writer.tree,
    seqno: components.txId.seqno,
    components,
    signed: { ...signature, certificate: signature.certificate! },
  });
  const file = concatBytes(entry, utf8ToBytes(JSON.stringify(receiptToJson(receipt))));
  return { service, content, key, entry, file };
}

describe("snapshots", () => {
  // Goal: what is encoded is decoded, private maps with the right key only.
  test("round trip", async () => {
    const { content, key, file, service } = await makeSnapshot();
    const snapshot = decodeSnapshotFile(file);
    const { serviceCertificate } = service;
    expect(verifySnapshot(crypto, snapshot, { serviceCertificate }).txId).toEqual({
      view: 2,
      seqno: 3,
    });
    const maps = [...snapshot.content.maps, ...decryptSnapshotMaps(crypto, snapshot.entry, key)];
    expect({ ...snapshot.content, maps }).toEqual(content);
    expect(snapshotDigest(crypto, snapshot.entry).length).toBe(32);
    expect(() => decryptSnapshotMaps(crypto, snapshot.entry, new Uint8Array(32))).toThrow(
      expect.objectContaining({ code: "WrongSecret" }),
    );
  });

  // Goal: no byte of a snapshot file can be changed unnoticed.
  test("are refused when any byte is changed", async () => {
    const { file, service } = await makeSnapshot();
    const { serviceCertificate } = service;
    for (let index = 0; index < file.length; index++) {
      const changed = new Uint8Array(file);
      changed[index]! ^= 1 << (index % 7);
      let outcome: unknown = "accepted";
      try {
        verifySnapshot(crypto, decodeSnapshotFile(changed), { serviceCertificate });
      } catch (error) {
        outcome = isCocoError(error) ? "refused" : error;
      }
      expect(
        outcome,
        `byte ${index}: ${new TextDecoder().decode(changed.slice(index - 20, index + 20))}`,
      ).toBe("refused");
    }
  });

  // Goal: names are parsed and formatted the same way; others are not taken for snapshots.
  test("have names", () => {
    for (const name of ["snapshot_15_16.committed", "snapshot_1_3"]) {
      expect(formatSnapshotName(parseSnapshotName(name)!)).toBe(name);
    }
    for (const name of ["snapshot_0_1", "snapshot_1", "snapshot_1_2.tmp", "ledger_1-2"]) {
      expect(parseSnapshotName(name)).toBeUndefined();
    }
  });
});

import { bytesToLatin1, concatBytes, isCocoError } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteWriter } from "./byte-writer.ts";
import { formatChunkName, parseChunkName } from "./chunk-name.ts";
import { ChunkReader, type LedgerFile } from "./chunk-reader.ts";
import { parseCoseReceipt } from "./cose-receipt.ts";
import { decryptEntry } from "./entry-decryption.ts";
import { encodeLedgerEntry } from "./entry-encoder.ts";
import { auditLedger } from "./ledger-audit.ts";
import { orderLedgerFiles } from "./ledger-directory.ts";
import { decodeLedgerEntry } from "./ledger-entry.ts";
import { LedgerSecrets } from "./ledger-secrets.ts";
import { bytesToFile } from "./real-ledgers.testing.ts";
import { parseReceipt } from "./receipt.ts";
import { readSignature } from "./signature-transaction.ts";
import { decodeSnapshotFile } from "./snapshot.ts";
import { TestService, write } from "./test-service.testing.ts";
import { compareTxIds, textToTxId, txIdToText } from "./tx-id.ts";
import { decodeWriteSet, encodeWriteSet, type MapChanges } from "./write-set.ts";

const crypto = createNodeCrypto();
const bytes = () => fc.uint8Array({ maxLength: 40 });

/** Maps of one domain with different names, as a transaction has them. */
function mapsOf(prefix: string): fc.Arbitrary<MapChanges[]> {
  const map = fc.record({
    name: fc.string({ unit: "grapheme", maxLength: 12 }).map((name) => `${prefix}${name}`),
    readVersion: fc.maxSafeNat(),
    writes: fc.array(fc.tuple(bytes(), bytes()), { maxLength: 4 }),
    removes: fc.array(bytes(), { maxLength: 3 }),
  });
  return fc.uniqueArray(map, { selector: ({ name }) => name, maxLength: 4 });
}

const plain = (value: unknown) =>
  JSON.stringify(value, (_, item) => (item instanceof Uint8Array ? bytesToLatin1(item) : item));

describe("write sets", () => {
  // Goal: what is encoded is decoded, from bytes and from one-byte texts alike.
  test("round trip", () => {
    fc.assert(
      fc.property(mapsOf("public:"), mapsOf("p"), (shared, hidden) => {
        const writeSet = { maps: [...shared, ...hidden] };
        for (const [domain, maps] of [
          ["public", shared],
          ["private", hidden],
        ] as const) {
          const writer = new ByteWriter(8);
          encodeWriteSet(writer, writeSet, domain);
          expect(plain(decodeWriteSet(writer.slice(), domain).maps)).toBe(plain(maps));
          const texts = writeSet.maps.map((map) => ({
            ...map,
            writes: map.writes.map(
              ([key, value]) => [bytesToLatin1(key), bytesToLatin1(value)] as const,
            ),
            removes: map.removes.map(bytesToLatin1),
          }));
          const again = new ByteWriter();
          encodeWriteSet(again, { maps: texts }, domain);
          expect(again.slice()).toEqual(writer.slice());
        }
      }),
    );
  });

  // Goal: a map in the wrong domain would be a leak, and twice the same map is ambiguous.
  test("refuses maps out of place", () => {
    const map = (name: string) => ({ name, readVersion: 0, writes: [], removes: [] });
    const writer = new ByteWriter();
    encodeWriteSet(writer, { maps: [map("secret")] }, "private");
    const refused = expect.objectContaining({ code: "BadWriteSet" });
    expect(() => decodeWriteSet(writer.slice(), "public")).toThrow(refused);
    encodeWriteSet(writer, { maps: [map("secret")] }, "private");
    expect(() => decodeWriteSet(writer.slice(), "private")).toThrow(refused);
  });
});

describe("entries", () => {
  // Goal: an entry gives back its transaction, its write sets and its digests.
  test("round trip", () => {
    const ids = fc.record({ view: fc.nat(0x7fff_ffff), seqno: fc.maxSafeNat() });
    const secrets = new LedgerSecrets(crypto, [{ version: 0, key: crypto.bytes(32) }]);
    fc.assert(
      fc.property(ids, mapsOf("public:"), mapsOf("p"), (txId, shared, hidden) => {
        const writer = new ByteWriter(16);
        const claimsDigest = crypto.sha256(Uint8Array.of(txId.seqno % 256));
        const commitEvidenceDigest = Int32Array.from(
          { length: 8 },
          (_, index) => index * txId.view,
        );
        const sizeBytes = encodeLedgerEntry(writer, crypto, {
          ...txId,
          writeSet: { maps: [...hidden, ...shared] },
          claimsDigest,
          commitEvidenceDigest,
          key: secrets.at(txId.seqno).key,
        });
        expect(sizeBytes).toBe(writer.length);
        const entry = decodeLedgerEntry(writer.slice());
        expect(entry.txId).toEqual(txId);
        expect(equal(entry.claimsDigest, claimsDigest)).toBe(true);
        const publicSet = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
        expect(plain(publicSet.maps)).toBe(plain(shared));
        expect(plain(decryptEntry(crypto, entry, secrets).maps)).toBe(plain(hidden));
      }),
      { numRuns: 50 },
    );
  });

  function equal(left: Uint8Array | undefined, right: Uint8Array): boolean {
    return left !== undefined && bytesToLatin1(left) === bytesToLatin1(right);
  }
});

describe("names and identifiers", () => {
  // Goal: names are parsed and formatted the same way, and nothing else is taken for a chunk.
  test("of chunks", () => {
    for (const name of ["ledger_1", "ledger_5-9", "ledger_5-9.committed"]) {
      const chunk = parseChunkName(name)!;
      expect(formatChunkName(chunk.startSeqno, chunk.endSeqno, chunk.state === "committed")).toBe(
        name,
      );
    }
    expect(parseChunkName("ledger_5-9.committed.recovery")).toMatchObject({ isRecovery: true });
    expect(parseChunkName("ledger_5-9.ignored")).toMatchObject({ isIgnored: true });
    for (const name of [
      "ledger_0",
      "ledger_9-5",
      "ledger_1.committed",
      "ledger_01",
      "x",
      "ledger_",
    ]) {
      expect(parseChunkName(name), name).toBeUndefined();
    }
  });

  // Goal: files set aside are no part of the ledger; gaps and overlaps are refused.
  test("of directories", () => {
    const order = (...names: readonly string[]) =>
      orderLedgerFiles(names.map((name) => ({ name }))).chunks.map(({ file }) => file.name);
    expect(
      order("ledger_3", "notes.txt", "ledger_1-2", "ledger_9.ignored", "ledger_3.recovery"),
    ).toEqual(["ledger_1-2", "ledger_3"]);
    const refused = expect.objectContaining({ code: "BadLedger" });
    expect(() => order("ledger_2-3")).toThrow(refused);
    expect(() => order("ledger_1-2", "ledger_4")).toThrow(refused);
    expect(() => order("ledger_1-3", "ledger_3-4")).toThrow(refused);
    expect(() => order("ledger_1-3", "ledger_1-3.committed")).toThrow(refused);
    expect(() => order("ledger_1", "ledger_2-3")).toThrow(refused);
  });

  // Goal: transaction identifiers have one spelling.
  test("of transactions", () => {
    expect(textToTxId("2.15")).toEqual({ view: 2, seqno: 15 });
    expect(txIdToText({ view: 2, seqno: 15 })).toBe("2.15");
    for (const text of ["2", "2.", "02.1", "2.1.1", "-1.2", "2.99999999999999999", ""]) {
      expect(textToTxId(text), text).toBeUndefined();
    }
    expect(compareTxIds({ view: 3, seqno: 1 }, { view: 2, seqno: 9 })).toBeGreaterThan(0);
  });
});

describe("streaming", () => {
  // Goal: a chunk of many windows is read in bounded pieces, also with an oversize entry.
  test("reads a large chunk piece by piece", async () => {
    const service = await TestService.create();
    for (let index = 0; index < 30; index++) {
      service.append(write("public:big", `k${index}`, "v".repeat(index === 7 ? 900_000 : 40_000)));
    }
    service.writer.requestChunkEnd();
    await service.sign();
    const [file] = service.directory.list();
    let largest = 0;
    const counted: LedgerFile = {
      ...file!,
      read: (offset, length) => {
        largest = Math.max(largest, length);
        return file!.read(offset, length);
      },
    };
    const entries = [...new ChunkReader(counted).entries()];
    expect(entries.length).toBe(32);
    expect(largest).toBeLessThan(1_000_000);
    const reader = new ChunkReader(counted);
    for (const { seqno, offset } of entries) expect(reader.entry(seqno)!.offset).toBe(offset);
    expect(reader.entry(33)).toBeUndefined();
  });
});

describe("hostile input", () => {
  const parsers: readonly ((input: Uint8Array) => unknown)[] = [
    (input) => decodeLedgerEntry(input),
    (input) => decodeWriteSet(input, "public"),
    (input) => decodeSnapshotFile(input),
    (input) => parseCoseReceipt(input),
    (input) => readSignature(decodeWriteSet(input, "public")),
    (input) => [...new ChunkReader(bytesToFile("ledger_1", input)).entries()],
    (input) => [...new ChunkReader(bytesToFile("ledger_1-3", input)).entries()],
    (input) => new ChunkReader(bytesToFile("ledger_1-3", input)).entry(2),
    (input) => auditLedger([bytesToFile("ledger_1", input)], { crypto }),
  ];

  function expectTyped(parse: (input: Uint8Array) => unknown, input: Uint8Array): void {
    try {
      parse(input);
    } catch (error) {
      if (!isCocoError(error)) throw error;
    }
  }

  // Goal: random bytes and damaged real structures give typed errors, never another exception.
  test("gives only typed errors", async () => {
    const service = await TestService.create();
    service.append(write("public:notes", "k", "v"));
    service.writer.requestChunkEnd();
    const signature = await service.sign();
    const writer = new ByteWriter();
    encodeWriteSet(writer, signature, "public");
    const [file] = service.directory.files.values();
    const seeds = [file!, ...service.entries, writer.slice(), concatBytes(service.entries[0]!)];
    const mutation = fc.tuple(fc.nat(), fc.nat(255), fc.nat(300));
    const damaged = fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.nat(9),
      )
      .map(([seed, mutations, cut]) => {
        const input = seed.slice(0, cut === 0 ? seed.length >> 1 : seed.length);
        for (const [at, value, near] of mutations) {
          // Half of the changes hit the structures at the beginning.
          input[at % 2 === 0 ? near % input.length : at % input.length] = value;
        }
        return input;
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (input) => {
        for (const parse of parsers) expectTyped(parse, input);
      }),
      { numRuns: 1500 },
    );
  });

  // Goal: the same for receipts as JSON.
  test("gives only typed errors for JSON", () => {
    const field = fc.oneof(fc.string(), fc.nat(), fc.constant(null), fc.array(fc.string()));
    const near = fc.record(
      {
        signature: field,
        cert: field,
        node_id: fc.oneof(field, fc.constant("0".repeat(64))),
        proof: fc.oneof(field, fc.array(fc.record({ left: field }))),
        leaf: fc.oneof(field, fc.constant("0".repeat(64))),
        leaf_components: fc.record({ write_set_digest: field, commit_evidence: field }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), near), (json) => {
        try {
          parseReceipt(json);
        } catch (error) {
          if (!isCocoError(error)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});

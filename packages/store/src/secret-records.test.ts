import { bytesToHex, concatBytes, isCocoError, utf8ToBytes } from "@coco/base";
import { createNodeCrypto, generateEncryptionKey } from "@coco/base/node";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decryptLedger } from "./ledger-decrypt.ts";
import { type LedgerSecret, LedgerSecrets } from "./ledger-secrets.ts";
import { ledgerTable, singletonKey } from "./ledger-tables.ts";
import {
  createHistoricalSecret,
  createNodeSecrets,
  createRecoveryShares,
  openShare,
  type RecoveryMember,
  readHistoricalSecret,
  readNodeSecrets,
  readRecoveryShares,
  recoverLatestSecret,
  recoverSecretChain,
} from "./secret-records.ts";
import { combineShares, decodeShare, encodeShare, splitSecret } from "./secret-sharing.ts";
import { singleton, TestService, write } from "./test-service.testing.ts";
import type { MapChanges } from "./write-set.ts";

const crypto = createNodeCrypto();
const keys = Array.from({ length: 3 }, () => generateEncryptionKey());

function members(roles: readonly RecoveryMember["role"][]): RecoveryMember[] {
  return roles.map((role, index) => ({
    memberId: bytesToHex(crypto.sha256(Uint8Array.of(index))),
    encryptionPublicKey: keys[index]!.publicPem,
    role,
  }));
}

function secret(version: number): LedgerSecret {
  return { version, key: crypto.bytes(32) };
}

function row(name: string, value: Uint8Array): MapChanges {
  return { name, readVersion: 0, writes: [[singletonKey, value]], removes: [] };
}

describe("secret sharing", () => {
  // Goal: any shares as many as the threshold give the secret back, fewer do not.
  test("any threshold of shares recovers the secret", () => {
    const scene = fc
      .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }))
      .map(([left, right]) => ({ threshold: Math.min(left, right), count: Math.max(left, right) }));
    fc.assert(
      fc.property(scene, fc.infiniteStream(fc.nat()), ({ threshold, count }, order) => {
        const { secret: whole, shares } = splitSecret(crypto, threshold, count);
        const weights = shares.map(() => Number(order.next().value));
        const shuffled = shares.toSorted(
          (left, right) => weights[left.x - 1]! - weights[right.x - 1]!,
        );
        const chosen = shuffled.slice(0, threshold).map((share) => decodeShare(encodeShare(share)));
        expect(combineShares(chosen)).toEqual(whole);
        if (threshold > 1) expect(combineShares(chosen.slice(1))).not.toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  test("the same share twice is refused", () => {
    // Goal: a duplicate cannot count for two.
    const { shares } = splitSecret(crypto, 2, 3);
    const refused = expect.objectContaining({ code: "BadShare" });
    expect(() => combineShares([shares[0]!, shares[0]!])).toThrow(refused);
    expect(() => decodeShare(new Uint8Array(43))).toThrow(refused);
  });
});

describe("recovery shares", () => {
  // Goal: two of three participants recover the secret; one, or wrong ones, do not.
  test("participants", () => {
    const latest = { ...secret(5), previousSecretStoredVersion: 3 };
    const options = { crypto, latest, threshold: 2 };
    const list = members(["Participant", "Participant", "Participant"]);
    const record = readRecoveryShares(createRecoveryShares({ ...options, members: list }));
    expect(record.previousSecretStoredVersion).toBe(3);
    const shares = list.map(({ memberId }, index) =>
      openShare(crypto, keys[index]!.privatePem, record.encryptedShares.get(memberId)!),
    );
    const recovered = recoverLatestSecret(crypto, record, shares.slice(1), 2);
    expect(recovered).toEqual({ key: latest.key, sharesUsed: 2 });
    expect(() => recoverLatestSecret(crypto, record, shares.slice(2), 2)).toThrow(
      expect.objectContaining({ code: "NotEnoughShares" }),
    );
    const wrong = { ...shares[0]!, y: shares[0]!.y.map((element) => element ^ 1) };
    expect(() => recoverLatestSecret(crypto, record, [wrong, shares[1]!], 2)).toThrow(
      expect.objectContaining({ code: "BadShare" }),
    );
  });

  // Goal: an owner recovers alone, and alone owners need no participants.
  test("owners", () => {
    for (const roles of [["Participant", "Participant", "Owner"], ["Owner"]] as const) {
      const latest = secret(1);
      const threshold = roles.length === 1 ? 1 : 2;
      const list = members(roles);
      const value = createRecoveryShares({ crypto, latest, members: list, threshold });
      const record = readRecoveryShares(value);
      const owner = list.at(-1)!.memberId;
      const key = keys[roles.length - 1]!.privatePem;
      const share = openShare(crypto, key, record.encryptedShares.get(owner)!);
      expect(recoverLatestSecret(crypto, record, [share], threshold).key).toEqual(latest.key);
    }
    const tooMany = () =>
      createRecoveryShares({
        crypto,
        latest: secret(1),
        members: members(["Owner"]),
        threshold: 2,
      });
    expect(tooMany).toThrow(expect.objectContaining({ code: "NotEnoughShares" }));
  });
});

describe("the chain of secrets", () => {
  // Goal: the last secret opens all before it, also when one was sealed twice.
  test("is walked backwards", () => {
    const chain = [secret(1), secret(11), secret(21)];
    const seal = (index: number, extra = {}) =>
      createHistoricalSecret({
        crypto,
        latest: chain[index]!,
        previous: chain[index - 1],
        ...extra,
      });
    const records = [
      readHistoricalSecret(seal(0, { nextVersion: 1 }), 4),
      readHistoricalSecret(seal(1, { previousSecretStoredVersion: 4 }), 10),
      readHistoricalSecret(seal(2, { previousSecretStoredVersion: 10 }), 20),
      readHistoricalSecret(seal(2, { previousSecretStoredVersion: 20, nextVersion: 21 }), 25),
    ];
    const recovered = recoverSecretChain(crypto, chain[2]!.key, records);
    expect(recovered.map(({ version }) => version)).toEqual([1, 11, 21]);
    expect(recovered.map(({ key }) => key)).toEqual(chain.map(({ key }) => key));
    expect(() => recoverSecretChain(crypto, crypto.bytes(32), records)).toThrow(
      expect.objectContaining({ code: "DecryptionFailed" }),
    );
    expect(() => recoverSecretChain(crypto, chain[2]!.key, [])).toThrow(
      expect.objectContaining({ code: "BadSecretRecord" }),
    );
  });

  // Goal: a node finds its own secrets and no others'.
  test("is sent to nodes", () => {
    const nodes = new Map([["n1", keys[0]!.publicPem]]);
    const secrets = [secret(1), { ...secret(9), previousSecretStoredVersion: 4 }];
    const value = createNodeSecrets({ wrap: crypto, nodes, secrets, isRekey: false });
    const read = readNodeSecrets(value, "n1");
    expect(read.map(({ version }) => version)).toEqual([1, 9]);
    expect(read[1]!.previousSecretStoredVersion).toBe(4);
    const key = crypto.unwrapRsaOaep(keys[0]!.privatePem, read[0]!.encrypted);
    expect(new Uint8Array(key)).toEqual(secrets[0]!.key);
    expect(readNodeSecrets(value, "n2")).toEqual([]);
    const rekey = createNodeSecrets({ wrap: crypto, nodes, secrets, isRekey: true });
    expect(readNodeSecrets(rekey, "n1")[0]!.version).toBeUndefined();
    expect(new TextDecoder().decode(rekey)).toContain('"version":null');
  });
});

describe("LedgerSecrets", () => {
  // Goal: each transaction has the secret of its time, whatever was asked before.
  test("gives the secret in force", () => {
    const secrets = new LedgerSecrets(crypto, [secret(11), secret(1)]);
    const versionAt = (seqno: number) => secrets.at(seqno).version;
    expect([1, 10, 11, 99, 10].map(versionAt)).toEqual([1, 1, 11, 11, 1]);
    expect(() => secrets.at(0)).toThrow(expect.objectContaining({ code: "SecretMissing" }));
    secrets.add(secret(50));
    expect(versionAt(99)).toBe(50);
    secrets.rollback(49);
    expect(versionAt(99)).toBe(50);
    secrets.rollback(48);
    expect(versionAt(99)).toBe(11);
  });
});

describe("a ledger of our own", () => {
  // Goal: after two re-keys the members' keys decrypt everything that was written.
  test("is decrypted by its members", async () => {
    const service = await TestService.create();
    const list = members(["Participant", "Participant", "Participant"]);
    const rekey = () => {
      const { secrets, writer } = service;
      const previous = secrets.latest()!;
      const seqno = writer.lastTxId.seqno + 1;
      const latest = { version: seqno + 1, key: crypto.bytes(32) };
      service.append({
        maps: [
          row(ledgerTable.historicalSecret, createHistoricalSecret({ crypto, latest, previous })),
          row(
            ledgerTable.recoveryShares,
            createRecoveryShares({ crypto, latest, members: list, threshold: 2 }),
          ),
        ],
      });
      secrets.add(latest);
    };
    service.append({ maps: [singleton(ledgerTable.configuration, { recovery_threshold: 2 })] });
    for (const value of ["one", "two", "three"]) {
      rekey();
      service.append(write("notes", "k", value));
      await service.sign();
    }
    const seen: string[] = [];
    const memberEncryptionKeys = keys.slice(1).map(({ privatePem }) => privatePem);
    const report = decryptLedger(service.directory.list(), {
      crypto,
      memberEncryptionKeys,
      onTransaction: ({ privateWriteSet }) => {
        for (const map of privateWriteSet.maps) {
          for (const [, value] of map.writes) seen.push(new TextDecoder().decode(value));
        }
      },
    });
    expect(seen).toEqual(["one", "two", "three"]);
    expect(report).toMatchObject({ threshold: 2, sharesUsed: 2, ledgerSecrets: 4 });
    const disk = concatBytes(...service.directory.files.values());
    const text = new TextDecoder("latin1").decode(disk);
    expect(text.includes("three")).toBe(false);
  });
});

describe("hostile records", () => {
  // Goal: whatever stands in the tables, only typed errors come out.
  test("are typed errors", () => {
    const readers = [
      (bytes: Uint8Array) => readRecoveryShares(bytes),
      (bytes: Uint8Array) => readHistoricalSecret(bytes, 1),
      (bytes: Uint8Array) => readNodeSecrets(bytes, "n1"),
    ];
    fc.assert(
      fc.property(fc.oneof(fc.json().map(utf8ToBytes), fc.uint8Array()), (bytes) => {
        for (const read of readers) {
          try {
            read(bytes);
          } catch (error) {
            expect(isCocoError(error)).toBe(true);
          }
        }
      }),
    );
  });
});

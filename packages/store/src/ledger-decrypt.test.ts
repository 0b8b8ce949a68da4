import { createNodeCrypto, generateEncryptionKey } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { decryptLedger } from "./ledger-decrypt.ts";
import { presentLedgers, readLedger, readMemberKeys } from "./real-ledgers.testing.ts";

const crypto = createNodeCrypto();

describe("real ledgers", () => {
  // Goal: the members' keys open every private part of every real ledger.
  test.each(presentLedgers())("$name is decrypted", (known) => {
    const memberEncryptionKeys = readMemberKeys(known.name);
    let seen = 0;
    const report = decryptLedger(readLedger(known.name), {
      crypto,
      memberEncryptionKeys,
      onTransaction: () => seen++,
    });
    expect(report).toMatchObject({
      threshold: known.threshold,
      sharesUsed: known.threshold,
      transactions: known.transactions,
      privateDecrypted: known.transactions,
    });
    expect(report.commitEvidenceChecked).toBe(known.commitEvidence);
    expect(seen).toBe(known.transactions);
  });

  // Goal: fewer keys than the threshold, or foreign ones, open nothing.
  test.each(presentLedgers())("$name stays closed without the keys", (known) => {
    const keys = readMemberKeys(known.name).slice(0, known.threshold - 1);
    keys.push(generateEncryptionKey().privatePem);
    const open = () =>
      decryptLedger(readLedger(known.name), { crypto, memberEncryptionKeys: keys });
    expect(open).toThrow(expect.objectContaining({ code: "NotEnoughShares" }));
  });
});

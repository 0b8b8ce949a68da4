import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { auditLedger } from "./ledger-audit.ts";
import { presentLedgers, readLedger, readPem } from "./real-ledgers.testing.ts";

const crypto = createNodeCrypto();

describe("real ledgers", () => {
  // Goal: every ledger that a real service wrote verifies, and to the values its own tools give.
  test.each(presentLedgers())("$name verifies", (known) => {
    const report = auditLedger(readLedger(known.name), {
      crypto,
      serviceCertificate: readPem(known.name, "service_cert.pem"),
    });
    expect(report).toMatchObject({
      transactions: known.transactions,
      signatures: known.signatures,
      coseSignatures: known.coseSignatures,
    });
    expect(report.root.startsWith(known.rootStart)).toBe(true);
    expect(report.root.endsWith(known.rootEnd)).toBe(true);
  });
});

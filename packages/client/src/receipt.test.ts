import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { createBrowserCrypto } from "./browser/browser-crypto.ts";
import { verifyServiceReceipt } from "./receipt.ts";
import { hasVectors, readExchanges, readLivePem } from "./vectors.testing.ts";

const cryptos = { node: createNodeCrypto(), browser: createBrowserCrypto() };

/** The receipts of the recorded run before its disaster recovery. */
function recordedReceipts(): { readonly path: string; readonly receipt: object }[] {
  return readExchanges()
    .filter(
      ({ set, request, response }) =>
        set === "main" && /receipt\?transaction_id/.test(request.path) && response.status === 200,
    )
    .map(({ request, response }) => ({ path: request.path, receipt: JSON.parse(response.body) }));
}

describe.skipIf(!hasVectors)("receipts of a live node", () => {
  // Goal: every recorded receipt verifies with both sets of crypto, and names its transaction.
  test.each(["node", "browser"] as const)("verify with %s crypto", (name) => {
    const receipts = recordedReceipts();
    expect(receipts.length).toBeGreaterThanOrEqual(3);
    const service = readLivePem("service_cert.pem");
    for (const { path, receipt } of receipts) {
      const verdict = verifyServiceReceipt(cryptos[name], receipt, service);
      expect(verdict.root).toMatch(/^[0-9a-f]{64}$/);
      if ("leaf_components" in receipt) expect(path).toContain(`=${verdict.txId}`);
      else expect(verdict.txId).toBeUndefined();
    }
  });

  // Goal: a receipt is refused by both when any part of it, or the service, is another one.
  test.each(["node", "browser"] as const)("refuse changed ones with %s crypto", (name) => {
    const crypto = cryptos[name];
    const service = readLivePem("service_cert.pem");
    const found = recordedReceipts().find(({ receipt }) => "leaf_components" in receipt)!;
    const receipt = found.receipt as {
      proof: { left?: string; right?: string }[];
      leaf_components: { commit_evidence: string; write_set_digest: string };
      signature: string;
    };
    const changes: (() => object)[] = [
      () => ({ ...receipt, proof: [{ left: "00".repeat(32) }, ...receipt.proof.slice(1)] }),
      () => ({ ...receipt, proof: receipt.proof.slice(1) }),
      () => ({
        ...receipt,
        leaf_components: { ...receipt.leaf_components, write_set_digest: "11".repeat(32) },
      }),
      () => ({ ...receipt, signature: receipt.signature.replace(/[A-Z]/, "0") }),
    ];
    for (const change of changes) {
      expect(() => verifyServiceReceipt(crypto, change(), service)).toThrow();
    }
    const other = readLivePem("user0_cert.pem");
    expect(() => verifyServiceReceipt(crypto, receipt, other)).toThrow(
      expect.objectContaining({ code: "ReceiptNotVerified", facts: { check: "endorsement" } }),
    );
    const expected = { txId: "2.1" };
    expect(() => verifyServiceReceipt(crypto, receipt, service, expected)).toThrow(
      expect.objectContaining({ facts: { check: "transaction" } }),
    );
  });
});

describe("malformed receipts", () => {
  // Goal: whatever stands in place of a receipt, the error is a typed one.
  test.each([null, 1, "x", [], {}, { proof: [] }, new Uint8Array([0xd2, 0x84]), new Uint8Array(0)])(
    "%j",
    (receipt) => {
      for (const crypto of Object.values(cryptos)) {
        expect(() => verifyServiceReceipt(crypto, receipt, "")).toThrow(
          expect.objectContaining({ name: "CocoError" }),
        );
      }
    },
  );
});

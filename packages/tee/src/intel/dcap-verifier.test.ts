import { describe, test } from "vitest";
import { crypto, hasVectors, readVector, readVectorText } from "../vectors.testing.ts";
import { type VerificationInput, verifyEvidence } from "../verification.ts";
import { sgxVerifier, tdxVerifier } from "./dcap-verifier.ts";

function judge(
  platform: "sgx" | "tdx",
  quote: Uint8Array,
  endorsements: Uint8Array,
  at: string,
  more: Partial<VerificationInput> = {},
) {
  const format = platform === "sgx" ? "Intel_SGX_DCAP" : "Intel_TDX_DCAP";
  const evidence = { format, quote, endorsements } as const;
  return verifyEvidence([sgxVerifier, tdxVerifier], {
    evidence,
    nowMs: Date.parse(at),
    crypto,
    ...more,
  });
}

describe.skipIf(!hasVectors)("x", () => {
  test("y", () => {
    for (const [p, q, c, at] of [
      ["sgx", "sgx-phala/sgx_quote", "sgx-phala/sgx_quote_collateral.json", "2025-06-25"],
      ["sgx", "sgx-00a067-debug/quote.bin", "sgx-00a067-debug/collateral.json", "2025-06-25"],
      ["tdx", "tdx-phala/tdx_quote", "tdx-phala/tdx_quote_collateral.json", "2025-06-25"],
      [
        "tdx",
        "tdx-phala/tdx_quote_outdated",
        "tdx-phala/tdx_quote_outdated_collateral.json",
        "2026-03-01",
      ],
      ["tdx", "tdx-v5-90c06f/quote.bin", "tdx-v5-90c06f/collateral.json", "2026-03-25"],
      ["tdx", "tdx-v5-90c06f-b/quote.bin", "tdx-v5-90c06f-b/collateral.json", "2026-03-25"],
      ["tdx", "tdx-v4-50806f-debug/quote.bin", "tdx-v4-50806f-debug/collateral.json", "2026-03-25"],
      [
        "tdx",
        "tdx-v4-50806f-outofdate/quote.bin",
        "tdx-v4-50806f-outofdate/collateral.json",
        "2026-03-25",
      ],
      ["tdx", "tdx-v4-00806f05/quote.bin", "tdx-v4-00806f05/collateral.json", "2025-11-05"],
      ["tdx", "tdx-v4-00806f05-az/quote.bin", "tdx-v4-00806f05-az/collateral.json", "2025-11-05"],
    ] as const) {
      const r = judge(p, readVector(q), readVector(c), at);
      console.log(
        q,
        r.ok,
        r.code,
        r.claims?.tcbStatus,
        r.claims?.advisories?.join(),
        r.checks.filter(({ ok }) => !ok),
      );
    }
    console.log(readVectorText("sgx-phala/sgx_quote_collateral.json").length);
  });
});

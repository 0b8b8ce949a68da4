import { describe, test } from "vitest";
import { crypto, hasVectors, readVector } from "../vectors.testing.ts";
import { verifyEvidence } from "../verification.ts";
import { azureSnpVerifier, azureTdxVerifier } from "./azure-verifier.ts";

describe.skipIf(!hasVectors)("x", () => {
  test("y", () => {
    for (const [p, f] of [
      ["Azure_SNP_vTPM", "azcvm-snp/live-evidence.json"],
      ["Azure_SNP_vTPM", "azcvm-snp/evidence-v1.json"],
      ["Azure_SNP_vTPM", "azcvm-snp/milan-v3-attestation.json"],
      ["Azure_TDX_vTPM", "azcvm-tdx/live-evidence.json"],
      ["Azure_TDX_vTPM", "azcvm-tdx/evidence-v1.json"],
    ] as const) {
      const endorsements = p.includes("TDX")
        ? readVector("tdx-v4-00806f05-az/collateral.json")
        : new Uint8Array(0);
      const r = verifyEvidence([azureSnpVerifier, azureTdxVerifier], {
        evidence: { format: p, quote: readVector(f), endorsements },
        nowMs: Date.parse(p.includes("TDX") ? "2025-11-05" : "2026-11-20"),
        crypto,
      });
      console.log(
        f,
        r.ok,
        r.code,
        r.claims?.tcbStatus,
        r.checks.filter(({ ok }) => !ok),
      );
    }
  });
});

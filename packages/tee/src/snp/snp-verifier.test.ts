import { concatBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import type { Evidence } from "../evidence.ts";
import { crypto, hasVectors, readVector, readVectorText } from "../vectors.testing.ts";
import { type VerificationInput, verifyEvidence } from "../verification.ts";
import { snpVerifier } from "./snp-verifier.ts";

const now = Date.parse("2026-11-20T12:00:00Z");

function judge(
  quote: Uint8Array,
  endorsements: Uint8Array,
  more: Partial<VerificationInput> = {},
  parts: Partial<Evidence> = {},
) {
  const evidence: Evidence = { format: "AMD_SEV_SNP_v1", quote, endorsements, ...parts };
  return verifyEvidence([snpVerifier], { evidence, nowMs: now, crypto, ...more });
}

function vector(folder: string, ...certificates: string[]) {
  return certificates
    .map((name) => readVector(`${folder}/${name}`))
    .reduce((a, b) => concatBytes(a, b));
}

describe.skipIf(!hasVectors)("real SNP evidence", () => {
  // Goal: every vector of the manifest gets its verdict and claims.
  test("Milan and Genoa of Azure container instances", () => {
    for (const [folder, product, tcb] of [
      ["snp-milan", "Milan", "db18000000000004"],
      ["snp-genoa", "Genoa", "541700000000000a"],
    ] as const) {
      const chain = vector(folder, "vcek.pem", "ask.pem", "ark.pem");
      const result = judge(readVector(`${folder}/report.bin`), chain);
      expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(result.ok).toBe(true);
      expect(result.claims).toMatchObject({ product, isDebug: false, tcb: { hex: tcb } });
      expect(result.claims?.measurement).toMatch(/^5feee30d6d7e1a29f403d70a/);
      expect(result.claims?.hostData).toMatch(/^4f4448c67f3c8dfc8de8a5e3/);
    }
  });
  test("the rest", () => {
    const r = judge(
      readVector("snp-genoa-v5/live-report-v5-genoa.bin"),
      readVector("snp-genoa-v5/live-vcek-genoa.der"),
    );
    expect(r.checks.filter(({ ok }) => !ok)).toEqual([]);
    const g = judge(
      readVector("snp-milan-gcp/attestation.bin"),
      readVector("snp-milan-gcp/vcek.der"),
    );
    expect(g.code).toBe("DebugEnabled");
    expect(g.checks.filter(({ ok }) => !ok).length).toBe(1);
    const n = judge(
      readVector("snp-milan-neg/test-report.bin"),
      readVector("snp-milan-neg/test-vcek.der"),
    );
    expect(n.checks.filter(({ ok }) => !ok)).toEqual([]);
    for (const f of ["test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der"]) {
      expect(
        judge(readVector("snp-milan-neg/test-report.bin"), readVector(`snp-milan-neg/${f}`)).code,
      ).toBe("EndorsementsInvalid");
    }
    const v = judge(
      readVector("snp-milan-vlek/test-vlek-report.bin"),
      readVector("snp-milan-vlek/test-vlek.der"),
      { nowMs: Date.parse("2025-06-01") },
    );
    expect(v.checks.filter(({ ok }) => !ok)).toEqual([]);
    const a = judge(
      readVector("aci-milan/snp_report.bin"),
      readVector("aci-milan/uvm_host_amd_certificate.json"),
      {
        collateral: new Map([
          [
            "security_policy",
            new Uint8Array(
              Buffer.from(readVectorText("aci-milan/uvm_security_policy.base64"), "base64"),
            ),
          ],
        ]),
      },
      { uvmEndorsements: readVector("aci-milan/body.uvm_reference_info.bin") },
    );
    expect(a.checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});

import { bytesToBase64, utf8ToBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import { assess } from "../appraisal.ts";
import { baselineRules } from "../platform-rules.ts";
import { flip } from "../test-pki.testing.ts";
import { crypto, hasVectors, readVector, readVectorText } from "../vectors.testing.ts";
import { verifyEvidence } from "../verification.ts";
import { azureSnpVerifier, azureTdxVerifier } from "./azure-verifier.ts";

interface Bundle {
  readonly hcl_report: string;
  readonly tpm_quote: { message: string; signature: string; pcrs: string[] };
  readonly vcek?: string;
  readonly td_quote?: string;
}

const verifiers = [azureSnpVerifier, azureTdxVerifier];
const noBytes: Uint8Array = new Uint8Array(0);

function judge(kind: "SNP" | "TDX", quote: Uint8Array, endorsements = noBytes, at = "2026-11-20") {
  const evidence = { format: `Azure_${kind}_vTPM`, quote, endorsements } as const;
  return verifyEvidence(verifiers, { evidence, nowMs: Date.parse(at), crypto });
}

function read(name: string): Bundle {
  const value = JSON.parse(readVectorText(name)) as { evidence?: Bundle };
  return value.evidence ?? (value as Bundle);
}

const toBytes = (bundle: Bundle) => utf8ToBytes(JSON.stringify(bundle));
const nonceOf = (reportData: Uint8Array) => Buffer.from(reportData).toString().replace(/\0+$/, "");

describe.skipIf(!hasVectors)("real evidence of Azure confidential VMs", () => {
  // Goal: chain from AMD's root over the report to the TPM's key, quote, registers and challenge.
  test.each([
    ["azcvm-snp/live-evidence.json", "attestation-test-fixture"],
    ["azcvm-snp/evidence-v1.json", "challenge"],
  ])("%s", (name, nonce) => {
    const result = judge("SNP", readVector(name));
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.claims).toMatchObject({ platform: "snp", isHardware: true });
    expect(nonceOf(result.claims!.reportData)).toBe(nonce);
    expect(assess(result.claims!, baselineRules, 0).ok).toBe(true);
  });

  // Goal: a quote without a challenge may be old.
  test("without challenge", () => {
    const result = judge("SNP", readVector("azcvm-snp/milan-v3-attestation.json"));
    expect(result.code).toBe("NonceMissing");
    expect(result.checks.filter(({ ok }) => !ok)).toHaveLength(1);
  });

  // Goal: a quote by the key of another TPM is refused.
  test("another TPM", () => {
    const bundle = read("azcvm-snp/evidence-v1.json");
    const hex = (name: string) => Buffer.from(readVector(name)).toString("hex");
    const [message, signature] = [hex("azcvm-snp/tpm-quote.msg"), hex("azcvm-snp/tpm-quote.sig")];
    const { pcrs } = bundle.tpm_quote;
    const changed = { ...bundle, tpm_quote: { message, signature, pcrs } };
    expect(judge("SNP", toBytes(changed)).code).toBe("TpmQuoteInvalid");
  });

  // Goal: a domain under the paravisor needs a profile, besides a TCB that is up to date.
  test("TDX", () => {
    const collateral = readVector("tdx-v4-00806f05-az/collateral.json");
    const result = judge("TDX", readVector("azcvm-tdx/evidence-v1.json"), collateral, "2025-11-05");
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    const { measurement } = result.claims!;
    expect(measurement.startsWith("024a32b070383331")).toBe(true);
    const tcbStatuses = new Set(["OutOfDate"]);
    const ask = (more: object) => assess(result.claims!, { tdx: { tcbStatuses, ...more } }, 0).code;
    expect(ask({})).toBe("ConfigurationRefused");
    expect(ask({ profiles: new Set(["azure-paravisor"]) })).toBeUndefined();
    const live = judge("TDX", readVector("azcvm-tdx/live-evidence.json"));
    expect(live.code).toBe("CollateralMissing");
    expect(live.checks.find(({ name }) => name === "tpm signature")?.ok).toBe(true);
    expect(live.checks.find(({ name }) => name === "tpm key")?.ok).toBe(true);
  });

  // Goal: every changed byte of report, quote, signature and registers is refused.
  test("tampering", () => {
    const bundle = read("azcvm-snp/live-evidence.json");
    const refused = (changed: Bundle, what: string) =>
      expect(judge("SNP", toBytes(changed)).ok, what).toBe(false);
    const hcl = Uint8Array.from(Buffer.from(bundle.hcl_report, "base64url"));
    for (let at = 0; at < hcl.length; at += at >= 0x4c0 && at < 0x4d4 ? 1 : 7) {
      const changed = bytesToBase64(flip(hcl, at, 1 << (at % 8)));
      refused({ ...bundle, hcl_report: changed }, `report ${at}`);
    }
    const { tpm_quote: tpm } = bundle;
    for (const name of ["message", "signature"] as const) {
      const bytes = Uint8Array.from(Buffer.from(tpm[name], "hex"));
      for (let at = 0; at < bytes.length; at += 3) {
        const text = Buffer.from(flip(bytes, at)).toString("hex");
        refused({ ...bundle, tpm_quote: { ...tpm, [name]: text } }, `${name} ${at}`);
      }
    }
    for (let index = 0; index < 24; index++) {
      const pcrs = tpm.pcrs.map((value, at) => (at === index ? "11".repeat(32) : value));
      const quoted = judge("SNP", toBytes(bundle)).claims!.details[`pcr${index}`];
      if (quoted !== undefined) refused({ ...bundle, tpm_quote: { ...tpm, pcrs } }, `pcr ${index}`);
    }
    const { vcek } = read("azcvm-snp/evidence-v1.json");
    refused({ ...bundle, vcek: vcek! }, "vcek");
    const other = read("azcvm-snp/evidence-v1.json");
    refused({ ...bundle, hcl_report: other.hcl_report }, "report of another machine");
  });

  // Goal: what is no bundle is malformed, and a bundle of one kind is not taken for the other.
  test("malformed", () => {
    for (const text of ["", "{}", "[]", "null", '{"hcl_report":1}', '{"evidence":null}']) {
      expect(judge("SNP", utf8ToBytes(text)).code).toBe("EvidenceMalformed");
    }
    expect(judge("TDX", readVector("azcvm-snp/live-evidence.json")).code).toBe("EvidenceMalformed");
    expect(judge("SNP", readVector("azcvm-tdx/live-evidence.json")).code).toBe("EvidenceMalformed");
  });
});

import { bytesToBase64, utf8ToBytes } from "@coco/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allVerifiers } from "./all-verifiers.ts";
import { type EvidenceFormat, evidenceFormats } from "./evidence.ts";
import { findEvidence } from "./evidence-files.ts";
import { jsonToRules } from "./policy-json.ts";
import { crypto, hasVectors, readVector } from "./vectors.testing.ts";
import { verifyEvidence } from "./verification.ts";
import { derToRevocationList } from "./x509/revocation-list.ts";

const nowMs = Date.parse("2026-03-25");
const formats = Object.keys(evidenceFormats) as EvidenceFormat[];

/** Verifies whatever the bytes are; an exception fails the test. */
function verify(format: EvidenceFormat, quote: Uint8Array, endorsements: Uint8Array) {
  const evidence = { format, quote, endorsements, uvmEndorsements: endorsements };
  const collateral = new Map([["amd_crl", endorsements]]);
  return verifyEvidence(allVerifiers, { evidence, nowMs, crypto, collateral });
}

const hardware = formats.filter((format) => format !== "Insecure_Virtual");

describe("hostile bytes", () => {
  // Goal: any bytes give a verdict, not an exception, for every format.
  test("anything", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...hardware),
        fc.uint8Array({ maxLength: 1500 }),
        fc.uint8Array({ maxLength: 300 }),
        (format, quote, endorsements) => {
          const result = verify(format, quote, endorsements);
          expect(result.ok).toBe(false);
          expect(result.code).toBeDefined();
        },
      ),
      { numRuns: 1000 },
    );
  });

  // Goal: JSON of any shape where JSON is expected.
  test("any JSON", () => {
    const names = ["hcl_report", "tpm_quote", "vcek", "vbs_report", "boot_log", "pcrs", "message"];
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom(null, true, 5, "", "AAAA", "SENMQQ==", "00"),
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names, "evidence", "signature"), tie("node")),
      ),
    })).node;
    fc.assert(
      fc.property(fc.constantFrom(...hardware), value, (format, item) => {
        expect(verify(format, utf8ToBytes(JSON.stringify(item)), new Uint8Array(0)).ok).toBe(false);
      }),
      { numRuns: 700 },
    );
  });

  // Goal: rules of any shape are read or refused with a typed error.
  test("any policy", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (item) => {
        for (const policy of [item, { snp: item }, { tdx: { minimumTcb: item, facts: item } }]) {
          try {
            jsonToRules(policy);
          } catch (error) {
            expect(error).toMatchObject({ code: "PolicyMalformed" });
          }
        }
      }),
    );
  });

  // Goal: revocation lists and files of any content.
  test("lists and files", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, isText) => {
        const shown = isText ? utf8ToBytes(bytesToBase64(bytes)) : bytes;
        for (const read of [
          () => derToRevocationList(bytes),
          () => findEvidence([{ name: "a", bytes: shown }], [{ name: "b", bytes: shown }]),
        ]) {
          try {
            read();
          } catch (error) {
            expect(error).toMatchObject({ name: "CocoError" });
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

const seeds: readonly (readonly [EvidenceFormat, string, string])[] = [
  ["AMD_SEV_SNP_v1", "aci-milan/snp_report.bin", "aci-milan/uvm_host_amd_certificate.json"],
  ["AMD_SEV_SNP_v1", "snp-milan/report.bin", "aci-milan/body.uvm_reference_info.bin"],
  ["AMD_SEV_SNP_v1", "snp-genoa-v5/live-report-v5-genoa.bin", "snp-genoa-v5/live-vcek-genoa.der"],
  ["Intel_SGX_DCAP", "sgx-phala/sgx_quote", "sgx-phala/sgx_quote_collateral.json"],
  ["Intel_TDX_DCAP", "tdx-v5-90c06f/quote.bin", "tdx-v5-90c06f/collateral.json"],
  ["Azure_SNP_vTPM", "azcvm-snp/live-evidence.json", "azcvm-snp/imds-vcek.der"],
  ["Azure_TDX_vTPM", "azcvm-tdx/live-evidence.json", "tdx-v4-00806f05-az/collateral.json"],
  ["Microsoft_SNP_MAA", "maa/sev-snp-jwt.txt", "maa/sev-snp-jwt.txt"],
];

describe.skipIf(!hasVectors)("real evidence, damaged", () => {
  const damage = fc.record({
    at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    length: fc.nat(12),
    with: fc.uint8Array({ maxLength: 12 }),
  });

  function apply(
    bytes: Uint8Array,
    cuts: readonly { at: number; length: number; with: Uint8Array }[],
  ) {
    return cuts.reduce((left, cut) => {
      const at = Math.floor(cut.at * left.length);
      return Uint8Array.from([
        ...left.subarray(0, at),
        ...cut.with,
        ...left.subarray(at + cut.length),
      ]);
    }, bytes);
  }

  // Goal: cut, stretched and overwritten evidence gives verdicts in bounded time, never exceptions.
  test.each(seeds)("%s %s", (format, quoteFile, endorsementsFile) => {
    const quote = readVector(quoteFile);
    const endorsements = readVector(endorsementsFile);
    let slowestMs = 0;
    fc.assert(
      fc.property(
        fc.array(damage, { maxLength: 2 }),
        fc.array(damage, { maxLength: 2 }),
        (inQuote, inEndorsements) => {
          const begin = performance.now();
          const result = verify(format, apply(quote, inQuote), apply(endorsements, inEndorsements));
          slowestMs = Math.max(slowestMs, performance.now() - begin);
          expect(result.ok || result.code !== undefined).toBe(true);
        },
      ),
      { numRuns: 120 },
    );
    expect(slowestMs).toBeLessThan(1000);
  });

  // Goal: every truncation is refused.
  test("truncation", () => {
    for (const [format, file] of seeds) {
      const quote = readVector(file);
      for (let length = 0; length < quote.length; length += 37) {
        expect(verify(format, quote.subarray(0, length), new Uint8Array(0)).ok).toBe(false);
      }
    }
  });
});

import { bytesToBase64, bytesToHex, derToPem, utf8ToBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import { findEvidence } from "./evidence-files.ts";
import { issue } from "./test-pki.testing.ts";
import { hasVectors, readVector } from "./vectors.testing.ts";

const file = (name: string, bytes: Uint8Array) => ({ name, bytes });

describe.skipIf(!hasVectors)("evidence in files", () => {
  const report = () => readVector("snp-milan/report.bin");

  // Goal: the same evidence is found whatever its encoding.
  test("encodings", () => {
    const quote = report();
    const wrapped = bytesToBase64(quote).replace(/.{76}/g, "$&\n");
    for (const bytes of [
      quote,
      utf8ToBytes(bytesToHex(quote)),
      utf8ToBytes(`0x${bytesToHex(quote).toUpperCase()}\n`),
      utf8ToBytes(bytesToBase64(quote)),
      utf8ToBytes(wrapped),
    ]) {
      const [found] = findEvidence([file("x", bytes)]);
      expect(found?.evidence.format).toBe("AMD_SEV_SNP_v1");
      expect(bytesToHex(found!.evidence.quote)).toBe(bytesToHex(quote));
    }
  });

  // Goal: of several certificates the one of the chip is taken, and other platforms are left out.
  test("choice", () => {
    const files = [
      file("a.der", readVector("snp-milan-neg/test-vcek-invalid-new.der")),
      file("b.pem", readVector("snp-milan/vcek.pem")),
      file("r.bin", report()),
      file("q", readVector("tdx-phala/tdx_quote")),
    ];
    expect(findEvidence(files)).toHaveLength(2);
    const [found, ...rest] = findEvidence(files, [], "snp");
    expect(rest).toEqual([]);
    const [own] = findEvidence([files[1]!, files[2]!]);
    expect(found?.evidence.endorsements).toEqual(own?.evidence.endorsements);
    expect(() => findEvidence(files, [], "vsm")).toThrow(
      expect.objectContaining({ code: "EvidenceFormatUnsupported" }),
    );
  });

  // Goal: what is trusted comes from the verifier's side only.
  test("anchors", () => {
    const jwks = file("jwks.json", utf8ToBytes('{"keys":[]}'));
    const root = issue({ subject: "CN=Root", isAuthority: true });
    const pem = file("root.pem", utf8ToBytes(derToPem(root.der)));
    const quote = file("r.bin", report());
    const [beside] = findEvidence([quote, jwks, pem]);
    expect(beside!.collateral.size).toBe(0);
    const [given] = findEvidence([quote], [jwks, pem]);
    expect([...given!.collateral.keys()].sort()).toEqual(["jwks", "tpm_roots"]);
  });
});

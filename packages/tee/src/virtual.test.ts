import { existsSync, readFileSync } from "node:fs";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AppraisalPolicy,
  appraise,
  bindingToReportData,
  type Claims,
  createVirtualEvidence,
  evidenceSizeBytesMax,
  evidenceToQuoteInfo,
  type JoinTables,
  quoteInfoToEvidence,
  tablesToPolicy,
  verificationToError,
  verifyAndAppraise,
  verifyEvidence,
  virtualMeasurement,
  virtualVerifier,
} from "./index.ts";

const crypto = createNodeCrypto();
const nowMs = Date.UTC(2026, 10, 20);
const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const key = generateSigningKey("secp256r1");
const hostData = crypto.sha256(new Uint8Array(3));
const noTables: JoinTables = {
  virtualMeasurements: [],
  virtualHostData: [],
  snpMeasurements: [],
  snpHostData: [],
  snpUvmEndorsements: [],
  snpMinimumTcb: [],
  sgxMeasurements: [],
};
const policy = tablesToPolicy({
  ...noTables,
  virtualMeasurements: [virtualMeasurement],
  virtualHostData: [Buffer.from(hostData).toString("hex")],
});
const binding = { publicKey: key.publicKey };
const good = createVirtualEvidence({
  reportData: bindingToReportData(crypto, binding).subarray(0, 32),
  hostData,
});

function decide(evidence = good, rules: AppraisalPolicy = policy, bound = binding) {
  return verifyAndAppraise([virtualVerifier], { evidence, nowMs, crypto }, rules, bound);
}

describe("virtual evidence", () => {
  it("of a joiner that the members approved passes, marked as insecure", () => {
    const result = decide();
    expect(result).toMatchObject({ ok: true, isInsecure: true });
    expect(result.label).toContain("INSECURE");
    expect(result.claims?.isHardware).toBe(false);
    expect(result.checks.every((check) => check.ok)).toBe(true);
    expect(result.checks.map((check) => check.name)).toContain("hardware");
  });

  it("is refused with the code of the first rule that it breaks", () => {
    const other = generateSigningKey("secp256r1");
    const reportData = bindingToReportData(crypto, binding);
    const wrong = createVirtualEvidence({ reportData, hostData, measurement: "other" });
    expect(decide(wrong).code).toBe("MeasurementNotTrusted");
    const otherHost = createVirtualEvidence({ reportData, hostData: new Uint8Array(32) });
    expect(decide(otherHost).code).toBe("HostDataNotTrusted");
    expect(decide(createVirtualEvidence({ reportData })).code).toBe("HostDataNotTrusted");
    expect(decide(good, policy, { publicKey: other.publicKey }).code).toBe("ReportDataMismatch");
    expect(decide(good, {}).code).toBe("PlatformNotAllowed");
    const challenge = { ...binding, challenge: Uint8Array.of(1, 2, 3) };
    expect(decide(good, policy, challenge).code).toBe("ReportDataMismatch");
  });

  it("is refused whenever a hardware platform is listed, whatever the virtual tables say", () => {
    const both = { ...policy, snp: { measurements: new Set(["00".repeat(48)]) } };
    expect(decide(good, both).code).toBe("PlatformNotAllowed");
    expect(decide(good, both).isInsecure).toBe(true);
  });

  it("fails with an error that names the failed check and the next step", () => {
    const error = verificationToError(decide(good, {}));
    expect(error.code).toBe("PlatformNotAllowed");
    expect(error.message).toContain("platform");
    expect(error.next).not.toBe("");
  });

  it("is not looked at without a verifier for it, or when it is too large", () => {
    const noVerifier = verifyEvidence([], { evidence: good, nowMs, crypto });
    expect(noVerifier).toMatchObject({ ok: false, code: "EvidenceFormatUnsupported" });
    expect(noVerifier.isInsecure).toBe(true);
    const evidence = { ...good, endorsements: new Uint8Array(evidenceSizeBytesMax + 1) };
    const tooLarge = verifyEvidence([virtualVerifier], { evidence, nowMs, crypto });
    expect(tooLarge).toMatchObject({ ok: false, code: "EvidenceMalformed" });
    const hardware = { ...good, format: "AMD_SEV_SNP_v1" as const };
    const unknown = verifyEvidence([virtualVerifier], { evidence: hardware, nowMs, crypto });
    expect(unknown).toMatchObject({ ok: false, code: "EvidenceFormatUnsupported" });
  });

  it("survives the JSON of join requests", () => {
    expect(quoteInfoToEvidence(JSON.parse(JSON.stringify(evidenceToQuoteInfo(good))))).toEqual(
      good,
    );
    for (const bad of [null, [], {}, { format: "x" }, { format: "toString" }]) {
      expect(() => quoteInfoToEvidence(bad)).toThrow(/evidence/);
    }
    const quote = { format: "Insecure_Virtual", quote: "*" };
    expect(() => quoteInfoToEvidence(quote)).toThrow(
      expect.objectContaining({ code: "EvidenceMalformed" }),
    );
  });

  it("never throws, and never passes after any byte of a field was changed", () => {
    fc.assert(
      fc.property(fc.nat(good.quote.length - 1), fc.nat(255), (at, value) => {
        fc.pre(good.quote[at] !== value);
        const quote = good.quote.map((byte, index) => (index === at ? value : byte));
        const result = decide({ ...good, quote });
        // Only the two alphabets of base64 write the same claims in two ways.
        if (result.ok) expect(result.claims).toEqual(decide().claims);
        else expect(result.code).toBeDefined();
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (quote) => {
        expect(decide({ ...good, quote }).ok).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  const exchanges = `${vectors}/ccf-http/exchanges.jsonl`;
  it.skipIf(!existsSync(exchanges))("written by a real CCF node is read to the same claims", () => {
    const line = readFileSync(exchanges, "utf8")
      .split("\n")
      .find((text) => text.includes('"/node/attestations/self"'));
    const body = JSON.parse(JSON.parse(line!).response.body);
    const evidence = quoteInfoToEvidence({
      format: body.format,
      quote: body.raw,
      endorsements: body.endorsements,
    });
    const result = verifyEvidence([virtualVerifier], { evidence, nowMs, crypto });
    expect(result.ok).toBe(true);
    expect(result.claims?.measurement).toBe(Buffer.from(body.measurement, "hex").toString());
    const { reportData, hostData: shown } = result.claims!;
    // CCF binds the node's key: the node id is the hex SHA-256 of the same key.
    expect(Buffer.from(reportData.subarray(0, 32)).toString("hex")).toBe(body.node_id);
    const again = createVirtualEvidence({
      reportData: reportData.subarray(0, 32),
      hostData: Buffer.from(shown!, "hex"),
    });
    expect(Buffer.from(again.quote).toString("base64")).toBe(body.raw);
  });
});

describe("appraise", () => {
  const claims: Claims = {
    platform: "snp",
    format: "AMD_SEV_SNP_v1",
    isHardware: true,
    isDebug: false,
    measurement: "aa",
    hostData: "bb",
    reportData: new Uint8Array(64),
    product: "Milan",
    cpu: "00a00f11",
    hardwareId: "cc",
    tcb: { components: { microcode: 211, snp: 20, tee: 0, boot_loader: 4 }, hex: "" },
    details: {},
  };
  const minimum = { components: { microcode: 211, snp: 20, tee: 0, boot_loader: 4 }, hex: "" };
  const rules = {
    measurements: new Set(["aa"]),
    hostData: new Set(["bb"]),
    minimumTcb: new Map([["00a00f11", minimum]]),
  };
  const judge = (changed: Partial<Claims>, more: object = {}) =>
    appraise({ ...claims, ...changed }, { snp: { ...rules, ...more } }, new Uint8Array(64)).code;

  it("applies every rule of a hardware platform", () => {
    const did = "did:x509:0:sha256:x";
    const uvmEndorsements = [{ did, feed: "f", svn: 104 }];
    const uvmEndorsement = { did, feed: "f", svn: 104 };
    expect(judge({})).toBeUndefined();
    expect(judge({ isDebug: true })).toBe("DebugEnabled");
    expect(judge({ isDebug: true }, { isDebugAllowed: true })).toBeUndefined();
    expect(judge({ cpu: "00a00f12" })).toBe("CpuNotTrusted");
    for (const name of Object.keys(minimum.components) as (keyof typeof minimum.components)[]) {
      const components = { ...minimum.components, [name]: minimum.components[name] + 1 };
      const minimumTcb = new Map([["00a00f11", { components, hex: "" }]]);
      expect(judge({}, { minimumTcb }), name).toBe("TcbTooOld");
    }
    expect(judge({}, { deniedProducts: new Set(["Milan"]) })).toBe("ProductDenied");
    expect(judge({}, { hardwareIds: new Set(["dd"]) })).toBe("HardwareNotAllowed");
    expect(judge({ tcbStatus: "OutOfDate" }, { tcbStatuses: new Set(["UpToDate"]) })).toBe(
      "TcbTooOld",
    );
    expect(judge({ uvmEndorsement }, { uvmEndorsements })).toBeUndefined();
    const older = { ...uvmEndorsement, svn: 103 };
    expect(judge({ uvmEndorsement: older }, { uvmEndorsements })).toBe("UvmEndorsementNotTrusted");
    expect(judge({ uvmEndorsement })).toBe("UvmEndorsementNotTrusted");
  });
});

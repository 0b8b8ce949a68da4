import { describe, expect, test } from "vitest";
import { crypto } from "../vectors.testing.ts";
import { verifyEvidence } from "../verification.ts";
import { sgxVerifier } from "./dcap-verifier.ts";
import { createIntelPlatform, type PlatformOptions } from "./intel-platform.testing.ts";
import { mergeLevels, type TcbStatus } from "./intel-tcb.ts";

function judge(options: PlatformOptions = {}, isPinned = true) {
  const { root, quote, collateral } = createIntelPlatform(options);
  const evidence = { format: "Intel_SGX_DCAP", quote, endorsements: collateral } as const;
  const nowMs = Date.parse("2026-03-01");
  const anchors = isPinned ? { trustAnchors: [root.der] } : {};
  return verifyEvidence([sgxVerifier], { evidence, nowMs, crypto, ...anchors });
}

const code = (options: PlatformOptions) => judge(options).code;

describe("SGX evidence of a platform with its own root", () => {
  // Goal: it verifies with its root, at the first level that it reaches, and not without that root.
  test("accepted", () => {
    const result = judge();
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.claims).toMatchObject({
      cpu: "abababababab",
      hardwareId: "01".repeat(16),
      tcbStatus: "SWHardeningNeeded",
      advisories: ["A-5"],
      details: { tcbEvaluationDataNumber: 17 },
    });
    expect(judge({}, false).code).toBe("EndorsementsInvalid");
  });

  // Goal: each revoked key ends trust; a list of the wrong issuer is no list.
  test("revocation", () => {
    expect(code({ revokedPck: true })).toBe("EndorsementsRevoked");
    expect(code({ revokedSigner: true })).toBe("EndorsementsRevoked");
    expect(code({ revokedAuthority: true })).toBe("EndorsementsRevoked");
    expect(code({ pckCrlIssuer: "root" })).toBe("PckCrlInvalid");
    expect(code({ signerName: "CN=Somebody" })).toBe("CollateralIssuerInvalid");
  });

  // Goal: signed statements about something else, or of an unknown form, do not count.
  test("statements", () => {
    const info = (changes: object) =>
      code({ editTcbInfo: (fields) => void Object.assign(fields, changes) });
    expect(info({ fmspc: "000000000000" })).toBe("TcbInfoInvalid");
    expect(info({ pceId: "0001" })).toBe("TcbInfoInvalid");
    expect(info({ id: "TDX" })).toBe("TcbInfoInvalid");
    expect(info({ version: 2 })).toBe("TcbInfoInvalid");
    expect(info({ tcbLevels: [] })).toBe("TcbLevelUnknown");
    expect(info({ tcbLevels: [5] })).toBe("CollateralMalformed");
    expect(info({ tcbLevels: [{ tcb: {} }] })).toBe("CollateralMalformed");
    expect(info({ tcbEvaluationDataNumber: "18" })).toBe("CollateralMalformed");
    expect(info({ issueDate: "never" })).toBe("TcbInfoExpired");
    const sgxtcbcomponents = Array.from({ length: 16 }, () => ({ svn: 1 }));
    const levelOf = (tcbStatus: string) => [{ tcb: { sgxtcbcomponents, pcesvn: 1 }, tcbStatus }];
    expect(info({ tcbLevels: levelOf("Revoked") })).toBe("EndorsementsRevoked");
    expect(info({ tcbLevels: levelOf("Fine") })).toBe("CollateralMalformed");
    const identity = (changes: object) =>
      code({ editIdentity: (fields) => void Object.assign(fields, changes) });
    expect(identity({ id: "TD_QE" })).toBe("QeIdentityInvalid");
    expect(identity({ mrsigner: "11".repeat(32) })).toBe("QuotingEnclaveNotTrusted");
    expect(identity({ isvprodid: 2 })).toBe("QuotingEnclaveNotTrusted");
    expect(identity({ miscselect: "01000000" })).toBe("QuotingEnclaveNotTrusted");
    expect(identity({ tcbLevels: [{ tcb: { isvsvn: 9 }, tcbStatus: "UpToDate" }] })).toBe(
      "TcbLevelUnknown",
    );
  });

  // Goal: signed reports with settings that give secrets away.
  test("reports", () => {
    const report = (at: number, value: number) =>
      code({ editReport: (bytes) => void bytes.set([value], at) });
    expect(report(48, 7)).toBe("DebugEnabled");
    expect(report(48, 4)).toBe("ConfigurationRefused");
    expect(report(20, 1)).toBe("EvidenceMalformed");
    expect(report(100, 1)).toBe("EvidenceMalformed");
    const qe = (at: number, value: number) =>
      code({ editQeReport: (bytes) => void bytes.set([value], at) });
    // A quoting enclave in debug mode signs whatever its owner likes.
    expect(qe(48, 7)).toBe("QuotingEnclaveNotTrusted");
    expect(qe(258, 7)).toBe("TcbLevelUnknown");
    expect(qe(330, 99)).toBe("EvidenceSignatureInvalid");
    expect(qe(383, 1)).toBe("EvidenceSignatureInvalid");
  });

  // Goal: the worst of the parts counts; old and badly configured is a status of its own.
  test("merged levels", () => {
    const merge = (...statuses: TcbStatus[]) =>
      mergeLevels(statuses.map((status) => ({ status, advisories: ["x"] })));
    expect(merge("UpToDate", "SWHardeningNeeded").status).toBe("SWHardeningNeeded");
    expect(merge("OutOfDate", "UpToDate").status).toBe("OutOfDate");
    expect(merge("ConfigurationNeeded", "OutOfDate").status).toBe("OutOfDateConfigurationNeeded");
    expect(merge("Revoked", "OutOfDate").status).toBe("Revoked");
    expect(merge("UpToDate", "UpToDate").advisories).toEqual(["x"]);
  });
});

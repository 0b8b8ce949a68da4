import { describe, expect, test } from "vitest";
import { type JoinTables, tablesToPolicy } from "./appraisal.ts";
import { assess, isCombinationAllowed, jsonToRules, platformRulesToJson } from "./index.ts";
import type { Claims } from "./verification.ts";

const claims: Claims = {
  platform: "tdx",
  format: "Intel_TDX_DCAP",
  isHardware: true,
  isDebug: false,
  measurement: "aa",
  hostData: "bb",
  signer: "cc",
  reportData: new Uint8Array(64),
  cpu: "90c06f000000",
  hardwareId: "dd",
  tcbStatus: "UpToDate",
  advisories: ["A-1"],
  details: {
    isSeptVeDisabled: true,
    tcbEvaluationDataNumber: 18,
    collateralIssuedMs: 1000,
    pcr7: "ee",
  },
};

const noTables: JoinTables = {
  virtualMeasurements: [],
  virtualHostData: [],
  snpMeasurements: [],
  snpHostData: [],
  snpUvmEndorsements: [],
  snpMinimumTcb: [],
  sgxMeasurements: [],
};

const code = (rules: object, more: Partial<Claims> = {}) =>
  assess({ ...claims, ...more }, jsonToRules({ tdx: rules }), 2000).code;

describe("rules about a platform", () => {
  // Goal: each rule accepts what it names, and refuses the rest with its code.
  test("one by one", () => {
    expect(code({})).toBeUndefined();
    const table: readonly (readonly [good: object, bad: object, code: string])[] = [
      [{ measurements: ["aa"] }, { measurements: [] }, "MeasurementNotTrusted"],
      [{ signers: ["CC"] }, { signers: ["aa"] }, "MeasurementNotTrusted"],
      [{ hostData: ["bb"] }, { hostData: ["aa"] }, "HostDataNotTrusted"],
      [{ advisories: ["A-1"] }, { advisories: [] }, "TcbTooOld"],
      [{ tcbStatuses: ["UpToDate"] }, { tcbStatuses: [] }, "TcbTooOld"],
      [{ hardwareIds: ["dd"] }, { hardwareIds: ["aa"] }, "HardwareNotAllowed"],
      [{ deniedHardwareIds: ["aa"] }, { deniedHardwareIds: ["dd"] }, "HardwareNotAllowed"],
      [{ deniedProducts: ["Milan"] }, { products: ["Milan"] }, "ProductDenied"],
      [
        { minimums: { tcbEvaluationDataNumber: 18 } },
        { minimums: { tcbEvaluationDataNumber: 19 } },
        "CollateralTooOld",
      ],
      [{ collateralAgeMsMax: 1000 }, { collateralAgeMsMax: 999 }, "CollateralTooOld"],
      [{ facts: { pcr7: ["ee"] } }, { facts: { pcr7: ["ff"] } }, "ConfigurationRefused"],
      [{ reportData: ["00".repeat(64)] }, { reportData: ["00"] }, "ReportDataMismatch"],
      [
        { minimumTcb: { "90c06f000000": { components: {}, pce: 1 } } },
        { minimumTcb: { "90c06f000001": { pce: 1 } } },
        "CpuNotTrusted",
      ],
    ];
    for (const [good, bad, refusal] of table) {
      if (!("minimumTcb" in good)) expect(code(good), JSON.stringify(good)).toBeUndefined();
      expect(code(bad), JSON.stringify(bad)).toBe(refusal);
    }
    expect(code({ minimums: { isvSvn: 1 } })).toBe("TcbTooOld");
  });

  // Goal: without a word about them, debug, a bad status and a relaxed platform are refused.
  test("defaults", () => {
    expect(code({}, { isDebug: true })).toBe("DebugEnabled");
    expect(code({ isDebugAllowed: true }, { isDebug: true })).toBeUndefined();
    expect(code({}, { tcbStatus: "OutOfDate" })).toBe("TcbTooOld");
    expect(code({}, { tcbStatus: undefined as never })).toBe("TcbTooOld");
    const details = { ...claims.details, isSeptVeDisabled: false, profile: "azure-paravisor" };
    expect(code({}, { details })).toBe("ConfigurationRefused");
    expect(code({ profiles: ["azure-paravisor"] }, { details })).toBeUndefined();
    expect(assess(claims, {}, 0).code).toBe("PlatformNotAllowed");
  });

  // Goal: JSON is strict, and survives a round.
  test("JSON", () => {
    for (const bad of [
      null,
      [],
      { other: {} },
      { snp: { unknown: 1 } },
      { snp: { measurements: "aa" } },
      { snp: { hostData: ["xyz"] } },
      { snp: { minimumTcb: { "00000000": "00" } } },
      { snp: { uvmEndorsements: [{ did: "d" }] } },
      { snp: { minimums: { a: -1 } } },
      { snp: { isDebugAllowed: "yes" } },
    ]) {
      expect(() => jsonToRules(bad), JSON.stringify(bad)).toThrow(
        expect.objectContaining({ code: "PolicyMalformed" }),
      );
    }
    const json = {
      measurements: ["ab".repeat(48)],
      minimumTcb: { "00a00f11": "d315000000000004", "00b00f21": "1b1b00000000000a" },
      uvmEndorsements: [{ did: "did:x509:0:sha256:x", feed: "f", svn: 104 }],
      facts: { pcr7: ["ee"] },
      minimums: { reportVersion: 3 },
    };
    const rules = jsonToRules({ snp: json }).snp!;
    expect(rules.minimumTcb?.get("00a00f11")).toEqual({
      components: { microcode: 0xd3, snp: 0x15, tee: 0, boot_loader: 4 },
      hex: "d315000000000004",
    });
    const turin = rules.minimumTcb?.get("00b00f21")?.components;
    expect(turin).toEqual({ microcode: 0x1b, snp: 0, tee: 0, boot_loader: 0, fmc: 0x0a });
    expect(jsonToRules({ snp: platformRulesToJson(rules) }).snp).toEqual(rules);
  });

  // Goal: the project's table adds rules to CCF's, never debug, never a platform without code.
  test("tables", () => {
    const snpMeasurements = ["aa"];
    const own = {
      deniedProducts: ["Milan"],
      isDebugAllowed: true,
      measurements: ["bb".repeat(48)],
    };
    const policy = tablesToPolicy({
      ...noTables,
      snpMeasurements,
      platformRules: [
        ["snp", own],
        ["tdx", { hostData: ["bb"] }],
        ["vsm", { measurements: ["cc".repeat(32)] }],
      ],
    });
    expect(policy.snp?.measurements).toEqual(new Set(["aa", "bb".repeat(48)]));
    expect(policy.snp?.deniedProducts).toEqual(new Set(["Milan"]));
    expect(policy.snp?.isDebugAllowed).toBeUndefined();
    expect(policy.snp?.hostData).toEqual(new Set());
    expect(policy.tdx).toBeUndefined();
    expect(policy.vsm?.measurements.size).toBe(1);
    expect(() => tablesToPolicy({ ...noTables, platformRules: [["sgx", 5]] })).toThrow(
      expect.objectContaining({ code: "PolicyMalformed" }),
    );
  });

  // Goal: only listed combinations of platforms may meet in one network.
  test("combinations", () => {
    const combinations = [new Set(["snp", "tdx"] as const), new Set(["sgx"] as const)];
    expect(isCombinationAllowed(["snp", "tdx"], combinations)).toBe(true);
    expect(isCombinationAllowed(["snp"], combinations)).toBe(true);
    expect(isCombinationAllowed(["snp", "sgx"], combinations)).toBe(false);
    expect(isCombinationAllowed(["snp", "sgx"], undefined)).toBe(true);
  });
});

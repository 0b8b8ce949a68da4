import { existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { coco, createTestDirectory } from "../run.testing.ts";

const folder = join(process.env["COCO_VECTORS"] ?? resolve("../shared/vectors"), "tee");
const hasVectors = existsSync(folder);

interface Verdict {
  readonly ok: boolean;
  readonly platform: string;
  readonly code?: string;
  readonly claims: Record<string, unknown>;
  readonly checks: readonly { name: string; ok: boolean; detail: string }[];
}

async function verify(path: string, ...more: readonly string[]) {
  const result = await coco(["attest", "verify", join(folder, path), ...more, "--json"]);
  return { exit: result.code, ...result.json<Verdict>() };
}

const collateral = (path: string) => ["--collateral", join(folder, path)];

describe.skipIf(!hasVectors)("coco attest verify", () => {
  const directory = createTestDirectory();

  // Goal: every folder and file of real evidence gets the verdict that is known of it.
  test.each([
    ["snp-milan", [], undefined],
    ["snp-genoa", [], undefined],
    ["snp-genoa-v5", [], undefined],
    ["snp-milan-neg", [], undefined],
    ["snp-ravl", [], undefined],
    ["aci-milan", [], undefined],
    ["snp-milan-gcp", [], "DebugEnabled"],
    ["snp-milan-vlek", [], "EndorsementsExpired"],
    ["snp-milan-vlek", ["--at", "2025-06-01"], "SigningKeyNotAllowed"],
    ["snp-milan/report.bin", [], "EndorsementsMissing"],
    ["snp-milan/report.bin", collateral("snp-milan/vcek.pem"), undefined],
    ["snp-milan/report.bin", collateral("snp-genoa"), "EvidenceSignatureInvalid"],
    ["azcvm-snp/evidence-v1.json", [], undefined],
    ["azcvm-snp/hcl-report.bin", collateral("azcvm-snp"), undefined],
    ["azcvm-snp", [], "NonceMissing"],
    ["azcvm-tdx/evidence-v1.json", [], "CollateralMissing"],
    ["sgx-phala", ["--at", "2025-06-25T00:00:00Z"], undefined],
    ["sgx-phala", ["--at", "2025-06-18T00:00:00Z"], "TcbInfoExpired"],
    ["sgx-phala", [], "TcbInfoExpired"],
    ["sgx-00a067-debug", ["--at", "2025-06-25"], "DebugEnabled"],
    ["sgx-azuresamples/enclave.info.debug.json", [], "DebugEnabled"],
    ["sgx-ravl-icelake/oe.icelake.att", [], "DebugEnabled"],
    ["sgx-occlum", [], "DebugEnabled"],
    ["tdx-phala/tdx_quote", [...collateral("tdx-phala"), "--at", "2025-06-25"], undefined],
    ["tdx-phala/tdx-quote.hex", [], "CollateralMissing"],
    ["tdx-v5-90c06f", ["--at", "2026-03-25"], undefined],
    ["tdx-v5-90c06f-b", ["--at", "2026-03-25"], "ConfigurationRefused"],
    ["tdx-v4-50806f-debug", ["--at", "2026-03-25"], "DebugEnabled"],
    ["tdx-v4-50806f-outofdate", ["--at", "2026-03-25"], "EvidenceMalformed"],
    ["tdx-v4-00806f05", ["--at", "2025-11-05"], "TcbTooOld"],
    ["maa/sev-snp-jwt.txt", [], "TokenIssuerNotTrusted"],
    ["tpm-windows-gcp", [], "EndorsementsInvalid"],
    ["tpm-trustee", [], "EvidenceFormatUnsupported"],
  ] as const)("%s %j", async (path, more, code) => {
    const at = more.includes("--at" as never) || path === "sgx-phala" ? [] : ["--at", "2026-11-20"];
    const verdict = await verify(path, ...more, ...at);
    expect(verdict.code).toBe(code);
    expect(verdict.ok).toBe(code === undefined);
    expect(verdict.exit).toBe(code === undefined ? 0 : 4);
    expect(verdict.checks.length).toBeGreaterThan(0);
    expect(verdict.checks.every(({ ok }) => ok)).toBe(verdict.ok);
  });

  // Goal: a policy decides about code, and what no policy says stays refused.
  test("policy", async () => {
    const policy = join(directory, "policy.json");
    const ask = async (rules: object) => {
      writeFileSync(policy, JSON.stringify(rules));
      return await verify("aci-milan", "--policy", policy);
    };
    const { claims } = await ask({ snp: {} });
    const { did, feed } = claims["uvmEndorsement"] as { did: string; feed: string };
    const uvm = (svn: number) => ({ snp: { uvmEndorsements: [{ did, feed, svn }] } });
    expect((await ask(uvm(22))).ok).toBe(true);
    expect(await ask(uvm(104))).toMatchObject({ exit: 4, code: "UvmEndorsementNotTrusted" });
    expect(await ask({ snp: { deniedProducts: ["Milan"] } })).toMatchObject({
      code: "ProductDenied",
    });
    expect(await ask({ tdx: {} })).toMatchObject({ code: "PlatformNotAllowed" });
    const wrong = await coco([
      "attest",
      "verify",
      join(folder, "aci-milan"),
      "--policy",
      directory,
    ]);
    expect(wrong.code).toBe(1);
  });

  // Goal: a person sees every check and the reason.
  test("text", async () => {
    const good = await coco(["attest", "verify", join(folder, "snp-milan")]);
    expect(good.code).toBe(0);
    expect(good.out).toMatch(/accepted: genuine snp evidence/);
    expect(good.out).toMatch(/signature\s+ECDSA P-384/);
    const bad = await coco(["attest", "verify", join(folder, "snp-milan-gcp")]);
    expect(bad.out).toMatch(/REFUSED\s+debug/);
    const none = await coco(["attest", "verify", join(directory, "absent")]);
    expect(none.code).toBe(1);
    const time = await coco(["attest", "verify", directory, "--at", "never"]);
    expect(time.code).toBe(2);
  });
});

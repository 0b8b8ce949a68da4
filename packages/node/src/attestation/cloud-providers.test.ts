import { bytesToBase64, bytesToHex, concatBytes, derToPem, utf8ToBytes } from "@coco/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bootEvents,
  createQuote,
  createRsaKey,
  createVbsReport,
  encodeLog,
  goodSettings,
  identityKeyEvent,
  registersOf,
} from "../../../tee/src/vsm/vbs-machine.testing.ts";
import {
  answerAsIntel,
  crypto,
  FakeTpm,
  type FakeTpmParts,
  fakeFiles,
  fakePorts,
  hasVectors,
  noBytes,
  readVector,
  readVectorJson,
  redirectHttp,
  startServer,
  tpmAnswer,
} from "./attestation.testing.ts";
import { createAttestation } from "./create-attestation.ts";
import { TpmDevice } from "./tpm-device.ts";

const reportDataOf = (text: string) => {
  const reportData = new Uint8Array(64);
  reportData.set(utf8ToBytes(text));
  return reportData;
};

const fromBase64 = (text: unknown) => Uint8Array.from(Buffer.from(String(text), "base64url"));
const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

/** What a real virtual TPM said. */
function readTpm(vector: string): FakeTpmParts {
  const bundle = readVectorJson(vector);
  const quote = bundle["tpm_quote"] as { message: string; signature: string; pcrs: string[] };
  const hclReport = fromBase64(bundle["hcl_report"]);
  const n = /"kid":"HCLAkPub".*?"n":"([^"]+)"/.exec(Buffer.from(hclReport).toString("latin1"));
  return {
    hclReport,
    modulus: fromBase64(n?.[1]),
    registers: quote.pcrs.map(fromHex),
    message: fromHex(quote.message),
    signature: fromHex(quote.signature),
  };
}

async function withMachine<Result>(
  parts: FakeTpmParts,
  answer: Parameters<typeof startServer>[0],
  step: (machine: ReturnType<typeof fakePorts>, tpm: FakeTpm) => Promise<Result>,
  at = "2026-11-20",
): Promise<Result> {
  const server = await startServer(answer);
  const tpm = new FakeTpm(parts);
  const files = fakeFiles({}, { "/dev/tpmrm0": () => tpm });
  try {
    return await step(fakePorts({ files, http: redirectHttp(server.address), at }), tpm);
  } finally {
    await server.close();
  }
}

/** Azure's host, which has the certificate of the machine. */
function answerAsThim(path: string) {
  const { vcek } = readVectorJson("azcvm-snp/live-evidence.json");
  if (!path.startsWith("/169.254.169.254/metadata/THIM/amd/certification")) return undefined;
  const tcbm = /tcbVersion=([0-9a-f]{16})/.exec(path)?.[1];
  const certificateChain = Buffer.from(readVector("amd-roots/ask_ark_milan.pem")).toString();
  const body = { vcekCert: derToPem(fromBase64(vcek)), tcbm, certificateChain, cacheControl: "60" };
  return { body: JSON.stringify(body) };
}

const snpVector = "azcvm-snp/live-evidence.json";
const challenge = "attestation-test-fixture";

describe.skipIf(!hasVectors)("Azure confidential virtual machines", () => {
  // Goal: what a real TPM and a real host said becomes evidence that verifies.
  test("SNP", async () => {
    await withMachine(readTpm(snpVector), answerAsThim, async (ports, tpm) => {
      const collected = await createAttestation({ ports }).collect({
        reportData: reportDataOf(challenge),
      });
      expect(collected.provider).toBe("azure-vtpm");
      expect(collected.evidence.format).toBe("Azure_SNP_vTPM");
      expect(collected.verification).toMatchObject({ ok: true, claims: { product: "Milan" } });
      expect(tpm.challenges).toEqual([utf8ToBytes(challenge)]);
      expect(tpm.isClosed).toBe(true);
    });
  });

  // Goal: the host's quote of the trust domain is fetched with the report of the paravisor.
  test("TDX", async () => {
    const { td_quote: tdQuote } = readVectorJson("azcvm-tdx/evidence-v1.json");
    const collateral = readVectorJson("tdx-v4-00806f05-az/collateral.json");
    let report = "";
    const answer = (path: string, body: string) => {
      if (path !== "/169.254.169.254/acc/tdquote") return answerAsIntel(collateral, path);
      ({ report } = JSON.parse(body) as { report: string });
      return { body: JSON.stringify({ quote: tdQuote }) };
    };
    const parts = readTpm("azcvm-tdx/evidence-v1.json");
    const step = async (ports: ReturnType<typeof fakePorts>) => {
      const configuration = { platform: "TDX" } as const;
      const attestation = createAttestation({ ports, configuration });
      const collected = await attestation.collect({ reportData: reportDataOf("challenge") });
      expect(collected.evidence.format).toBe("Azure_TDX_vTPM");
      expect(collected.verification.claims?.tcbStatus).toBe("OutOfDate");
    };
    await withMachine(parts, answer, step, "2025-11-05");
    expect(fromBase64(report)).toEqual(parts.hclReport.slice(32, 32 + 1024));
  });

  const collect = (edit: Partial<FakeTpmParts>, text = challenge) =>
    withMachine({ ...readTpm(snpVector), ...edit }, answerAsThim, async (ports) => {
      const attestation = createAttestation({ ports, platform: "snp" });
      return { ports, ...(await attestation.collect({ reportData: reportDataOf(text) })) };
    });

  // Goal: a busy TPM is asked again, with growing pauses.
  test("retry", async () => {
    let refusals = 3;
    const edit = (answer: Uint8Array) =>
      refusals-- > 0 ? tpmAnswer(0x8001, 0x922, noBytes) : answer;
    const { verification, ports } = await collect({ edit });
    expect(verification.ok).toBe(true);
    expect(ports.pauses).toEqual([20, 40, 80]);
  });

  // Goal: each thing that can be wrong has its own error.
  test("refusals", async () => {
    const rejects = (edit: Partial<FakeTpmParts>, code: string, text?: string) =>
      expect(collect(edit, text)).rejects.toMatchObject({ code });
    await rejects({ modulus: new Uint8Array(256) }, "AttestationKeyForeign");
    await rejects({ registers: Array(24).fill(new Uint8Array(32)) }, "EvidenceChanged");
    await rejects({ signature: new Uint8Array(256) }, "EvidenceNotGenuine");
    await rejects({}, "EvidenceForeign", "another");
    await rejects({}, "ReportDataInvalid", "");
    const failing = (failed: number) => (answer: Uint8Array, code: number) =>
      code === failed ? tpmAnswer(0x8001, 0x18b, noBytes) : answer;
    await rejects({ edit: failing(0x158) }, "TpmFailed");
    await rejects({ edit: failing(0x17e) }, "TpmFailed");
    // Without the index it is a TPM of another kind of machine.
    await rejects({ edit: failing(0x169) }, "PlatformNotFound");
  });

  // Goal: whatever a TPM answers, only typed errors come out.
  test("malformed answers", async () => {
    const parts = readTpm(snpVector);
    const property = fc.asyncProperty(
      fc.constantFrom(0x14e, 0x158, 0x169, 0x173, 0x17e),
      fc.nat(700),
      fc.nat(255),
      fc.boolean(),
      async (code, at, mask, isCut) => {
        const edit = (answer: Uint8Array, asked: number) => {
          if (asked !== code) return answer;
          if (isCut) return answer.subarray(0, at);
          const changed = Uint8Array.from(answer);
          changed[at % changed.length]! ^= mask;
          return changed;
        };
        const tpm = new TpmDevice(new FakeTpm({ ...parts, edit }), async () => undefined);
        const steps = [
          () => tpm.nvRead(0x01400001),
          () => tpm.readPublic(0x81000003),
          () => tpm.readRegisters(),
          () => tpm.quote(0x81000003, utf8ToBytes("x")),
        ];
        for (const step of steps) {
          const result = await step().catch((cause: unknown) => cause);
          if (result instanceof Error) expect(result).toMatchObject({ name: "CocoError" });
        }
      },
    );
    await fc.assert(property, { numRuns: 300 });
  });
});

describe.skipIf(!hasVectors)("sidecar of a container group", () => {
  const runtimeData = utf8ToBytes("key of the node");
  const reportData = concatBytes(crypto.sha256(runtimeData), new Uint8Array(32));

  async function collect(report: Uint8Array, request: { runtimeData?: Uint8Array } = {}) {
    const context = {
      "/context/host-amd-cert-base64": bytesToBase64(
        readVector("aci-milan/uvm_host_amd_certificate.json"),
      ),
      "/context/reference-info-base64": bytesToBase64(
        readVector("aci-milan/body.uvm_reference_info.bin"),
      ),
      "/context/security-policy-base64": Buffer.from(
        readVector("aci-milan/uvm_security_policy.base64"),
      ).toString(),
    };
    const asked: string[] = [];
    const server = await startServer((path, body) => {
      if (path === "/localhost:8080/status") return { body: "" };
      if (path !== "/localhost:8080/attest/raw") return undefined;
      asked.push(body);
      return { body: JSON.stringify({ report: bytesToHex(report) }) };
    });
    const ports = fakePorts({
      files: fakeFiles(context),
      http: redirectHttp(server.address),
      environment: { UVM_SECURITY_CONTEXT_DIR: "/context" },
    });
    const attestation = createAttestation({ ports });
    const result = await attestation
      .collect({ reportData, ...request })
      .catch((cause: unknown) => cause);
    await server.close();
    return { result, asked };
  }

  // Goal: the fake report that a sidecar writes where there is no device is never used.
  test("fake report", async () => {
    const fake = Uint8Array.from(readVector("aci-milan/snp_report.bin"));
    fake.set(reportData, 0x50);
    const { result, asked } = await collect(fake, { runtimeData });
    expect(result).toMatchObject({
      code: "EvidenceNotGenuine",
      facts: { code: expect.any(String) },
    });
    expect(asked).toEqual([JSON.stringify({ runtime_data: bytesToBase64(runtimeData) })]);
  });

  // Goal: a genuine report with its policy and endorsements passes, up to whose it is.
  test("genuine report about something else", async () => {
    const report = readVector("aci-milan/snp_report.bin");
    const { result } = await collect(report, { runtimeData });
    expect(result).toMatchObject({ code: "EvidenceForeign" });
  });

  // Goal: report data that the sidecar cannot produce is refused before it is asked.
  test("no preimage", async () => {
    const report = readVector("aci-milan/snp_report.bin");
    for (const request of [{}, { runtimeData: utf8ToBytes("other") }]) {
      const { result, asked } = await collect(report, request);
      expect(result).toMatchObject({ code: "SidecarNeedsPreimage" });
      expect(asked).toEqual([]);
    }
    const short = await collect(report.subarray(1), { runtimeData });
    expect(short.result).toMatchObject({ code: "SidecarFailed" });
  });
});

describe("Windows VSM", () => {
  const reportData = reportDataOf("x");

  // Goal: without a helper a Node process says honestly what it cannot do.
  test("no helper", async () => {
    const ports = fakePorts({ system: "win32" });
    const collected = createAttestation({ ports }).collect({ reportData });
    await expect(collected).rejects.toMatchObject({ code: "VsmOutOfReach" });
  });

  // Goal: a helper's evidence is verified like any other.
  test("helper", async () => {
    const [attestationKey, identityKey] = [createRsaKey(), createRsaKey()];
    const events = bootEvents(goodSettings, identityKeyEvent(identityKey));
    const report = createVbsReport(identityKey);
    const bundle = {
      vbs_report: bytesToBase64(report),
      boot_log: bytesToBase64(encodeLog(events)),
      tpm_quote: createQuote(attestationKey, registersOf(events)),
      ak_public: bytesToBase64(attestationKey.spki),
    };
    const ran: unknown[] = [];
    const run = async (path: string, parameters: readonly string[]) => {
      ran.push([path, ...parameters]);
      return utf8ToBytes(JSON.stringify(bundle));
    };
    const ports = fakePorts({ system: "win32", run });
    const tpmKeys = utf8ToBytes(bytesToHex(crypto.sha256(attestationKey.spki)));
    const collateral = new Map([["tpm_keys", tpmKeys]]);
    const trusting = createAttestation({ ports, vsmHelper: "helper.exe", collateral });
    // Header of the package and of the report come before what the enclave bound.
    const own = report.slice(32, 96);
    const { verification } = await trusting.collect({ reportData: own });
    expect(verification).toMatchObject({ ok: true, claims: { platform: "vsm" } });
    expect(ran).toEqual([["helper.exe", bytesToHex(own)]]);
    const strict = createAttestation({ ports, vsmHelper: "helper.exe" });
    await expect(strict.collect({ reportData: own })).rejects.toMatchObject({
      code: "EvidenceNotGenuine",
    });
    const broken = createAttestation({ ports: fakePorts({ system: "win32" }), vsmHelper: "no" });
    await expect(broken.collect({ reportData })).rejects.toMatchObject({ code: "VsmHelperFailed" });
  });
});

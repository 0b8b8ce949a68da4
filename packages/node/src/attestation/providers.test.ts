import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { bytesToHex, concatBytes, derToPem, utf8ToBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import {
  answerAsIntel,
  crypto,
  type FakeTsm,
  failure,
  fakeConfigfs,
  fakeFiles,
  fakePorts,
  hasVectors,
  noBytes,
  readVector,
  readVectorJson,
  redirectHttp,
  startServer,
} from "./attestation.testing.ts";
import { certificateTableToPem } from "./configfs-provider.ts";
import { createAttestation } from "./create-attestation.ts";
import { attestationErrors } from "./errors.ts";
import { GramineProvider, readGramineKey } from "./gramine-provider.ts";
import { createDeviceFiles } from "./node-ports.ts";
import type { DeviceFiles } from "./ports.ts";

const zeros = new Uint8Array(64);

function toReportData(text: string | Uint8Array): Uint8Array {
  const reportData = new Uint8Array(64);
  reportData.set(typeof text === "string" ? utf8ToBytes(text) : text);
  return reportData;
}

/** The table that a host puts beside a report. */
function certificateTable(...certificates: readonly [identifier: string, der: Uint8Array][]) {
  let offset = 24 * (certificates.length + 1);
  const rows = certificates.map(([identifier, { length }]) => {
    const row = Buffer.alloc(24);
    row.write(identifier, "hex");
    row.writeUInt32LE(offset, 16);
    row.writeUInt32LE(length, 20);
    offset += length;
    return row;
  });
  return concatBytes(...rows, new Uint8Array(24), ...certificates.map(([, der]) => der));
}

const pemToBytes = (name: string) =>
  Uint8Array.from(
    Buffer.from(
      Buffer.from(readVector(name))
        .toString()
        .replace(/-----[^-]+-----|\s/g, ""),
      "base64",
    ),
  );

const milan = (more: Partial<FakeTsm> = {}): FakeTsm => ({
  provider: "sev_guest",
  outblob: readVector("snp-milan/report.bin"),
  auxblob: certificateTable(
    ["c0b406a4a803495297433fb6014cd0ae", pemToBytes("snp-milan/ark.pem")],
    ["63da758de6644564adc5f4b93be8accd", pemToBytes("snp-milan/vcek.pem")],
    ["4ab7b379bbac4fe4a02f05aef327c782", pemToBytes("snp-milan/ask.pem")],
  ),
  ...more,
});

async function collectFrom(tsm: FakeTsm, reportData: Uint8Array = zeros, at?: string) {
  const files = fakeConfigfs(tsm);
  const ports = fakePorts({ files, ...(at === undefined ? {} : { at }) });
  const refused = { http: () => Promise.reject(attestationErrors.create("HttpFailed")) };
  const attestation = createAttestation({ ports: { ...ports, ...refused } });
  const result = attestation.collect({ reportData });
  return { result: await result.finally(() => expect(files.entries.size).toBe(0)), ports };
}

describe.skipIf(!hasVectors)("configfs-tsm", () => {
  // Goal: report and certificates from the kernel alone make evidence that verifies.
  test("SNP with a certificate table", async () => {
    const { result } = await collectFrom(milan());
    expect(result.provider).toBe("configfs-tsm");
    expect(result.evidence.format).toBe("AMD_SEV_SNP_v1");
    expect(result.verification.claims).toMatchObject({ product: "Milan", isHardware: true });
    const pem = Buffer.from(result.evidence.endorsements).toString();
    expect(pem.startsWith(derToPem(pemToBytes("snp-milan/vcek.pem")))).toBe(true);
    expect(pem.match(/BEGIN/g)).toHaveLength(3);
  });

  // Goal: without a table the certificate comes from AMD's service, asked by chip and TCB.
  test("SNP with AMD's key service", async () => {
    const vcek = readVector("snp-genoa-v5/live-vcek-genoa.der");
    const chain = readVector("amd-roots/ask_ark_genoa.pem");
    const report = readVector("snp-genoa-v5/live-report-v5-genoa.bin");
    const chip = bytesToHex(report.subarray(0x1a0, 0x1e0));
    const server = await startServer((path) => {
      if (path === "/kdsintf.amd.com/vcek/v1/Genoa/cert_chain") return { body: chain };
      const query = "blSPL=10&teeSPL=00&snpSPL=27&ucodeSPL=27";
      const isAsked = path === `/kdsintf.amd.com/vcek/v1/Genoa/${chip}?${query}`;
      return isAsked ? { body: vcek } : undefined;
    });
    const files = fakeConfigfs({ provider: "sev_guest", outblob: report });
    const ports = fakePorts({ files, http: redirectHttp(server.address) });
    const attestation = createAttestation({ ports, configuration: { platform: "SNP" } });
    const request = { reportData: report.slice(0x50, 0x90) };
    const { verification, evidence } = await attestation.collect(request);
    expect(verification.ok).toBe(true);
    expect(evidence.endorsedTcb).toBe("1b1b00000000000a");
    const [first, second] = server.asked;
    expect(first).toContain("169.254.169.254/metadata/THIM/amd/certification?tcbVersion=1b1b");
    expect(second).toContain("global.acccache.azure.net/SevSnpVM/certificates/");
    // Again: from the cache; only the sources that failed are asked once more.
    const count = server.asked.filter((path) => path.includes("kdsintf")).length;
    await attestation.collect(request);
    expect(server.asked.filter((path) => path.includes("kdsintf"))).toHaveLength(count);
    await server.close();
  });

  // Goal: a padded TDX quote is cut at its end, and Intel's collateral is put beside it.
  test("TDX with Intel's service", async () => {
    const collateral = readVectorJson("tdx-phala/tdx_quote_collateral.json");
    const server = await startServer((path) => answerAsIntel(collateral, path));
    const quote = readVector("tdx-phala/tdx_quote");
    const outblob = concatBytes(quote, Uint8Array.of(1, 2, 3));
    const ports = fakePorts({
      files: fakeConfigfs({ provider: "tdx_guest", outblob }),
      http: redirectHttp(server.address),
      at: "2025-06-25",
    });
    const attestation = createAttestation({ ports });
    const reportData = quote.slice(568, 632);
    const { evidence, verification } = await attestation.collect({ reportData });
    expect(evidence.quote.length).toBe(quote.length - 70);
    expect(verification.claims).toMatchObject({ platform: "tdx", tcbStatus: "UpToDate" });
    expect(server.asked).toContain(
      "/api.trustedservices.intel.com/tdx/certification/v4/tcb?fmspc=b0c06f000000",
    );
    await server.close();
    // Goal: while the collateral is current no server is needed.
    expect((await attestation.collect({ reportData })).verification.ok).toBe(true);
  });

  // Goal: a report that another reader replaced is read again, and not for ever.
  test("generations", async () => {
    const once = await collectFrom(milan({ disturb: (count) => count === 1 }));
    expect(once.result.verification.ok).toBe(true);
    expect(once.ports.pauses).toHaveLength(1);
    const always = collectFrom(milan({ disturb: () => true }));
    await expect(always).rejects.toMatchObject({ code: "EvidenceChanged" });
    const busy = (count: number) => {
      if (count < 3) throw failure("EBUSY");
      return false;
    };
    expect((await collectFrom(milan({ disturb: busy }))).result.verification.ok).toBe(true);
    const broken = collectFrom(
      milan({
        disturb: () => {
          throw failure("EIO");
        },
      }),
    );
    await expect(broken).rejects.toMatchObject({ code: "DeviceFailed", facts: { code: "EIO" } });
  });

  // Goal: what is not this node's own, genuine, undebuggable evidence never leaves the node.
  test("refusals", async () => {
    const foreign = collectFrom(milan(), toReportData("mine"));
    await expect(foreign).rejects.toMatchObject({ code: "EvidenceForeign" });
    const changed = Uint8Array.from(milan().outblob);
    changed[0x90]! ^= 1;
    const forged = collectFrom(milan({ outblob: changed }));
    await expect(forged).rejects.toMatchObject({
      code: "EvidenceNotGenuine",
      message: expect.stringContaining("signature"),
    });
    const debug = readVector("snp-milan-gcp/attestation.bin");
    const vcek = Uint8Array.from(readVector("snp-milan-gcp/vcek.der"));
    const auxblob = certificateTable(["63da758de6644564adc5f4b93be8accd", vcek]);
    const open = collectFrom(
      milan({ outblob: debug, auxblob }),
      toReportData(debug.subarray(0x50, 0x90)),
    );
    await expect(open).rejects.toMatchObject({ facts: { code: "DebugEnabled" } });
    const short = collectFrom(milan({ outblob: changed.subarray(1) }));
    await expect(short).rejects.toMatchObject({ code: "DeviceAnswerMalformed" });
    const sized = collectFrom(milan(), new Uint8Array(32));
    await expect(sized).rejects.toMatchObject({ code: "ReportDataInvalid" });
    const other = collectFrom(milan({ provider: "arm_cca" }));
    await expect(other).rejects.toMatchObject({ code: "PlatformNotFound" });
  });

  // Goal: a table that lies about offsets gives fewer certificates, never a crash.
  test("broken certificate tables", () => {
    const table = milan().auxblob!;
    for (let at = 0; at < 96; at++) {
      const changed = Uint8Array.from(table);
      changed[at]! ^= 0xff;
      expect(certificateTableToPem(changed).length).toBeLessThanOrEqual(3 * 2500);
    }
    expect(certificateTableToPem(table.subarray(0, 100))).toBe("");
    expect(certificateTableToPem(noBytes)).toBe("");
  });
});

/** The real file system, with / somewhere else. */
function filesUnder(root: string): DeviceFiles {
  const files = createDeviceFiles();
  return {
    ...files,
    exists: (path) => files.exists(root + path),
    read: (path, sizeBytesMax) => files.read(root + path, sizeBytesMax),
    write: (path, bytes) => files.write(root + path, bytes),
    list: (path) => files.list(root + path),
    makeDirectory: (path) => files.makeDirectory(root + path),
    open: (path) => files.open(root + path),
  };
}

describe.skipIf(!hasVectors)("Gramine", () => {
  async function createTree(type: string, quote: Uint8Array): Promise<string> {
    const root = await mkdtemp(`${tmpdir()}/coco-gramine-`);
    await mkdir(`${root}/dev/attestation/keys`, { recursive: true });
    await writeFile(`${root}/dev/attestation/attestation_type`, `${type}\0`);
    await writeFile(`${root}/dev/attestation/user_report_data`, "");
    await writeFile(`${root}/dev/attestation/quote`, quote);
    await writeFile(`${root}/dev/attestation/keys/_sgx_mrsigner`, "0123456789abcdef");
    await writeFile(`${root}/dev/attestation/keys/empty`, new Uint8Array(16));
    return root;
  }

  // Goal: a real quote from real files, with collateral, verifies at its time and not later.
  test("quote", async () => {
    const quote = readVector("sgx-phala/sgx_quote");
    const root = await createTree("dcap", concatBytes(quote, new Uint8Array(100)));
    const collateral = readVectorJson("sgx-phala/sgx_quote_collateral.json");
    const server = await startServer((path) => answerAsIntel(collateral, path));
    const parts = { files: filesUnder(root), http: redirectHttp(server.address) };
    const reportData = quote.slice(368, 432);
    const attestation = createAttestation({
      ports: fakePorts({ ...parts, at: "2025-06-25" }),
      configuration: { platform: "SGX" },
    });
    const { evidence, verification } = await attestation.collect({ reportData });
    expect(evidence.format).toBe("Intel_SGX_DCAP");
    expect(verification.claims?.tcbStatus).toBe("ConfigurationAndSWHardeningNeeded");
    const written = await readFile(`${root}/dev/attestation/user_report_data`);
    expect(new Uint8Array(written)).toEqual(reportData);
    const late = createAttestation({ ports: fakePorts({ ...parts, at: "2025-08-01" }) });
    const failed = late.collect({ reportData });
    await expect(failed).rejects.toMatchObject({ code: "EvidenceNotGenuine" });
    await server.close();
    await rm(root, { recursive: true });
  });

  // Goal: a manifest without attestation, and keys that are none, have their own errors.
  test("attestation off, and sealing keys", async () => {
    const root = await createTree("none", readVector("sgx-phala/sgx_quote"));
    const files = filesUnder(root);
    const provider = new GramineProvider({ files });
    const off = provider.collect({ reportData: zeros });
    await expect(off).rejects.toMatchObject({ code: "GramineAttestationOff" });
    expect(Buffer.from(await readGramineKey(files, "_sgx_mrsigner")).toString()).toBe(
      "0123456789abcdef",
    );
    for (const name of ["empty", "missing", "../quote", ""]) {
      await expect(readGramineKey(files, name)).rejects.toMatchObject({
        code: "SealingKeyInvalid",
      });
    }
    await rm(root, { recursive: true });
  });
});

describe("choice of the platform", () => {
  const collect = (options: Parameters<typeof createAttestation>[0]) =>
    createAttestation(options).collect({ reportData: toReportData("x") });

  // Goal: nothing found is an error, never evidence without hardware.
  test("virtual only when it is asked for", async () => {
    const ports = fakePorts();
    await expect(collect({ ports })).rejects.toMatchObject({ code: "PlatformNotFound" });
    const configuration = { platform: "Virtual" } as const;
    const hostData = crypto.sha256(utf8ToBytes("program"));
    const { evidence, verification } = await collect({ ports, configuration, hostData });
    expect(evidence.format).toBe("Insecure_Virtual");
    expect(verification).toMatchObject({ ok: true, isInsecure: true });
  });

  // Goal: the configured platform is not replaced by another one.
  test("the configured one is elsewhere", async () => {
    const files = fakeConfigfs({ provider: "tdx_guest", outblob: noBytes });
    const wanted = collect({ ports: fakePorts({ files }), configuration: { platform: "SNP" } });
    await expect(wanted).rejects.toMatchObject({
      code: "PlatformMismatch",
      message: expect.stringContaining("tdx by configfs-tsm"),
    });
  });

  // Goal: an old kernel is told apart from no hardware.
  test("/dev/sev-guest alone", async () => {
    const files = fakeFiles({ "/dev/sev-guest": "" });
    await expect(collect({ ports: fakePorts({ files }) })).rejects.toMatchObject({
      code: "KernelTooOld",
      next: expect.stringContaining("6.7"),
    });
  });
});

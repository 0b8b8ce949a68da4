import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { bytesToHex, utf8ToBytes } from "@coco/base";
import { describe, expect, test } from "vitest";
import { hostCertificatesToEndorsements, readSecurityContext } from "./amd-sources.ts";
import {
  fakeFiles,
  fakePorts,
  hasVectors,
  readVector,
  startServer,
} from "./attestation.testing.ts";
import { BundleSource } from "./bundle-source.ts";
import {
  type EndorsementRequest,
  evidenceToEndorsementRequest,
  requestToChipName,
  requestToSecurityVersions,
  type SnpEndorsementRequest,
} from "./endorsement-request.ts";
import {
  CachedSource,
  type EndorsementSource,
  findInOrder,
  withRetries,
} from "./endorsement-source.ts";
import { attestationErrors } from "./errors.ts";
import { IntelPcsSource } from "./intel-source.ts";
import { createDeviceFiles, createHttpExchange } from "./node-ports.ts";

const intel: EndorsementRequest = {
  kind: "intel",
  tee: "tdx",
  fmspc: "00806f050000",
  authority: "platform",
};

const snp: SnpEndorsementRequest = {
  kind: "snp",
  products: ["Milan"],
  chipId: "ab".repeat(64),
  reportedTcb: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  tcbHex: "0807060504030201",
  isVlek: false,
};

function source(find: EndorsementSource["find"], name = "test"): EndorsementSource {
  return { name, find };
}

describe("HTTP", () => {
  const limits = { timeoutMs: 300, sizeBytesMax: 1000 };

  // Goal: answers are bounded in size and time, and nothing listens to redirects.
  test("bounds", async () => {
    const server = await startServer((path) => {
      if (path.startsWith("/large")) return { body: new Uint8Array(2000) };
      return path === "/moved" ? { status: 302, headers: { location: "/large" } } : { body: "ok" };
    });
    const http = createHttpExchange(limits);
    expect((await http({ url: `${server.address}/` })).body).toEqual(utf8ToBytes("ok"));
    expect((await http({ url: `${server.address}/moved` })).status).toBe(302);
    const large = http({ url: `${server.address}/large?secret=1` });
    await expect(large).rejects.toMatchObject({
      code: "HttpFailed",
      message: expect.not.stringContaining("secret"),
    });
    await server.close();
    await expect(http({ url: server.address })).rejects.toMatchObject({ code: "HttpFailed" });
  });

  // Goal: a server that never ends its answer is left.
  test("time limit", async () => {
    const net = await import("node:net");
    const silent = net.createServer((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
      socket.on("error", () => undefined);
    });
    await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
    const { port } = silent.address() as { port: number };
    const http = createHttpExchange(limits);
    const answer = http({ url: `http://127.0.0.1:${port}/` });
    await expect(answer).rejects.toMatchObject({ code: "HttpFailed" });
    silent.close();
  });

  // Goal: passing failures are repeated after growing pauses, others are not, none for ever.
  test("retries", async () => {
    const statuses = [500, 429, 200, 404, 503, 503, 503];
    const headers = { "retry-after": "3" };
    const server = await startServer(() => {
      const status = statuses.shift() ?? 200;
      return { status, ...(status === 429 ? { headers } : {}) };
    });
    const { delay, pauses, http } = fakePorts();
    const patient = withRetries(http, { attemptsMax: 3, delay });
    const statusOf = async () => (await patient({ url: server.address })).status;
    expect(await statusOf()).toBe(200);
    expect(pauses.splice(0)).toEqual([250, 3000]);
    expect(await statusOf()).toBe(404);
    expect(pauses).toEqual([]);
    expect(await statusOf()).toBe(503);
    expect(pauses.splice(0)).toEqual([250, 500]);
    await server.close();
    await expect(statusOf()).rejects.toMatchObject({ code: "HttpFailed" });
    expect(pauses).toEqual([250, 500]);
  });
});

describe("order and cache", () => {
  const found = { endorsements: utf8ToBytes("x"), expiresMs: 1000 };

  // Goal: the first fitting answer counts, and a failure tells what each source said.
  test("order", async () => {
    const none = source(async () => undefined, "none");
    const broken = source(() => Promise.reject(attestationErrors.create("HttpFailed")), "broken");
    const good = source(async () => found, "good");
    expect(await findInOrder([none, broken, good], snp)).toBe(found);
    const refused = findInOrder([none, broken, good], snp, () => false);
    await expect(refused).rejects.toMatchObject({
      code: "EndorsementsUnavailable",
      message: expect.stringMatching(/none: none; broken: .*; good: they do not verify/),
    });
    const bug = source(() => Promise.reject(new TypeError("bug")));
    await expect(findInOrder([bug, good], snp)).rejects.toThrow("bug");
  });

  // Goal: one question for many askers, until the answer expires; failures are not remembered.
  test("cache", async () => {
    let [nowMs, count] = [0, 0];
    let isBroken = false;
    const inner = source(async () => {
      count++;
      if (isBroken) throw attestationErrors.create("HttpFailed");
      return { ...found, expiresMs: nowMs + 1000 };
    });
    const cache = new CachedSource(inner, { nowMs: () => nowMs });
    await Promise.all([cache.find(snp), cache.find(snp), cache.find(intel)]);
    expect(count).toBe(2);
    nowMs = 999;
    await cache.find(snp);
    expect(count).toBe(2);
    nowMs = 1000;
    isBroken = true;
    await expect(cache.find(snp)).rejects.toMatchObject({ code: "HttpFailed" });
    isBroken = false;
    expect(await cache.find(snp)).toMatchObject({ expiresMs: 2000 });
    for (let index = 0; index < 40; index++) {
      await cache.find({ ...snp, chipId: String(index).padStart(128, "0") });
      await cache.find({ ...intel, fmspc: String(index).padStart(12, "0") });
    }
    expect(count).toBe(84);
  });
});

describe("AMD", () => {
  // Goal: the host's certificates for another TCB are told apart from those that fit.
  test("stale host certificates", () => {
    const read = (fields: object) => hostCertificatesToEndorsements(JSON.stringify(fields), snp, 5);
    const good = { vcekCert: "A\n", certificateChain: "B", tcbm: "0807060504030201" };
    expect(read({ ...good, cacheControl: "60" })).toMatchObject({
      endorsements: utf8ToBytes("A\nB"),
      endorsedTcb: snp.tcbHex,
      expiresMs: 60_005,
    });
    for (const change of [{ tcbm: "1".repeat(16) }, { tcbm: 1 }, { vcekCert: undefined }]) {
      expect(() => read({ ...good, ...change })).toThrow(/do not fit/);
    }
    expect(() => hostCertificatesToEndorsements("{", snp, 0)).toThrow(/no JSON/);
  });

  // Goal: security versions stand where each product has them.
  test("security versions", () => {
    expect(requestToSecurityVersions(snp, "Genoa")).toEqual({
      blSPL: 1,
      teeSPL: 2,
      snpSPL: 7,
      ucodeSPL: 8,
    });
    expect(requestToSecurityVersions(snp, "Turin")).toEqual({
      fmcSPL: 1,
      blSPL: 2,
      teeSPL: 3,
      snpSPL: 4,
      ucodeSPL: 8,
    });
    expect(requestToChipName(snp, "Turin")).toBe("ab".repeat(8));
  });

  // Goal: a VLEK report names no machine, so only its host can endorse it.
  test.skipIf(!hasVectors)("requests of real reports", () => {
    const read = (name: string) =>
      evidenceToEndorsementRequest({
        format: "AMD_SEV_SNP_v1",
        quote: readVector(name),
        endorsements: new Uint8Array(0),
      });
    expect(read("snp-milan-vlek/test-vlek-report.bin")).toMatchObject({ isVlek: true });
    expect(read("aci-milan/snp_report.bin")).toMatchObject({
      products: ["Milan", "Genoa"],
      tcbHex: "7308000000000003",
      isVlek: false,
    });
    expect(read("snp-genoa/report.bin")).toMatchObject({ products: ["Genoa"] });
  });

  // Goal: files that are no base64 or are missing are named.
  test("security context", async () => {
    const files = fakeFiles({ "/a": "bm8gSlNPTg==\n", "/b": "%%%" });
    const paths = { uvmEndorsements: undefined, securityPolicy: undefined };
    const context = await readSecurityContext(files, { ...paths, hostCertificates: "/a" });
    expect(context).toEqual({ hostCertificates: "no JSON" });
    const bad = readSecurityContext(files, { ...paths, hostCertificates: "/b" });
    await expect(bad).rejects.toMatchObject({ code: "EndorsementsUnfit" });
    const missing = readSecurityContext(files, { ...paths, hostCertificates: "/c" });
    await expect(missing).rejects.toMatchObject({ code: "DeviceFailed", facts: { path: "/c" } });
  });
});

describe("Intel and bundles", () => {
  // Goal: an answer without signature, dates or chain is refused, whatever its status says.
  test("unfit answers", async () => {
    let body = "{}";
    const server = await startServer(() => ({ body }));
    const { http, clock } = fakePorts();
    const address = server.address;
    const pcs = new IntelPcsSource({ address, rootCrlUrl: `${address}/crl`, http, clock });
    const ask = () => pcs.find(intel);
    await expect(ask()).rejects.toMatchObject({ code: "EndorsementsUnfit" });
    body = `{"tcbInfo":{"nextUpdate":"never"},"signature":"${"0".repeat(128)}"}`;
    await expect(ask()).rejects.toMatchObject({ code: "EndorsementsUnfit" });
    expect(await pcs.find(snp)).toBeUndefined();
    await server.close();
    await expect(ask()).rejects.toMatchObject({ code: "HttpFailed" });
  });

  // Goal: an operator's files are found by what they endorse.
  test("offline directory", async () => {
    const directory = await mkdtemp(`${tmpdir()}/coco-bundle-`);
    const { clock } = fakePorts();
    const bundle = new BundleSource({ directory, files: createDeviceFiles(), clock });
    expect(await bundle.find(intel)).toBeUndefined();
    await writeFile(`${directory}/tdx-00806f050000.json`, "no JSON");
    await expect(bundle.find(intel)).rejects.toMatchObject({ code: "EndorsementsUnfit" });
    await writeFile(`${directory}/snp-${"ab".repeat(64)}-${snp.tcbHex}.pem`, "PEM");
    const found = await bundle.find(snp);
    expect(bytesToHex(found!.endorsements)).toBe("50454d");
    expect(found!.endorsedTcb).toBe(snp.tcbHex);
    await writeFile(`${directory}/tdx-00806f050000.json`, new Uint8Array(300_000));
    await expect(bundle.find(intel)).rejects.toMatchObject({ facts: { code: "EFBIG" } });
    await rm(directory, { recursive: true });
  });
});

import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { createCertificate, isCocoError } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { afterEach, describe, expect, it } from "vitest";
import { type LoggingBenchOptions, runLoggingBench } from "./logging-bench.ts";

const crypto = createNodeCrypto();

function issue(subject: string) {
  const key = generateSigningKey("secp256r1");
  const certificate = createCertificate({
    subject,
    publicKey: key.publicKey,
    signer: key,
    notBeforeMs: Date.UTC(2020, 0),
    notAfterMs: Date.UTC(2040, 0),
    serial: crypto.bytes(16),
    subjectAltNames: [{ ip: "127.0.0.1" }],
    isAuthority: true,
    hash: crypto,
  });
  return { certificate, key: key.toPem() };
}

const service = issue("CN=service");
const user = issue("CN=user");
const servers: { close(): void; closeAllConnections?(): void }[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
});

/** A node reduced to the logging app; commits `commitAfterMs` after a write. */
async function startLoggingServer(commitAfterMs: number, honoursWait: boolean) {
  const records = new Map<string, string>();
  const writtenAt: number[] = [];
  const users = new Set<string>();
  const server = createServer(
    { ...keyPair(service), requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const url = new URL(request.url!, "https://node");
      const answer = (status: number, body: string, headers: Record<string, string> = {}) =>
        response.writeHead(status, { ...headers, "content-length": body.length }).end(body);
      if (url.pathname === "/node/tx") {
        const seqno = Number(url.searchParams.get("transaction_id")!.split(".")[1]);
        const isCommitted = performance.now() - writtenAt[seqno]! >= commitAfterMs;
        answer(200, JSON.stringify({ status: isCommitted ? "Committed" : "Pending" }));
        return;
      }
      users.add((request.socket as TLSSocket).getPeerCertificate().fingerprint256);
      if (request.method === "GET") {
        const message = records.get(url.searchParams.get("id")!);
        answer(message === undefined ? 404 : 200, JSON.stringify({ msg: message }));
        return;
      }
      request.setEncoding("utf8").once("data", (text: string) => {
        const { id, msg } = JSON.parse(text) as { id: number; msg: string };
        records.set(String(id), msg);
        const txId = `2.${writtenAt.push(performance.now()) - 1}`;
        const waits = honoursWait && request.headers["x-coco-wait"] === "committed";
        const headers = { "x-ms-ccf-transaction-id": txId };
        setTimeout(() => answer(200, "true", headers), waits ? commitAfterMs + 5 : 0);
      });
    },
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, records, users };
}

function keyPair(identity: typeof service) {
  return { cert: identity.certificate, key: identity.key };
}

function optionsFor(url: string): LoggingBenchOptions {
  return {
    urls: [url],
    serviceCertificate: service.certificate,
    certificate: user.certificate,
    key: user.key,
    durationMs: 300,
    connectionCount: 4,
    keyCount: 50,
    commitRatePerSecond: 200,
    serverPid: process.pid,
  };
}

describe("runLoggingBench", () => {
  // Goal: every phase runs with the client certificate, and every key is distinct and written.
  it("measures a node that waits for commit", async () => {
    const server = await startLoggingServer(20, true);
    const result = await runLoggingBench(optionsFor(server.url));
    expect(server.users.size).toBe(1);
    expect(server.records.size).toBe(50);
    expect([...server.records.values()].every((message) => message.length === 20)).toBe(true);
    expect(result).toMatchObject({ commitMethod: "wait", connections: 4, keys: 50, nodes: 1 });
    expect(result.commitP50Ms).toBeGreaterThanOrEqual(20);
    expect(result.writesPerSecond).toBeGreaterThan(0);
    expect(result.readsPerSecond).toBeGreaterThan(0);
    expect(result.singleConnectionP50Ms).toBeLessThan(20);
  });

  // Goal: a node without that header is measured by asking for the status.
  it("polls a node that does not know the wait header", async () => {
    const server = await startLoggingServer(20, false);
    const result = await runLoggingBench(optionsFor(server.url));
    expect(result.commitMethod).toBe("poll");
    expect(result.commitSamples).toBeGreaterThan(0);
    expect(result.commitP50Ms).toBeGreaterThanOrEqual(20);
  });

  // Goal: failures are typed and say what is wrong.
  it("refuses bad options, strangers and refusing nodes", async () => {
    const server = await startLoggingServer(0, true);
    const codeOf = (options: Partial<LoggingBenchOptions>) =>
      runLoggingBench({ ...optionsFor(server.url), ...options }).then(
        () => "none",
        (error: unknown) => (isCocoError(error) ? error.code : String(error)),
      );
    expect(await codeOf({ urls: [] })).toBe("BadLoadOptions");
    expect(await codeOf({ urls: ["http://127.0.0.1:1"] })).toBe("BadLoadOptions");
    expect(await codeOf({ keyCount: 0 })).toBe("BadLoadOptions");
    expect(await codeOf({ serviceCertificate: user.certificate })).toBe("ConnectionLost");
    const plain = createPlainServer((_, response) => response.end());
    servers.push(plain);
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const { port } = plain.address() as AddressInfo;
    expect(await codeOf({ urls: [`https://127.0.0.1:${port}`] })).toBe("ConnectionLost");
  });
});

import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { createCertificate } from "@coco/base";
import { createNodeCrypto, generateSigningKey, type SigningKey } from "@coco/base/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConnectError } from "../errors.ts";
import { connectNode } from "./connect-node.ts";
import { createHttpsTransport } from "./https-transport.ts";

const crypto = createNodeCrypto();
const hourMs = 3_600_000;

interface Issued {
  readonly pem: string;
  readonly key: SigningKey;
}

function issue(subject: string, issuer?: Issued): Issued {
  const key = generateSigningKey();
  const pem = createCertificate({
    subject: `CN=${subject}`,
    publicKey: key.publicKey,
    signer: issuer?.key ?? key,
    ...(issuer && { issuer: issuer.pem }),
    notBeforeMs: Date.now() - hourMs,
    notAfterMs: Date.now() + hourMs,
    serial: Uint8Array.of(0x40, ...crypto.bytes(15)),
    subjectAltNames: [{ ip: "127.0.0.1" }],
    isAuthority: issuer === undefined,
    hash: crypto,
  });
  return { pem, key };
}
const service = issue("Service");
const node = issue("Node", service);
const user = issue("User");
const identity = { certificate: user.pem, key: user.key.toPem() };

let server: Server;
let url: string;
beforeAll(async () => {
  const options = {
    cert: node.pem,
    key: node.key.toPem(),
    requestCert: true,
    rejectUnauthorized: false,
  };
  server = createServer(options, (request, response) => {
    if (request.url === "/never") return;
    const subject = (request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? "nobody";
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      response.setHeader("x-ms-ccf-transaction-id", "2.5");
      response.end(JSON.stringify({ method: request.method, url: request.url, subject, body }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe("the transport over TLS", () => {
  // Goal: a request reaches the node of the pinned service with the client certificate.
  test("sends the body and the client certificate", async () => {
    const connection = connectNode({ url, serviceCertificate: service.pem, identity });
    const answer = await connection.submit("/app/x", { body: { id: 1 } });
    expect(answer.txId).toBe("2.5");
    expect(answer.json()).toEqual({
      method: "POST",
      url: "/app/x",
      subject: "User",
      body: '{"id":1}',
    });
    const anonymous = connectNode({ url, serviceCertificate: service.pem });
    expect((await anonymous.query("/app/x")).json()).toMatchObject({ subject: "nobody" });
    await Promise.all([connection.close(), anonymous.close()]);
  });

  // Goal: a node of another service is not talked to, and the error says why.
  test("refuses a node of another service", async () => {
    const other = issue("Service");
    const connection = connectNode({ url, serviceCertificate: other.pem, identity });
    const thrown = await connection.query("/app/x").catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(ConnectError);
    expect(thrown).toMatchObject({ code: "ServiceNotTrusted" });
    await connection.close();
  });

  // Goal: nobody listening, silence and a wrong URL have errors of their own.
  test("names what is wrong with the connection", async () => {
    const free = connectNode({ url: "https://127.0.0.1:1", serviceCertificate: service.pem });
    await expect(free.query("/x")).rejects.toMatchObject({
      code: "ConnectionFailed",
      message: "The node cannot be reached: https://127.0.0.1:1: ECONNREFUSED",
    });
    const silent = createHttpsTransport({ url, serviceCertificate: service.pem, timeoutMs: 100 });
    const request = { method: "GET", path: "/never", headers: {} };
    await expect(silent.send(request)).rejects.toMatchObject({ code: "RequestTimedOut" });
    await silent.close();
    for (const wrong of ["http://127.0.0.1", "nonsense", ""]) {
      expect(() => createHttpsTransport({ url: wrong, serviceCertificate: "" })).toThrow(
        expect.objectContaining({ code: "ConnectionFailed" }),
      );
    }
  });
});

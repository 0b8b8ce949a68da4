import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { identity, service, startFront, stopAll, user } from "./front.testing.ts";
import { canSharePorts } from "./front-interface.ts";

afterEach(stopAll);

const get = (target: string) => `GET ${target} HTTP/1.1\r\n\r\n`;

describe("TLS", () => {
  const face = { authority: "Service", acceptedEndpoints: undefined } as const;

  test("a self-signed client certificate reaches the executor; none is required", async () => {
    const { connectTls: dial, executor } = await startFront({ face });
    const withCertificate = await dial({ cert: user.cert, key: user.key });
    withCertificate.send(get("/1"));
    await withCertificate.responses(1);
    const without = await dial();
    without.send(get("/2"));
    await without.responses(1);
    const certificates = executor.requests.map(({ session }) => session.certificate?.der);
    expect(certificates).toEqual([user.der, undefined]);
    expect(executor.requests[0]?.session.certificate?.pem.trim()).toBe(user.cert.trim());
  });

  test("a resumed session keeps its certificate", async () => {
    const { connectTls: dial, executor } = await startFront({ face });
    for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
      executor.requests.length = 0;
      const first = await dial({ cert: user.cert, key: user.key, maxVersion });
      let session: Buffer | undefined = (first.socket as TLSSocket).getSession();
      first.socket.on("session", (ticket: Buffer) => (session = ticket));
      first.send(get("/1"));
      await first.responses(1);
      const second = await dial({
        cert: user.cert,
        key: user.key,
        maxVersion,
        ...(session === undefined ? {} : { session }),
      });
      expect((second.socket as TLSSocket).isSessionReused()).toBe(true);
      second.send(get("/2"));
      await second.responses(1);
      expect(executor.requests.map((request) => request.session.certificate?.der)).toEqual([
        user.der,
        user.der,
      ]);
    }
  });

  test("TLS 1.2 and 1.3 are spoken, with a cheap key exchange; TLS 1.1 is not", async () => {
    const { connectTls: dial, counters } = await startFront({ face });
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const client = await dial({ minVersion: version, maxVersion: version });
      const socket = client.socket as TLSSocket;
      expect(socket.getProtocol()).toBe(version);
      expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: "X25519" });
      expect(socket.getPeerX509Certificate()?.raw).toEqual(Buffer.from(service.der));
    }
    const old = {
      minVersion: "TLSv1.1",
      maxVersion: "TLSv1.1",
      ciphers: "ALL:@SECLEVEL=0",
    } as const;
    await expect(dial(old)).rejects.toThrow(/version|alert/i);
    expect(counters.get("handshakeFailures")).toBe(1);
  });

  test("an interface without certificate refuses; a new one is used from then on", async () => {
    const { connectTls: dial, front } = await startFront({ face: { ...face, authority: "Node" } });
    await expect(dial()).rejects.toThrow();
    for (const own of [identity("node", "secp384r1"), identity("node", "secp384r1")]) {
      front.setCertificate({ authority: "Node", certificatePem: own.cert, keyPem: own.key });
      const client = await dial();
      expect((client.socket as TLSSocket).getPeerX509Certificate()?.raw).toEqual(
        Buffer.from(own.der),
      );
    }
    expect(() =>
      front.setCertificate({ authority: "Node", certificatePem: user.cert, keyPem: service.key }),
    ).toThrow(/cannot be used together/);
  });

  test("is answered also when the client ends its side after the last request", async () => {
    const { connectTls: dial } = await startFront({ face });
    const client = await dial();
    client.socket.end(get("/1"));
    await client.until(() => client.isClosed);
    expect(client.text).toMatch(/GET \/1 $/);
  });

  test("several threads on one port need Node 22.12", () => {
    const versions = ["20.19.0", "22.11.0", "22.12.0", "23.1.0", "26.10.0"];
    expect(versions.map(canSharePorts)).toEqual([false, false, true, true, true]);
  });

  test("an address in use is named", async () => {
    const { connect, front } = await startFront();
    const client = await connect();
    const port = client.socket.remotePort ?? 0;
    await expect(startFront({ face: { port } })).rejects.toThrow(
      `The address of an RPC interface is already in use: primary on 127.0.0.1:${port}`,
    );
    expect(front.sessionCount).toBe(1);
  });
});

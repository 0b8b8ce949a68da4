import { createCertificate, type SignatureAlgorithm } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import { ConnectError } from "../errors.ts";
import { createBrowserCrypto } from "./browser-crypto.ts";
import { connectBrowser } from "./connect-browser.ts";
import type { FetchLike } from "./fetch-transport.ts";

const node = createNodeCrypto();
const browser = createBrowserCrypto();
const data = new TextEncoder().encode("what is signed");

describe("browser crypto", () => {
  // Goal: every hash is what node:crypto computes.
  test("hashes", () => {
    const key = node.bytes(32);
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    expect(hex(browser.sha256(data))).toBe(hex(node.sha256(data)));
    for (const name of ["SHA-256", "SHA-384", "SHA-512"] as const) {
      expect(hex(browser.digest(name, data))).toBe(hex(node.digest(name, data)));
    }
    expect(hex(browser.hmacSha256(key, data))).toBe(hex(node.hmacSha256(key, data)));
    const salt = new Uint8Array(0);
    const derived = hex(browser.hkdfSha256(key, salt, data, 40));
    expect(derived).toBe(hex(node.hkdfSha256(key, salt, data, 40)));
  });

  // Goal: signatures of node:crypto keys verify; other data, keys, algorithms and rubbish do not.
  test.each(["secp256r1", "secp384r1"] as const)("signatures of %s", async (curve) => {
    const key = generateSigningKey(curve);
    const other = generateSigningKey(curve);
    const signature = key.sign(data);
    const verify = (
      algorithm: SignatureAlgorithm,
      publicKey: Uint8Array,
      bytes: Uint8Array,
      signed = data,
    ) => browser.verify(algorithm, publicKey, signed, bytes);
    expect(verify(key.algorithm, key.publicKey, signature)).toBe(true);
    expect(verify(key.algorithm, other.publicKey, signature)).toBe(false);
    expect(verify(key.algorithm, key.publicKey, signature, data.subarray(1))).toBe(false);
    const wrong = key.algorithm === "ES256" ? "ES384" : "ES256";
    for (const algorithm of [wrong, "ES512", "EdDSA", "PS256"] as const) {
      expect(verify(algorithm, key.publicKey, signature)).toBe(false);
    }
    expect(verify(key.algorithm, key.publicKey, signature.subarray(1))).toBe(false);
    expect(verify(key.algorithm, new Uint8Array(10), signature)).toBe(false);
    const der = await key.signSha256DerAsync(data);
    expect(browser.verifyEcdsaSha256(key.publicKey, data, der)).toBe(true);
    expect(browser.verifyEcdsaDigest(key.publicKey, node.sha256(data), der)).toBe(true);
    expect(browser.verifyEcdsaSha256(other.publicKey, data, der)).toBe(false);
    expect(browser.verifyEcdsaDigest(key.publicKey, node.sha256(data), data)).toBe(false);
  });

  // Goal: certificates read as node reads them, and issuing is checked by name and signature.
  test("certificates", () => {
    const issue = (subject: string, issuer?: { pem: string; key: typeof key }) => {
      const pem = createCertificate({
        subject: `CN=${subject}`,
        publicKey: key.publicKey,
        signer: issuer?.key ?? key,
        ...(issuer && { issuer: issuer.pem }),
        notBeforeMs: 0,
        notAfterMs: 1_900_000_000_000,
        serial: Uint8Array.of(1),
        isAuthority: issuer === undefined,
        hash: node,
      });
      return { pem, key };
    };
    const key = generateSigningKey();
    const service = issue("Service");
    const impostor = { ...issue("Service"), key: generateSigningKey() };
    const certificate = browser.parse(issue("Node", service).pem);
    const expected = node.parse(issue("Node", service).pem);
    expect({ ...certificate, der: undefined }).toEqual({ ...expected, der: undefined });
    expect(browser.isIssuedBy(certificate, browser.parse(service.pem))).toBe(true);
    const forged = browser.parse(issue("Node", impostor).pem);
    expect(browser.isIssuedBy(forged, browser.parse(service.pem))).toBe(false);
    const other = issue("Another Service");
    expect(browser.isIssuedBy(certificate, browser.parse(other.pem))).toBe(false);
    for (const rubbish of ["", "x", new Uint8Array(0), new Uint8Array(100)]) {
      expect(() => browser.parse(rubbish)).toThrow(expect.objectContaining({ name: "CocoError" }));
    }
  });
});

describe("a connection from a page", () => {
  // Goal: requests go through fetch with their bodies, and answers come back whole.
  test("submit over fetch", async () => {
    const sent: { url: string; method: string; body?: Uint8Array }[] = [];
    const fetch: FetchLike = async (url, options) => {
      sent.push({ url, ...options });
      const headers = new Headers({ "X-MS-CCF-Transaction-Id": "2.9" });
      const body = new TextEncoder().encode("true");
      return { status: 200, headers, arrayBuffer: async () => body.buffer as ArrayBuffer };
    };
    const url = "https://node.example:8000";
    const connection = connectBrowser({ url, serviceCertificate: "", fetch });
    const submitted = await connection.submit("/app/x", { body: { id: 1 } });
    expect(submitted.txId).toBe("2.9");
    expect(sent[0]).toMatchObject({ url: `${url}/app/x`, method: "POST" });
    expect(new TextDecoder().decode(sent[0]!.body)).toBe('{"id":1}');
  });

  // Goal: what fetch throws is a connection error.
  test("a failed fetch", async () => {
    const fetch: FetchLike = async () => {
      throw new TypeError("Failed to fetch");
    };
    const connection = connectBrowser({ url: "https://x", serviceCertificate: "", fetch });
    await expect(connection.query("/app/x")).rejects.toBeInstanceOf(ConnectError);
  });
});

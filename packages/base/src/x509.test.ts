import "reflect-metadata";
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createNodeCrypto, generateSigningKey, pemToSigningKey } from "@coco/base/node";
import * as peculiar from "@peculiar/x509";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesToHex,
  certificateToPublicKey,
  createCertificate,
  createCertificateRequest,
  derToName,
  endorseCertificateRequest,
  ipToBytes,
  isCocoError,
  nameToDer,
  parseCertificate,
  parseCertificateRequest,
  pemToDer,
  textToAltName,
  verifyX509Signature,
} from "./index.ts";

const crypto = createNodeCrypto();
const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const notBeforeMs = Date.UTC(2026, 10, 20, 10, 4, 15);
const notAfterMs = Date.UTC(2026, 10, 21, 10, 4, 14);
const serviceKey = generateSigningKey("secp384r1");
const nodeKey = generateSigningKey("secp256r1");

function issueService(): string {
  return createCertificate({
    subject: "CN=CCF Service",
    publicKey: serviceKey.publicKey,
    signer: serviceKey,
    notBeforeMs,
    notAfterMs,
    serial: crypto.bytes(16),
    isAuthority: true,
    hash: crypto,
  });
}

function issueNode(issuer: string): string {
  return endorseCertificateRequest({
    request: createCertificateRequest({
      subject: "O=Contoso\\, Ltd,CN=CCF Node",
      signer: nodeKey,
      subjectAltNames: [{ dns: "node1.example.com" }, { ip: "127.0.0.1" }, { ip: "::1" }],
    }),
    issuer,
    signer: serviceKey,
    notBeforeMs,
    notAfterMs: Date.UTC(2051, 0, 1),
    serial: crypto.bytes(16),
    crypto,
  });
}

describe("createCertificate", () => {
  it("makes what OpenSSL reads: a service certificate and a node certificate under it", () => {
    const service = new X509Certificate(issueService());
    const node = new X509Certificate(issueNode(service.toString()));
    expect(service.ca).toBe(true);
    expect(service.subject).toBe("CN=CCF Service");
    expect(service.verify(service.publicKey)).toBe(true);
    expect(Date.parse(service.validFrom)).toBe(notBeforeMs);
    expect(Date.parse(service.validTo)).toBe(notAfterMs);
    expect(node.ca).toBe(false);
    expect(node.checkIssued(service)).toBe(true);
    expect(node.verify(service.publicKey)).toBe(true);
    expect(node.checkHost("node1.example.com")).toBe("node1.example.com");
    expect(node.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(node.checkIP("::1")).toBeDefined();
    expect(Date.parse(node.validTo)).toBe(Date.UTC(2051, 0, 1));
    expect(crypto.isIssuedBy(crypto.parse(node.toString()), crypto.parse(service.toString()))).toBe(
      true,
    );
  });

  it("has exactly the extensions that an independent reader expects", () => {
    const service = new peculiar.X509Certificate(issueService());
    const node = new peculiar.X509Certificate(issueNode(service.toString("pem")));
    const constraints = service.getExtension(peculiar.BasicConstraintsExtension);
    expect(constraints).toMatchObject({ critical: true, ca: true, pathLength: 1 });
    const usage = service.getExtension(peculiar.KeyUsagesExtension);
    expect(usage?.critical).toBe(true);
    expect(usage?.usages).toBe(
      peculiar.KeyUsageFlags.digitalSignature | peculiar.KeyUsageFlags.keyCertSign,
    );
    const keyId = service.getExtension(peculiar.SubjectKeyIdentifierExtension)?.keyId;
    expect(node.getExtension(peculiar.AuthorityKeyIdentifierExtension)?.keyId).toBe(keyId);
    const names = node.getExtension(peculiar.SubjectAlternativeNameExtension)?.names.toJSON();
    expect(names?.slice(0, 2)).toEqual([
      { type: "dns", value: "node1.example.com" },
      { type: "ip", value: "127.0.0.1" },
    ]);
    expect(node.extensions.map((extension) => extension.type)).toEqual([
      "2.5.29.19",
      "2.5.29.14",
      "2.5.29.35",
      "2.5.29.17",
    ]);
    expect(node.subject).toBe("O=Contoso\\, Ltd, CN=CCF Node");
  });

  it("refuses a validity that ends before it begins", () => {
    const make = () =>
      createCertificate({
        subject: "CN=a",
        publicKey: nodeKey.publicKey,
        signer: nodeKey,
        notBeforeMs,
        notAfterMs: notBeforeMs - 1000,
        serial: Uint8Array.of(1),
        isAuthority: false,
        hash: crypto,
      });
    expect(make).toThrow(expect.objectContaining({ code: "BadCertificate" }));
  });
});

describe.skipIf(!existsSync(`${vectors}/ccf-http`))("certificates of a real service", () => {
  // CCF takes SHA-1 for key identifiers; with it every other byte has to be the same.
  const hash = {
    sha256: (data: Uint8Array) => new Uint8Array(createHash("sha1").update(data).digest()),
  };
  const bodies = readRecordedBodies();
  const service = bodies.map((body) => body["service_certificate"]).find(isText)!;
  const selfSigned = bodies.map((body) => body["self_signed_certificate"]).find(isText)!;
  const endorsed = bodies.map((body) => body["cert"]).find(isText)!;

  it.each([
    ["service", service, undefined],
    ["self-signed node", selfSigned, undefined],
    ["endorsed node", endorsed, service],
  ])("are written with the same bytes: %s", (_, pem, issuer) => {
    const wanted = parseCertificate(pem);
    const made = createCertificate({
      subject: wanted.subject,
      ...(issuer === undefined ? {} : { issuer }),
      publicKey: wanted.publicKey,
      signer: serviceKey,
      notBeforeMs: wanted.notBeforeMs,
      notAfterMs: wanted.notAfterMs,
      serial: wanted.serial,
      subjectAltNames: wanted.subjectAltNames,
      isAuthority: wanted.isAuthority,
      hash,
    });
    expect(bytesToHex(parseCertificate(made).signedBytes)).toBe(bytesToHex(wanted.signedBytes));
  });
});

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function readRecordedBodies(): Record<string, unknown>[] {
  const file = `${vectors}/ccf-http/exchanges.jsonl`;
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  return lines
    .map((line) => (line === "" ? undefined : JSON.parse(line).response?.body))
    .filter((body) => isText(body) && body.startsWith('{"'))
    .map((body) => JSON.parse(body));
}

describe("certificate requests", () => {
  it("of ours are read and verified by an independent library", async () => {
    const pem = createCertificateRequest({ subject: "CN=CCF Node", signer: serviceKey });
    const request = new peculiar.Pkcs10CertificateRequest(pem);
    expect(request.subject).toBe("CN=CCF Node");
    expect(await request.verify()).toBe(true);
    expect(parseCertificateRequest(pem, crypto).subject).toBe("CN=CCF Node");
  });

  it("that CCF signs with SHA-512 and a P-384 key are accepted; damaged ones are not", async () => {
    const algorithm = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-512" };
    const keys = await globalThis.crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const made = await peculiar.Pkcs10CertificateRequestGenerator.create({
      name: "CN=CCF Node",
      keys,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-512" },
      extensions: [
        new peculiar.SubjectAlternativeNameExtension([{ type: "dns", value: "a.example" }]),
      ],
    });
    const der = new Uint8Array(made.rawData);
    expect(parseCertificateRequest(der, crypto).subjectAltNames).toEqual([{ dns: "a.example" }]);
    const flips = Array.from({ length: 24 }, (_, index) => Math.floor((index * der.length) / 24));
    for (const at of flips) {
      const damaged = der.map((byte, index) => (index === at ? byte ^ 1 : byte));
      expect(() => parseCertificateRequest(damaged, crypto)).toThrow(
        expect.objectContaining({ code: "BadCertificate" }),
      );
    }
  });
});

describe("names", () => {
  it("survive a round trip", () => {
    const value = fc.stringMatching(/^[\p{L}0-9 ,.-]{1,30}$/u).filter((text) => text !== "");
    fc.assert(
      fc.property(fc.constantFrom("CN", "O", "OU"), value, (type, text) => {
        const name = `${type}=${text.replaceAll(",", "\\,")}`;
        expect(derToName(nameToDer(name))).toBe(name);
      }),
    );
  });

  it("refuse what is no name and no address", () => {
    for (const bad of ["", "CCF Service", "CN=", "XX=1", "CN=a,"]) {
      expect(() => nameToDer(bad), bad).toThrow(
        expect.objectContaining({ code: "BadCertificate" }),
      );
    }
    for (const bad of ["1.2.3", "256.1.1.1", ":::", "1::2::3", "1:2:3:4:5:6:7", "g::1", ""]) {
      expect(() => ipToBytes(bad), bad).toThrow(
        expect.objectContaining({ code: "BadCertificate" }),
      );
    }
    expect(bytesToHex(ipToBytes("2001:db8::8:800:200c:417a"))).toBe(
      "20010db80000000000080800200c417a",
    );
    expect(textToAltName("iPAddress:10.0.0.1")).toEqual({ ip: "10.0.0.1" });
    expect(textToAltName("dNSName:ccf.example")).toEqual({ dns: "ccf.example" });
    expect(textToAltName("localhost")).toEqual({ dns: "localhost" });
  });
});

describe("parseCertificate", () => {
  const folder = `${vectors}/ccf-ledgers/live_service/common`;

  it.skipIf(!existsSync(folder))(
    "agrees with OpenSSL on the certificates of a real service",
    () => {
      const files = readdirSync(folder).filter((name) => name.endsWith("_cert.pem"));
      expect(files.length).toBeGreaterThan(3);
      for (const file of files) {
        const pem = readFileSync(`${folder}/${file}`, "latin1");
        const oracle = new X509Certificate(pem);
        const parsed = parseCertificate(pem);
        expect(parsed.subject).toBe(oracle.subject);
        expect(parsed.notAfterMs).toBe(Date.parse(oracle.validTo));
        expect(parsed.isAuthority).toBe(oracle.ca);
        expect(Buffer.from(certificateToPublicKey(pem))).toEqual(
          oracle.publicKey.export({ format: "der", type: "spki" }),
        );
        expect(verifyX509Signature(crypto, parsed, parsed.publicKey)).toBe(true);
      }
    },
  );

  it("throws BadCertificate and nothing else for damaged bytes", () => {
    const der = pemToDer(issueNode(issueService()));
    const damage = fc.tuple(fc.nat(der.length - 1), fc.nat(255), fc.nat(der.length));
    fc.assert(
      fc.property(damage, fc.boolean(), ([at, value, length], isCut) => {
        const bytes = der.map((byte, index) => (index === at ? value : byte));
        try {
          parseCertificate(isCut ? bytes.subarray(0, length) : bytes);
        } catch (error) {
          expect(isCocoError(error) && error.code).toBe("BadCertificate");
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("does not accept a signature by another key", () => {
    const parsed = parseCertificate(issueService());
    expect(verifyX509Signature(crypto, parsed, nodeKey.publicKey)).toBe(false);
    const other = pemToSigningKey(generateSigningKey("secp384r1").toPem());
    expect(verifyX509Signature(crypto, parsed, other.publicKey)).toBe(false);
  });
});

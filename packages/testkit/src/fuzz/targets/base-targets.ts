/** Encodings: CBOR, COSE, DER, certificates, PEM, base64. */
import {
  base64ToBytes,
  bytesToBase64,
  createCertificate,
  createCertificateRequest,
  decodeCbor,
  decodeCoseSign1,
  encodeCbor,
  equalBytes,
  keyIdToBytes,
  parseCertificate,
  parseCertificateRequest,
  pemToBlocks,
  pemToDer,
  signCoseSign1,
  utf8ToBytes,
  verifyCoseSign1,
} from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { type FuzzTarget, OracleViolation } from "../fuzzer.ts";

const crypto = createNodeCrypto();
const key = generateSigningKey("secp256r1");

const certificate = createCertificate({
  subject: "CN=user,O=Contoso",
  publicKey: key.publicKey,
  signer: key,
  notBeforeMs: Date.UTC(2026, 0),
  notAfterMs: Date.UTC(2027, 0),
  serial: new Uint8Array(16).fill(65),
  subjectAltNames: [{ dns: "node.example.com" }, { ip: "127.0.0.1" }],
  isAuthority: true,
  hash: crypto,
});
const request = createCertificateRequest({
  subject: "CN=node",
  signer: key,
  subjectAltNames: [{ ip: "::1" }],
});

const message = signCoseSign1({
  signer: key,
  headers: new Map<string | number, string | number | Uint8Array>([
    [4, keyIdToBytes("0".repeat(64))],
    ["ccf.gov.msg.type", "proposal"],
    ["ccf.gov.msg.created_at", 1_780_000_000],
  ]),
  payload: utf8ToBytes('{"actions":[]}'),
});

const cborSeeds = [
  encodeCbor(
    new Map<string | number, number | string | null>([
      [1, -35],
      ["a", null],
      [-2, "text"],
    ]),
  ),
  encodeCbor([1n << 60n, -1, true, undefined, new Uint8Array(40), ["nested", [[[]]]]]),
];

export const baseTargets: readonly FuzzTarget[] = [
  {
    name: "cbor",
    seeds: () => [...cborSeeds, message],
    run: (input) => {
      const value = decodeCbor(input);
      // What was read can be written, and is then read as the same.
      const again = encodeCbor(value);
      if (!equalBytes(encodeCbor(decodeCbor(again)), again)) {
        throw new OracleViolation("a decoded value is not stable");
      }
    },
  },
  {
    name: "cose",
    seeds: () => [message],
    dictionary: ["ccf.gov.msg.type", "ccf.gov.msg.created_at", Uint8Array.of(0xd2, 0x84)],
    run: (input) => {
      const decoded = decodeCoseSign1(input);
      const isValid = verifyCoseSign1(crypto, decoded, key.publicKey);
      if (isValid && Buffer.from(decoded.payload ?? []).toString() !== '{"actions":[]}') {
        throw new OracleViolation("a signature holds for another payload");
      }
    },
  },
  {
    name: "certificate",
    seeds: () => [pemToDer(certificate)],
    run: (input) => {
      parseCertificate(input);
      crypto.parse(input);
    },
  },
  {
    name: "certificate-request",
    seeds: () => [pemToDer(request, "CERTIFICATE REQUEST")],
    run: (input) => {
      parseCertificateRequest(input, crypto);
    },
  },
  {
    name: "pem",
    seeds: () => [utf8ToBytes(certificate + request)],
    dictionary: ["-----BEGIN CERTIFICATE-----\n", "-----END ", "\r\n", "=="],
    run: (input) => {
      const text = Buffer.from(input).toString("latin1");
      for (const { der } of pemToBlocks(text)) base64ToBytes(bytesToBase64(der));
    },
  },
];

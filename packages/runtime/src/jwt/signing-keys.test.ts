import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { base64ToBytes, createCertificate, isCocoError, pemToDer } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { createStore } from "@coco/store";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jwtIssuersTable } from "../tables.ts";
import { parseJwks } from "./jwk.ts";
import { readOpenidConfiguration, refreshJwtKeys } from "./key-refresh.ts";
import {
  issuersToRefresh,
  jwtSigningKeysTable,
  removeJwtPublicSigningKeys,
  setJwtPublicSigningKeys,
} from "./signing-keys.ts";

const crypto = createNodeCrypto();
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const toSpki = (key: KeyObject) => new Uint8Array(key.export({ format: "der", type: "spki" }));
const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: "jwk" }), kid });
const rsaJwk = jwk(rsa.publicKey, "rsa");
const issuer = "https://issuer.example.com";

describe("parseJwks", () => {
  it("makes the same DER as OpenSSL from RSA and EC keys and from certificates", () => {
    expect(parseJwks({ keys: [rsaJwk] }, crypto)[0]?.publicKey).toEqual(toSpki(rsa.publicKey));
    for (const namedCurve of ["prime256v1", "secp384r1", "secp521r1"]) {
      const { publicKey } = generateKeyPairSync("ec", { namedCurve });
      const [parsed] = parseJwks({ keys: [jwk(publicKey, namedCurve)] }, crypto);
      expect(parsed?.publicKey, namedCurve).toEqual(toSpki(publicKey));
    }
    const key = generateSigningKey("secp256r1");
    const pem = createCertificate({
      subject: "CN=issuer",
      publicKey: key.publicKey,
      signer: key,
      notBeforeMs: 0,
      notAfterMs: 1e12,
      serial: Uint8Array.of(1),
      isAuthority: false,
      hash: crypto,
    });
    const x5c = [Buffer.from(pemToDer(pem)).toString("base64")];
    expect(parseJwks({ keys: [{ kid: "c", x5c }] }, crypto)[0]?.publicKey).toEqual(key.publicKey);
  });

  it("refuses keys that are no keys, by name", () => {
    const ec = jwk(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey, "ec");
    const bad: readonly (readonly [string, unknown])[] = [
      ["no keys", { keys: [] }],
      ["keys is no array", { keys: {} }],
      ["Missing kid", { keys: [{ n: "AQAB", e: "AQAB" }] }],
      ["neither", { keys: [{ kid: "a" }] }],
      ["curve", { keys: [{ ...ec, crv: "secp256k1" }] }],
      ["curve", { keys: [{ ...ec, crv: "toString" }] }],
      ["x and y", { keys: [{ ...ec, x: "AQAB" }] }],
      ["no RSA or EC", { keys: [{ ...ec, y: ec.x }] }],
      ["base64", { keys: [{ kid: "a", n: "*", e: "AQAB" }] }],
      ["certificate", { keys: [{ kid: "a", x5c: ["AQAB"] }] }],
      ["issuer", { keys: [{ ...rsaJwk, issuer: 1 }] }],
    ];
    for (const [words, jwks] of bad) {
      expect(() => parseJwks(jwks, crypto), words).toThrow(
        expect.objectContaining({ code: "BadJwks", message: expect.stringContaining(words) }),
      );
    }
  });

  it("throws BadJwks and nothing else for any JSON", () => {
    const field = fc.oneof(fc.string(), fc.constantFrom("AQAB", "P-256", "P-384"), fc.jsonValue());
    const key = fc.record(
      { kid: field, n: field, e: field, crv: field, x: field, y: field, x5c: fc.array(field) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ keys: fc.array(key) })), (value) => {
        try {
          parseJwks(value, crypto);
        } catch (error) {
          expect(isCocoError(error) && error.code).toBe("BadJwks");
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("signing keys in the store", () => {
  const other = "https://other.example.com";
  const second = jwk(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey, "second");

  it("are replaced as a whole for their issuer; keys of others with the same kid stay", () => {
    const transaction = createStore().begin("governanceApply");
    const table = jwtSigningKeysTable(transaction);
    setJwtPublicSigningKeys(transaction, issuer, { keys: [rsaJwk, second] }, crypto);
    setJwtPublicSigningKeys(transaction, other, { keys: [{ ...second, kid: "rsa" }] }, crypto);
    expect(table.get("rsa")?.map((key) => key.issuer)).toEqual([issuer, other]);
    expect(setJwtPublicSigningKeys(transaction, issuer, { keys: [second] }, crypto)).toEqual({
      written: [],
      removed: ["rsa"],
    });
    expect(table.get("rsa")?.map((key) => key.issuer)).toEqual([other]);
    const rotated = { keys: [{ ...rsaJwk, kid: "second" }] };
    expect(setJwtPublicSigningKeys(transaction, issuer, rotated, crypto).written).toEqual([
      "second",
    ]);
    const stored = createPublicKey({
      key: Buffer.from(base64ToBytes(table.get("second")![0]!.public_key)),
      format: "der",
      type: "spki",
    });
    expect(stored.equals(rsa.publicKey)).toBe(true);
    expect(removeJwtPublicSigningKeys(transaction, issuer)).toEqual(["second"]);
    expect(table.size).toBe(1);
  });

  it("refuse a constraint for another domain, and then nothing is written", () => {
    const transaction = createStore().begin("governanceApply");
    const set = (constraint: string) =>
      setJwtPublicSigningKeys(
        transaction,
        "https://limited.facebook.example",
        { keys: [second, { ...rsaJwk, issuer: constraint }] },
        crypto,
      );
    for (const bad of ["https://evil.example", "https://acebook.example", "nothing", ""]) {
      expect(() => set(bad), bad).toThrow(expect.objectContaining({ code: "BadJwks" }));
    }
    expect(jwtSigningKeysTable(transaction).size).toBe(0);
    expect(set("https://facebook.example").written).toHaveLength(2);
  });

  it("are refreshed only for issuers that ask for it", () => {
    const transaction = createStore().begin("governanceApply");
    const issuers = jwtIssuersTable(transaction);
    issuers.set(issuer, { auto_refresh: true, ca_cert_bundle_name: "roots" });
    issuers.set(other, { auto_refresh: false });
    expect(issuersToRefresh(transaction)).toEqual([{ issuer, caCertificateBundleName: "roots" }]);
    const jwks = { keys: [rsaJwk, { ...second, issuer: "https://example.com" }] };
    const refresh = (name: string) =>
      refreshJwtKeys(transaction, { issuer: name, jwks, constraint: issuer }, crypto);
    for (const name of [other, "https://unknown.example.com"]) {
      expect(() => refresh(name)).toThrow(expect.objectContaining({ code: "IssuerNotRefreshed" }));
    }
    expect(refresh(issuer)).toEqual({ written: ["rsa", "second"], removed: [] });
    const constraints = ["rsa", "second"].map(
      (kid) => jwtSigningKeysTable(transaction).get(kid)?.[0]?.constraint,
    );
    expect(constraints).toEqual([issuer, "https://example.com"]);
  });

  it("come from an https address that the issuer's OpenID configuration names", () => {
    const jwksUri = "https://keys.example.com/jwks";
    expect(readOpenidConfiguration({ jwks_uri: jwksUri, issuer })).toEqual({ jwksUri, issuer });
    for (const bad of [
      null,
      {},
      { jwks_uri: "http://keys.example.com" },
      { jwks_uri: "https://" },
    ]) {
      expect(() => readOpenidConfiguration(bad)).toThrow(
        expect.objectContaining({ code: "BadJwks" }),
      );
    }
  });
});

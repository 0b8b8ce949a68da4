import { createPublicKey, createVerify, generateKeyPairSync, verify } from "node:crypto";
import { createCertificate } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import type { Jwk, KeyKind, SigningAlgorithm, WrapAlgorithm } from "@coco/runtime";
import { describe, expect, test } from "vitest";
import { createAppCrypto } from "./app-crypto.ts";

const crypto = createAppCrypto();
const bytes = (text: string) => new TextEncoder().encode(text);
const data = bytes("some data");
const other = bytes("other data");
const rsa = crypto.generateRsaKeyPair(2048, 0x10001);

describe("signatures", () => {
  const pairs: readonly [string, SigningAlgorithm, { publicKey: string; privateKey: string }][] = [
    ["RSA-PSS", { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 }, rsa],
    ["RSA-PSS 512", { name: "RSA-PSS", hash: "SHA-512", saltLength: 0 }, rsa],
    ["P-256", { name: "ECDSA", hash: "SHA-256" }, crypto.generateEcdsaKeyPair("secp256r1")],
    ["P-384", { name: "ECDSA", hash: "SHA-384" }, crypto.generateEcdsaKeyPair("secp384r1")],
    ["Ed25519", { name: "EdDSA" }, crypto.generateEddsaKeyPair("curve25519")],
  ];

  test.each(pairs)("%s: verifies what it signed, and nothing else", (_, algorithm, pair) => {
    const signature = crypto.sign(algorithm, pair.privateKey, data);
    expect(crypto.verify(algorithm, pair.publicKey, signature, data)).toBe(true);
    expect(crypto.verify(algorithm, pair.publicKey, signature, other)).toBe(false);
    const damaged = Uint8Array.from(signature);
    damaged[3]! ^= 1;
    expect(crypto.verify(algorithm, pair.publicKey, damaged, data)).toBe(false);
  });

  test("ECDSA signatures are r||s", () => {
    const pair = crypto.generateEcdsaKeyPair("secp384r1");
    const signature = crypto.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, data);
    expect(signature).toHaveLength(96);
    const key = { key: createPublicKey(pair.publicKey), dsaEncoding: "ieee-p1363" } as const;
    expect(verify("sha256", data, key, signature)).toBe(true);
    expect(createVerify("sha256").update(data).verify(key, signature)).toBe(true);
  });

  test("HMAC takes the text of the key", () => {
    // RFC 4231 test case 2.
    const mac = crypto.sign(
      { name: "HMAC", hash: "SHA-256" },
      "Jefe",
      bytes("what do ya want for nothing?"),
    );
    expect(Buffer.from(mac).toString("hex")).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
  });

  test("a key of another type is refused", () => {
    const ed = crypto.generateEddsaKeyPair("curve25519");
    expect(() => crypto.sign({ name: "ECDSA", hash: "SHA-256" }, ed.privateKey, data)).toThrow(
      "incompatible signing algorithm for given key type",
    );
    const hmac: SigningAlgorithm = { name: "HMAC", hash: "SHA-256" };
    expect(() => crypto.verify(hmac, rsa.publicKey, data, data)).toThrow(/no public key/);
  });
});

describe("key wrapping", () => {
  test("AES key wrap with padding gives the vectors of RFC 5649", () => {
    const wrappingKey = Buffer.from("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "hex");
    const vectors = [
      [
        "c37b7e6492584340bed12207808941155068f738",
        "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
      ],
      ["466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"],
    ] as const;
    for (const [key, wrapped] of vectors) {
      const result = crypto.wrapKey({ name: "AES-KWP" }, wrappingKey, Buffer.from(key, "hex"));
      expect(Buffer.from(result).toString("hex")).toBe(wrapped);
      const back = crypto.unwrapKey({ name: "AES-KWP" }, wrappingKey, result);
      expect(Buffer.from(back).toString("hex")).toBe(key);
    }
  });

  test("with RSA, alone and with an AES key of the moment; labels count", () => {
    const label = bytes("label");
    const algorithms: WrapAlgorithm[] = [
      { name: "RSA-OAEP", label: undefined },
      { name: "RSA-OAEP", label },
      { name: "RSA-OAEP-AES-KWP", aesKeySize: 128, label },
      { name: "RSA-OAEP-AES-KWP", aesKeySize: 256, label: undefined },
    ];
    for (const algorithm of algorithms) {
      const wrapped = crypto.wrapKey(algorithm, bytes(rsa.publicKey), data);
      const back = crypto.unwrapKey(algorithm, bytes(rsa.privateKey), wrapped);
      expect(Uint8Array.from(back)).toEqual(data);
      const wrong = { ...algorithm, label: bytes("wrong") } as WrapAlgorithm;
      expect(() => crypto.unwrapKey(wrong, bytes(rsa.privateKey), wrapped)).toThrow();
      const damaged = Uint8Array.from(wrapped);
      damaged[damaged.length - 1]! ^= 1;
      expect(() => crypto.unwrapKey(algorithm, bytes(rsa.privateKey), damaged)).toThrow();
    }
  });

  test("keys of wrong sizes and truncated texts are refused", () => {
    expect(() => crypto.wrapKey({ name: "AES-KWP" }, new Uint8Array(17), data)).toThrow(/128, 192/);
    expect(() =>
      crypto.wrapKey({ name: "AES-KWP" }, new Uint8Array(16), new Uint8Array()),
    ).toThrow();
    const both: WrapAlgorithm = { name: "RSA-OAEP-AES-KWP", aesKeySize: 256, label: undefined };
    expect(() => crypto.unwrapKey(both, bytes(rsa.privateKey), new Uint8Array(256))).toThrow(
      /short/,
    );
  });
});

describe("JWK and PEM", () => {
  const pairs: readonly [KeyKind, KeyKind, { publicKey: string; privateKey: string }][] = [
    ["ecPublic", "ecPrivate", crypto.generateEcdsaKeyPair("secp256r1")],
    ["ecPublic", "ecPrivate", crypto.generateEcdsaKeyPair("secp384r1")],
    ["rsaPublic", "rsaPrivate", rsa],
    ["eddsaPublic", "eddsaPrivate", crypto.generateEddsaKeyPair("curve25519")],
    ["eddsaPublic", "eddsaPrivate", crypto.generateEddsaKeyPair("x25519")],
  ];

  test.each(pairs)("%s and %s there and back", (publicKind, privateKind, pair) => {
    const publicJwk = crypto.pemToJwk(publicKind, pair.publicKey, "id");
    expect(publicJwk["kid"]).toBe("id");
    expect("d" in publicJwk).toBe(false);
    expect(crypto.jwkToPem(publicKind, publicJwk)).toBe(pair.publicKey);
    const privateJwk = crypto.pemToJwk(privateKind, pair.privateKey, undefined);
    expect("kid" in privateJwk).toBe(false);
    expect(crypto.jwkToPem(privateKind, privateJwk)).toBe(pair.privateKey);
  });

  test("keys of another kind, private for public, and missing members are refused", () => {
    expect(() => crypto.pemToJwk("ecPublic", rsa.publicKey, undefined)).toThrow(/kind/);
    expect(() => crypto.pemToJwk("rsaPublic", rsa.privateKey, undefined)).toThrow(/not a public/);
    const jwk = { ...crypto.pemToJwk("rsaPublic", rsa.publicKey, undefined) } as Record<
      string,
      string
    >;
    delete jwk["n"];
    expect(() => crypto.jwkToPem("rsaPublic", jwk as Jwk)).toThrow(/"n" is missing/);
    expect(() => crypto.pemToJwk("ecPublic", "nothing", undefined)).toThrow();
  });
});

describe("certificates", () => {
  const hash = createNodeCrypto();
  const dayMs = 86_400_000;
  const nowMs = Date.UTC(2030, 0, 1);

  interface Certified {
    readonly key: ReturnType<typeof generateSigningKey>;
    readonly pem: string;
  }

  /** A certificate for `name`, signed by `issuer` or by itself. */
  function certify(name: string, isAuthority: boolean, issuer?: Certified): Certified {
    const key = generateSigningKey("secp256r1");
    const pem = createCertificate({
      subject: `CN=${name}`,
      ...(issuer === undefined ? {} : { issuer: issuer.pem }),
      publicKey: key.publicKey,
      signer: issuer?.key ?? key,
      notBeforeMs: nowMs - dayMs,
      notAfterMs: nowMs + dayMs,
      serial: crypto.randomBytes(16),
      isAuthority,
      hash,
    });
    return { key, pem: pem.endsWith("\n") ? pem : `${pem}\n` };
  }
  const root = certify("root", true);
  const middle = certify("middle", true, root);
  const leaf = certify("leaf", false, middle);
  const valid = (chain: string, trusted: string, at = nowMs) =>
    crypto.isValidX509CertChain(chain, trusted, at);

  test("chains: direct, with and without the ones between, as CCF's tests expect", () => {
    expect(valid(middle.pem, middle.pem)).toBe(true);
    expect(valid(leaf.pem, leaf.pem)).toBe(false);
    expect(valid(middle.pem, root.pem)).toBe(true);
    expect(valid(leaf.pem + middle.pem, root.pem)).toBe(true);
    expect(valid(leaf.pem, middle.pem)).toBe(true);
    expect(valid(leaf.pem, root.pem)).toBe(false);
    expect(valid(leaf.pem + middle.pem, certify("root", true).pem)).toBe(false);
    expect(valid("", root.pem)).toBe(false);
    expect(valid(leaf.pem, "garbage")).toBe(false);
  });

  test("chains are refused outside of the validity of any certificate", () => {
    expect(valid(leaf.pem + middle.pem, root.pem, nowMs + 2 * dayMs)).toBe(false);
    expect(valid(leaf.pem + middle.pem, root.pem, nowMs - 2 * dayMs)).toBe(false);
  });

  test("bundles: one or more certificates and nothing else in PEM", () => {
    expect(crypto.isValidX509CertBundle(root.pem)).toBe(true);
    expect(crypto.isValidX509CertBundle(root.pem + leaf.pem)).toBe(true);
    expect(crypto.isValidX509CertBundle("garbage")).toBe(false);
    expect(crypto.isValidX509CertBundle(root.pem.replace("MII", "AAA"))).toBe(false);
    const { publicKey } = generateKeyPairSync("ed25519");
    const key = String(publicKey.export({ type: "spki", format: "pem" }));
    expect(crypto.isValidX509CertBundle(root.pem + key)).toBe(false);
  });

  test("the signature of a certificate's key is verified with the certificate", () => {
    const algorithm: SigningAlgorithm = { name: "ECDSA", hash: "SHA-256" };
    expect(crypto.verify(algorithm, leaf.pem, leaf.key.sign(data), data)).toBe(true);
  });
});

/** The algorithms behind `ccf.crypto`, from node:crypto. */
import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  type KeyPairKeyObjectResult,
  randomBytes,
  sign,
  verify,
  X509Certificate,
} from "node:crypto";
import type {
  AppCrypto,
  DigestAlgorithm,
  Jwk,
  KeyKind,
  KeyPair,
  SigningAlgorithm,
} from "@coco/runtime";
import { isCertificateBundle, isCertificateChain } from "./certificate-chain.ts";
import { unwrapKey, wrapKey } from "./key-wrapping.ts";

function exportPair(pair: KeyPairKeyObjectResult): KeyPair {
  return {
    privateKey: String(pair.privateKey.export({ type: "pkcs8", format: "pem" })),
    publicKey: String(pair.publicKey.export({ type: "spki", format: "pem" })),
  };
}

function hashName(algorithm: DigestAlgorithm): string {
  return algorithm.replace("-", "").toLowerCase();
}

/** Longer texts are parsed each time, so that the cache stays small. */
const cachedLengthMax = 16 * 1024;

/** Keys are parsed anew at each use of most APIs, which costs more than the signature itself. */
class KeyCache {
  readonly #keys = new Map<string, KeyObject>();
  readonly #parse: (pem: string) => KeyObject;
  readonly #countMax = 256;

  constructor(parse: (pem: string) => KeyObject) {
    this.#parse = parse;
  }

  get(pem: string): KeyObject {
    let key = this.#keys.get(pem);
    if (key === undefined) {
      key = this.#parse(pem);
      if (pem.length > cachedLengthMax) return key;
      if (this.#keys.size >= this.#countMax) this.#keys.clear();
      this.#keys.set(pem, key);
    }
    return key;
  }
}

/** Only public keys are kept; private keys of programs are not held longer than needed. */
const publicKeys = new KeyCache((pem) =>
  pem.startsWith("-----BEGIN CERTIFICATE")
    ? new X509Certificate(pem).publicKey
    : createPublicKey(pem),
);

const keyTypes: Readonly<Record<SigningAlgorithm["name"], string>> = {
  EdDSA: "ed25519",
  ECDSA: "ec",
  "RSA-PSS": "rsa",
  HMAC: "secret",
};

function expectKeyType(algorithm: SigningAlgorithm, key: KeyObject): void {
  if (key.asymmetricKeyType !== keyTypes[algorithm.name]) {
    throw new Error("incompatible signing algorithm for given key type");
  }
}

function signWith(algorithm: SigningAlgorithm, keyText: string, data: Uint8Array): Uint8Array {
  if (algorithm.name === "HMAC") {
    return createHmac(hashName(algorithm.hash), keyText).update(data).digest();
  }
  const key = createPrivateKey(keyText);
  expectKeyType(algorithm, key);
  switch (algorithm.name) {
    case "EdDSA":
      return sign(null, data, key);
    case "ECDSA":
      return sign(hashName(algorithm.hash), data, { key, dsaEncoding: "ieee-p1363" });
    case "RSA-PSS": {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return sign(hashName(algorithm.hash), data, {
        key,
        padding,
        saltLength: algorithm.saltLength,
      });
    }
  }
}

function verifyWith(
  algorithm: SigningAlgorithm,
  keyText: string,
  signature: Uint8Array,
  data: Uint8Array,
): boolean {
  if (algorithm.name === "HMAC") throw new Error("HMAC has no public key");
  const key = publicKeys.get(keyText);
  expectKeyType(algorithm, key);
  switch (algorithm.name) {
    case "EdDSA":
      return verify(null, data, key, signature);
    case "ECDSA": {
      const options = { key, dsaEncoding: "ieee-p1363" } as const;
      return verify(hashName(algorithm.hash), data, options, signature);
    }
    case "RSA-PSS": {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      const options = { key, padding, saltLength: algorithm.saltLength };
      return verify(hashName(algorithm.hash), data, options, signature);
    }
  }
}

const nodeCurves = { secp256r1: "prime256v1", secp384r1: "secp384r1" } as const;

/** The JWK members of each kind, in CCF's order, without `kid`. */
const jwkMembers: Readonly<Record<KeyKind, readonly string[]>> = {
  ecPublic: ["crv", "kty", "x", "y"],
  ecPrivate: ["crv", "d", "kty", "x", "y"],
  rsaPublic: ["e", "kty", "n"],
  rsaPrivate: ["d", "dp", "dq", "e", "kty", "n", "p", "q", "qi"],
  eddsaPublic: ["crv", "kty", "x"],
  eddsaPrivate: ["crv", "d", "kty", "x"],
};

const kindTypes: Readonly<Record<KeyKind, readonly string[]>> = {
  ecPublic: ["ec"],
  ecPrivate: ["ec"],
  rsaPublic: ["rsa"],
  rsaPrivate: ["rsa"],
  eddsaPublic: ["ed25519", "x25519"],
  eddsaPrivate: ["ed25519", "x25519"],
};

function expectKind(kind: KeyKind, key: KeyObject): KeyObject {
  const wanted = kind.endsWith("Private") ? "private" : "public";
  if (key.type !== wanted || !kindTypes[kind].includes(key.asymmetricKeyType ?? "")) {
    throw new Error(`the key is not of the kind ${kind}`);
  }
  return key;
}

function pemToJwk(kind: KeyKind, pem: string, keyId: string | undefined): Jwk {
  const isPrivate = kind.endsWith("Private");
  // A private key would be read as its public part, which is not what was asked for.
  if (!isPrivate && !/BEGIN (?:RSA )?PUBLIC KEY/.test(pem)) throw new Error("not a public key");
  const key = expectKind(kind, isPrivate ? createPrivateKey(pem) : createPublicKey(pem));
  const exported = key.export({ format: "jwk" }) as Record<string, unknown>;
  const jwk: Record<string, string> = {};
  for (const name of jwkMembers[kind]) jwk[name] = String(exported[name]);
  if (keyId !== undefined) jwk["kid"] = keyId;
  return jwk;
}

function jwkToPem(kind: KeyKind, jwk: Jwk): string {
  for (const name of jwkMembers[kind]) {
    if (jwk[name] === undefined) throw new Error(`the member "${name}" is missing`);
  }
  const key = { key: { ...jwk } as JsonWebKey, format: "jwk" } as const;
  if (!kind.endsWith("Private")) {
    const publicKey = expectKind(kind, createPublicKey(key));
    return String(publicKey.export({ type: "spki", format: "pem" }));
  }
  const privateKey = expectKind(kind, createPrivateKey(key));
  return String(privateKey.export({ type: "pkcs8", format: "pem" }));
}

function generateEddsa(curve: "curve25519" | "x25519"): KeyPair {
  return curve === "curve25519"
    ? exportPair(generateKeyPairSync("ed25519"))
    : exportPair(generateKeyPairSync("x25519"));
}

export function createAppCrypto(): AppCrypto {
  return {
    randomBytes: (lengthBytes) => randomBytes(lengthBytes),
    digest: (algorithm, data) => createHash(hashName(algorithm)).update(data).digest(),
    sign: signWith,
    verify: verifyWith,
    generateRsaKeyPair: (modulusLength, publicExponent) =>
      exportPair(generateKeyPairSync("rsa", { modulusLength, publicExponent })),
    generateEcdsaKeyPair: (curve) =>
      exportPair(generateKeyPairSync("ec", { namedCurve: nodeCurves[curve] })),
    generateEddsaKeyPair: generateEddsa,
    wrapKey,
    unwrapKey,
    isValidX509CertBundle: isCertificateBundle,
    isValidX509CertChain: isCertificateChain,
    pemToJwk,
    jwkToPem,
    certificateToDer: (pem) => new Uint8Array(new X509Certificate(pem).raw),
  };
}

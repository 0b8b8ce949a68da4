/** The crypto ports on node:crypto. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  hash as hashOnce,
  hkdfSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  verify as verifySignature,
  X509Certificate,
} from "node:crypto";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import {
  baseErrors,
  bytesToLatin1,
  type CertificateInfo,
  type Crypto,
  type HashName,
  type SignatureAlgorithm,
} from "../index.ts";

const hashNames: Readonly<Record<HashName, string>> = {
  "SHA-256": "sha256",
  "SHA-384": "sha384",
  "SHA-512": "sha512",
};

/** How node:crypto calls each algorithm; `keyType` guards against algorithm confusion. */
interface AlgorithmFacts {
  readonly keyType: "ec" | "rsa" | "ed25519";
  readonly curve?: string;
  readonly hash: string | null;
  readonly isPss: boolean;
}
export const algorithmFacts: Readonly<Record<SignatureAlgorithm, AlgorithmFacts>> = {
  ES256: { keyType: "ec", curve: "prime256v1", hash: "sha256", isPss: false },
  ES384: { keyType: "ec", curve: "secp384r1", hash: "sha384", isPss: false },
  ES512: { keyType: "ec", curve: "secp521r1", hash: "sha512", isPss: false },
  PS256: { keyType: "rsa", hash: "sha256", isPss: true },
  PS384: { keyType: "rsa", hash: "sha384", isPss: true },
  PS512: { keyType: "rsa", hash: "sha512", isPss: true },
  RS256: { keyType: "rsa", hash: "sha256", isPss: false },
  RS384: { keyType: "rsa", hash: "sha384", isPss: false },
  RS512: { keyType: "rsa", hash: "sha512", isPss: false },
  EdDSA: { keyType: "ed25519", hash: null, isPss: false },
};

/** Key objects are dear to make (about 200 microseconds) and few: keep the last ones. */
const keyCacheCountMax = 1024;
const keyCache = new Map<string, KeyObject>();

/** @param publicKey DER SubjectPublicKeyInfo. @throws {CocoError} BadKey */
export function toPublicKeyObject(publicKey: Uint8Array): KeyObject {
  const name = bytesToLatin1(publicKey);
  let key = keyCache.get(name);
  if (key === undefined) {
    try {
      key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
    } catch (cause) {
      throw baseErrors.create("BadKey", "not a public key", {}, cause);
    }
    if (keyCache.size >= keyCacheCountMax) keyCache.delete(keyCache.keys().next().value!);
    keyCache.set(name, key);
  }
  return key;
}

function fits(key: KeyObject, facts: AlgorithmFacts): boolean {
  if (key.asymmetricKeyType !== facts.keyType) return false;
  return facts.curve === undefined || key.asymmetricKeyDetails?.namedCurve === facts.curve;
}

function verify(
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const facts = algorithmFacts[algorithm];
  const key = toPublicKeyObject(publicKey);
  if (!fits(key, facts)) return false;
  const pss = {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
  const options =
    facts.keyType === "ec" ? { dsaEncoding: "ieee-p1363" as const } : facts.isPss ? pss : {};
  return verifySignature(facts.hash, data, { key, ...options }, signature);
}

function verifyEcdsaSha256(
  publicKey: Uint8Array,
  preimage: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = toPublicKeyObject(publicKey);
  return key.asymmetricKeyType === "ec" && verifySignature("sha256", preimage, key, signature);
}

const digestCurves = { prime256v1: p256, secp384r1: p384, secp521r1: p521 };

function verifyEcdsaDigest(
  publicKey: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = toPublicKeyObject(publicKey);
  const name = key.asymmetricKeyDetails?.namedCurve as keyof typeof digestCurves | undefined;
  const curve = name === undefined ? undefined : digestCurves[name];
  if (curve === undefined) return false;
  const { x, y } = key.export({ format: "jwk" });
  const point = Buffer.concat([
    Uint8Array.of(4),
    Buffer.from(x as string, "base64url"),
    Buffer.from(y as string, "base64url"),
  ]);
  const options = { prehash: false, lowS: false, format: "der" } as const;
  try {
    return curve.verify(signature, digest, new Uint8Array(point), options);
  } catch {
    return false;
  }
}

function parseCertificate(certificate: string | Uint8Array): CertificateInfo {
  try {
    const parsed = new X509Certificate(certificate);
    return {
      der: new Uint8Array(parsed.raw),
      subject: parsed.subject,
      issuer: parsed.issuer,
      notBeforeMs: Date.parse(parsed.validFrom),
      notAfterMs: Date.parse(parsed.validTo),
      // Decoded only here: a certificate with a key of no known kind throws at this point.
      publicKey: new Uint8Array(parsed.publicKey.export({ format: "der", type: "spki" })),
      isAuthority: parsed.ca,
    };
  } catch (cause) {
    throw baseErrors.create("BadCertificate", "not an X.509 certificate", {}, cause);
  }
}

function isIssuedBy(certificate: CertificateInfo, issuer: CertificateInfo): boolean {
  const parsed = new X509Certificate(certificate.der);
  if (!parsed.checkIssued(new X509Certificate(issuer.der))) return false;
  try {
    return parsed.verify(toPublicKeyObject(issuer.publicKey));
  } catch {
    // A damaged signature field makes the library throw instead of answering no.
    return false;
  }
}

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };

/** The crypto ports of a node, of the command line and of tests. */
export function createNodeCrypto(): Crypto {
  return {
    bytes: (lengthBytes) => new Uint8Array(randomBytes(lengthBytes)),
    sha256: (data) => hashOnce("sha256", data, "buffer"),
    digest: (name, data) => hashOnce(hashNames[name], data, "buffer"),
    hmacSha256: (key, data) => createHmac("sha256", key).update(data).digest(),
    hkdfSha256: (keyMaterial, salt, info, lengthBytes) =>
      new Uint8Array(hkdfSync("sha256", keyMaterial, salt, info, lengthBytes)),
    seal: (key, iv, plaintext, additionalData) => {
      const cipher = createCipheriv("aes-256-gcm", key, iv);
      cipher.setAAD(additionalData);
      const ciphertext = cipher.update(plaintext);
      cipher.final();
      return { ciphertext, tag: cipher.getAuthTag() };
    },
    open: (key, iv, ciphertext, tag, additionalData) => {
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: 16 });
        decipher.setAAD(additionalData);
        decipher.setAuthTag(tag);
        const plaintext = decipher.update(ciphertext);
        decipher.final();
        return plaintext;
      } catch (cause) {
        throw baseErrors.create("DecryptionFailed", `${ciphertext.length} bytes`, {}, cause);
      }
    },
    verify,
    verifyEcdsaSha256,
    verifyEcdsaDigest,
    parse: parseCertificate,
    isIssuedBy,
    wrapRsaOaep: (publicKey, data) => {
      try {
        return publicEncrypt({ key: publicKey, ...oaep }, data);
      } catch (cause) {
        throw baseErrors.create("BadKey", "not an RSA public key", {}, cause);
      }
    },
    unwrapRsaOaep: (privateKey, data) => {
      try {
        return privateDecrypt({ key: privateKey, ...oaep }, data);
      } catch (cause) {
        throw baseErrors.create("DecryptionFailed", "RSA-OAEP", {}, cause);
      }
    },
  };
}

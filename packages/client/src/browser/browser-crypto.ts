/**
 * Verification without a platform library: the ports that receipts and ledgers are checked with,
 * on the @noble packages. RSA signatures are not supported: they count as wrong.
 */
import {
  baseErrors,
  type CertificateInfo,
  type Certificates,
  DerReader,
  derTag,
  ecdsaCoordinateSize,
  equalBytes,
  type Hash,
  type HashName,
  parseCertificate,
  type SignatureAlgorithm,
  type Verifier,
  verifyX509Signature,
} from "@coco/base";
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256, p384, p521 } from "@noble/curves/nist.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";

const hashes = { "SHA-256": sha256, "SHA-384": sha384, "SHA-512": sha512 };
const curves = new Map([
  [32, p256],
  [48, p384],
  [66, p521],
]);

/** The curve and the hash of each ECDSA algorithm. @source RFC 9053 section 2.1 */
const ecdsa: Partial<Record<SignatureAlgorithm, readonly [sizeBytes: number, hash: HashName]>> = {
  ES256: [32, "SHA-256"],
  ES384: [48, "SHA-384"],
  ES512: [66, "SHA-512"],
};

const ed25519KeySizeBytes = 32;

/** The key bits of a SubjectPublicKeyInfo. @source RFC 5280 section 4.1 */
function publicKeyBits(publicKey: Uint8Array): Uint8Array {
  const reader = new DerReader(publicKey).enter(derTag.sequence);
  reader.element(derTag.sequence);
  return reader.bitString();
}

/** False instead of an exception: a malformed key or signature verifies nothing. */
function attempt(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}

function verifyDigest(
  publicKey: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
  format: "compact" | "der",
): boolean {
  return attempt(() => {
    const curve = curves.get(ecdsaCoordinateSize(publicKey) ?? 0);
    if (curve === undefined) return false;
    const options = { prehash: false, lowS: false, format };
    return curve.verify(signature, digest, publicKeyBits(publicKey), options);
  });
}

function verify(
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const facts = ecdsa[algorithm];
  if (facts !== undefined) {
    const [sizeBytes, hash] = facts;
    return attempt(
      () =>
        ecdsaCoordinateSize(publicKey) === sizeBytes &&
        verifyDigest(publicKey, hashes[hash](data), signature, "compact"),
    );
  }
  return attempt(() => {
    const key = publicKeyBits(publicKey);
    if (algorithm !== "EdDSA" || key.length !== ed25519KeySizeBytes) return false;
    return ed25519.verify(signature, data, key);
  });
}

/** Hashes, signature checks and certificates for browsers and any other ECMAScript platform. */
export function createBrowserCrypto(): Hash & Verifier & Certificates {
  const hash: Hash = {
    sha256,
    digest: (name, data) => hashes[name](data),
    hmacSha256: (key, data) => hmac(sha256, key, data),
    hkdfSha256: (keyMaterial, salt, info, lengthBytes) =>
      hkdf(sha256, keyMaterial, salt, info, lengthBytes),
  };
  const verifier: Verifier = {
    verify,
    verifyEcdsaSha256: (publicKey, preimage, signature) =>
      verifyDigest(publicKey, sha256(preimage), signature, "der"),
    verifyEcdsaDigest: (publicKey, digest, signature) =>
      verifyDigest(publicKey, digest, signature, "der"),
  };
  return {
    ...hash,
    ...verifier,
    parse: toCertificateInfo,
    isIssuedBy: (certificate, issuer) => {
      const parsed = parseCertificate(certificate.der);
      const parent = parseCertificate(issuer.der);
      return (
        equalBytes(parsed.issuerName, parent.subjectName) &&
        verifyX509Signature({ ...hash, ...verifier }, parsed, parent.publicKey)
      );
    },
  };
}

function toCertificateInfo(certificate: string | Uint8Array): CertificateInfo {
  if (certificate.length === 0) throw baseErrors.create("BadCertificate", "it is empty");
  const parsed = parseCertificate(certificate);
  const { der, subject, issuer, notBeforeMs, notAfterMs, publicKey, isAuthority } = parsed;
  return { der, subject, issuer, notBeforeMs, notAfterMs, publicKey, isAuthority };
}

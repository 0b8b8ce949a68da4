/** Reading X.509 certificates and certificate requests. @source RFC 5280, RFC 2986 */
import { equalBytes } from "./bytes.ts";
import { baseErrors } from "./catalogue.ts";
import { DerReader, derContextTag, derTag, ecdsaDerToRaw } from "./der.ts";
import { isCocoError } from "./errors.ts";
import { pemToDer } from "./pem.ts";
import type { Hash, SignatureAlgorithm, Verifier } from "./ports.ts";
import { derToAltNames, derToName, type SubjectAltName } from "./x509-name.ts";

/** Object identifiers of certificates. @source RFC 5280, RFC 5758, RFC 4055, RFC 8410, RFC 2985 */
export const oid = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extensionRequest: "1.2.840.113549.1.9.14",
  signature: {
    ES256: "1.2.840.10045.4.3.2",
    ES384: "1.2.840.10045.4.3.3",
    ES512: "1.2.840.10045.4.3.4",
    RS256: "1.2.840.113549.1.1.11",
    RS384: "1.2.840.113549.1.1.12",
    RS512: "1.2.840.113549.1.1.13",
    PS256: "1.2.840.113549.1.1.10",
    PS384: "1.2.840.113549.1.1.10",
    PS512: "1.2.840.113549.1.1.10",
    EdDSA: "1.3.101.112",
  } satisfies Record<SignatureAlgorithm, string>,
};

export interface CertificateExtension {
  readonly isCritical: boolean;
  /** DER inside the octet string. */
  readonly value: Uint8Array;
}

/** The fields of a certificate, read but not trusted: nothing is verified. */
export interface ParsedCertificate {
  readonly der: Uint8Array;
  /** What the issuer signed (TBSCertificate). */
  readonly signedBytes: Uint8Array;
  readonly serial: Uint8Array;
  /** `CN=CCF Service` */
  readonly subject: string;
  readonly issuer: string;
  /** DER Name. */
  readonly subjectName: Uint8Array;
  readonly issuerName: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** By object identifier in dotted decimal form. */
  readonly extensions: ReadonlyMap<string, CertificateExtension>;
  readonly isAuthority: boolean;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly subjectAltNames: readonly SubjectAltName[];
  /** Object identifier of the signature's algorithm. */
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
}

/** The signed structure that certificates and requests share. */
interface SignedStructure {
  readonly body: DerReader;
  readonly signedBytes: Uint8Array;
  readonly signatureAlgorithm: string;
  /** The whole AlgorithmIdentifier, with its parameters. */
  readonly algorithmBytes: Uint8Array;
  readonly signature: Uint8Array;
}

function readSigned(der: Uint8Array): SignedStructure {
  const outer = new DerReader(der);
  const reader = outer.enter(derTag.sequence);
  outer.end();
  const body = reader.element(derTag.sequence);
  const algorithm = reader.element(derTag.sequence);
  const signatureAlgorithm = new DerReader(algorithm.content).objectIdentifier();
  const signature = reader.bitString();
  reader.end();
  return {
    body: new DerReader(body.content),
    signedBytes: body.bytes,
    signatureAlgorithm,
    algorithmBytes: algorithm.bytes,
    signature,
  };
}

/** Turns BadDer of the parts into one error that names the whole. */
function asBadCertificate<Result>(what: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    throw baseErrors.create("BadCertificate", `${what}: ${cause.message}`, {}, cause);
  }
}

function readExtensions(reader: DerReader): Map<string, CertificateExtension> {
  const extensions = new Map<string, CertificateExtension>();
  while (!reader.isAtEnd) {
    const item = reader.enter(derTag.sequence);
    const identifier = item.objectIdentifier();
    const isCritical = item.nextTag === derTag.boolean && item.boolean();
    const value = item.octetString();
    item.end();
    if (extensions.has(identifier)) {
      throw baseErrors.create("BadDer", `the extension ${identifier} appears twice`);
    }
    extensions.set(identifier, { isCritical, value });
  }
  return extensions;
}

function readIsAuthority(extension: CertificateExtension | undefined): boolean {
  if (extension === undefined) return false;
  const reader = new DerReader(extension.value).enter(derTag.sequence);
  return reader.nextTag === derTag.boolean && reader.boolean();
}

function readCertificate(der: Uint8Array): ParsedCertificate {
  const { body, algorithmBytes, ...signed } = readSigned(der);
  const version = body.nextTag === derContextTag(0) ? body.enter(derContextTag(0)) : undefined;
  if (version !== undefined && version.smallInteger() > 2) {
    throw baseErrors.create("BadDer", "an unknown certificate version");
  }
  const serial = body.integer();
  const algorithm = body.element(derTag.sequence).bytes;
  // The outer identifier is not signed: it has to be the inner one, parameters included.
  if (!equalBytes(algorithm, algorithmBytes)) {
    throw baseErrors.create("BadDer", "the two signature algorithms differ");
  }
  const issuerName = body.element(derTag.sequence).bytes;
  const validity = body.enter(derTag.sequence);
  const notBeforeMs = validity.timeMs();
  const notAfterMs = validity.timeMs();
  validity.end();
  const subjectName = body.element(derTag.sequence).bytes;
  const publicKey = body.element(derTag.sequence).bytes;
  body.optional(derContextTag(1, false));
  body.optional(derContextTag(2, false));
  const extensions =
    body.nextTag === derContextTag(3)
      ? readExtensions(body.enter(derContextTag(3)).enter(derTag.sequence))
      : new Map<string, CertificateExtension>();
  body.end();
  const keyId = extensions.get(oid.subjectKeyId);
  const altNames = extensions.get(oid.subjectAltName);
  return {
    der,
    ...signed,
    serial,
    subject: derToName(subjectName),
    issuer: derToName(issuerName),
    subjectName,
    issuerName,
    notBeforeMs,
    notAfterMs,
    publicKey,
    extensions,
    isAuthority: readIsAuthority(extensions.get(oid.basicConstraints)),
    subjectKeyId: keyId === undefined ? undefined : new DerReader(keyId.value).octetString(),
    subjectAltNames: altNames === undefined ? [] : derToAltNames(altNames.value),
  };
}

function toDer(source: string | Uint8Array, label: string): Uint8Array {
  return typeof source === "string" ? pemToDer(source, label) : source;
}

/**
 * Reads a certificate (PEM text or DER bytes) without verifying anything.
 * @throws {CocoError} BadCertificate
 */
export function parseCertificate(certificate: string | Uint8Array): ParsedCertificate {
  return asBadCertificate("a certificate", () =>
    readCertificate(toDer(certificate, "CERTIFICATE")),
  );
}

/** DER SubjectPublicKeyInfo of a certificate (PEM or DER). @throws {CocoError} BadCertificate */
export function certificateToPublicKey(certificate: string | Uint8Array): Uint8Array {
  return parseCertificate(certificate).publicKey;
}

/** The key bits of a SubjectPublicKeyInfo. @throws {CocoError} BadDer */
export function publicKeyBits(publicKey: Uint8Array): Uint8Array {
  const reader = new DerReader(publicKey).enter(derTag.sequence);
  reader.element(derTag.sequence);
  return reader.bitString();
}

/** Sizes of r and s for the named curves. @source RFC 5480 section 2.1.1.1 */
const coordinateSizes: Readonly<Record<string, number>> = {
  "1.2.840.10045.3.1.7": 32,
  "1.3.132.0.34": 48,
  "1.3.132.0.35": 66,
};

/** Size of r and of s in bytes for an EC key; undefined for other keys. @throws BadDer */
export function ecdsaCoordinateSize(publicKey: Uint8Array): number | undefined {
  const algorithm = new DerReader(publicKey).enter(derTag.sequence).enter(derTag.sequence);
  if (algorithm.objectIdentifier() !== "1.2.840.10045.2.1") return undefined;
  return coordinateSizes[algorithm.objectIdentifier()];
}

const ecdsaHashes: Readonly<Record<string, "SHA-256" | "SHA-384" | "SHA-512">> = {
  [oid.signature.ES256]: "SHA-256",
  [oid.signature.ES384]: "SHA-384",
  [oid.signature.ES512]: "SHA-512",
};
const usualHashes: Readonly<Record<number, string>> = { 32: "ES256", 48: "ES384", 66: "ES512" };

/**
 * Checks a signature as certificates carry it, also where hash and curve have different sizes (CCF
 * signs requests with SHA-512 whatever the curve).
 * @returns false for a wrong signature, an unsupported algorithm or a key that does not fit
 */
export function verifyX509Signature(
  crypto: Verifier & Pick<Hash, "digest">,
  signed: Pick<ParsedCertificate, "signedBytes" | "signatureAlgorithm" | "signature">,
  publicKey: Uint8Array,
): boolean {
  const { signedBytes, signatureAlgorithm, signature } = signed;
  try {
    const hash = ecdsaHashes[signatureAlgorithm];
    if (hash === undefined) {
      const candidates = Object.entries(oid.signature) as [SignatureAlgorithm, string][];
      return candidates.some(
        ([name, identifier]) =>
          identifier === signatureAlgorithm &&
          crypto.verify(name, publicKey, signedBytes, signature),
      );
    }
    const sizeBytes = ecdsaCoordinateSize(publicKey);
    if (sizeBytes === undefined) return false;
    const usual = usualHashes[sizeBytes] as SignatureAlgorithm;
    if (oid.signature[usual] === signatureAlgorithm) {
      const raw = ecdsaDerToRaw(signature, sizeBytes);
      return crypto.verify(usual, publicKey, signedBytes, raw);
    }
    return crypto.verifyEcdsaDigest(publicKey, crypto.digest(hash, signedBytes), signature);
  } catch (error) {
    if (isCocoError(error)) return false;
    throw error;
  }
}

export interface CertificateRequest {
  readonly der: Uint8Array;
  /** `CN=CCF Node` */
  readonly subject: string;
  /** DER Name. */
  readonly subjectName: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly subjectAltNames: readonly SubjectAltName[];
}

/** Attributes: only the requested alternative names are of use. */
function readRequestedAltNames(attributes: DerReader): SubjectAltName[] {
  const names: SubjectAltName[] = [];
  while (!attributes.isAtEnd) {
    const attribute = attributes.enter(derTag.sequence);
    const type = attribute.objectIdentifier();
    const values = attribute.enter(derTag.set);
    attribute.end();
    if (type !== oid.extensionRequest) continue;
    const altNames = readExtensions(values.enter(derTag.sequence)).get(oid.subjectAltName);
    if (altNames !== undefined) names.push(...derToAltNames(altNames.value));
  }
  return names;
}

/**
 * Reads a PKCS#10 request (PEM text or DER bytes) and checks that its own key signed it.
 * @throws {CocoError} BadCertificate
 */
export function parseCertificateRequest(
  request: string | Uint8Array,
  crypto: Verifier & Pick<Hash, "digest">,
): CertificateRequest {
  return asBadCertificate("a certificate request", () => {
    const der = toDer(request, "CERTIFICATE REQUEST");
    const { body, ...signed } = readSigned(der);
    if (body.smallInteger() !== 0) throw baseErrors.create("BadDer", "an unknown version");
    const subjectName = body.element(derTag.sequence).bytes;
    const publicKey = body.element(derTag.sequence).bytes;
    const subjectAltNames =
      body.nextTag === derContextTag(0) ? readRequestedAltNames(body.enter(derContextTag(0))) : [];
    body.end();
    if (!verifyX509Signature(crypto, signed, publicKey)) {
      throw baseErrors.create("BadDer", "its own key did not sign it");
    }
    return { der, subject: derToName(subjectName), subjectName, publicKey, subjectAltNames };
  });
}

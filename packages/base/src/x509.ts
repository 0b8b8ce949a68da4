/** Issuing X.509 certificates and certificate requests. @source RFC 5280, RFC 2986 */
import { assert } from "./assert.ts";
import { concatBytes } from "./bytes.ts";
import { baseErrors } from "./catalogue.ts";
import {
  derBitString,
  derBoolean,
  derContextTag,
  derElement,
  derInteger,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derTag,
  derTime,
  ecdsaRawToDer,
} from "./der.ts";
import { derToPem } from "./pem.ts";
import type { Hash, SignatureAlgorithm, Signer, Verifier } from "./ports.ts";
import { altNamesToDer, nameToDer, type SubjectAltName } from "./x509-name.ts";
import { oid, parseCertificate, parseCertificateRequest, publicKeyBits } from "./x509-parse.ts";

const derNull = derElement(derTag.null);

const hashIdentifiers: Readonly<Record<string, readonly [identifier: string, sizeBytes: number]>> =
  {
    "256": ["2.16.840.1.101.3.4.2.1", 32],
    "384": ["2.16.840.1.101.3.4.2.2", 48],
    "512": ["2.16.840.1.101.3.4.2.3", 64],
  };

/** AlgorithmIdentifier of a signature. @source RFC 5758, RFC 4055, RFC 8410 */
function algorithmToDer(algorithm: SignatureAlgorithm): Uint8Array {
  const identifier = derObjectIdentifier(oid.signature[algorithm]);
  if (algorithm.startsWith("RS")) return derSequence(identifier, derNull);
  if (!algorithm.startsWith("PS")) return derSequence(identifier);
  const [hashIdentifier, sizeBytes] = hashIdentifiers[algorithm.slice(2)]!;
  const hash = derSequence(derObjectIdentifier(hashIdentifier), derNull);
  const mask = derSequence(derObjectIdentifier("1.2.840.113549.1.1.8"), hash);
  const parameters = derSequence(
    derElement(derContextTag(0), hash),
    derElement(derContextTag(1), mask),
    derElement(derContextTag(2), derInteger(sizeBytes)),
  );
  return derSequence(identifier, parameters);
}

/** Signs `body` and appends algorithm and signature, as certificates and requests do. */
function signStructure(body: Uint8Array, signer: Signer): Uint8Array {
  const raw = signer.sign(body);
  const signature = signer.algorithm.startsWith("ES") ? ecdsaRawToDer(raw) : raw;
  return derSequence(body, algorithmToDer(signer.algorithm), derBitString(signature));
}

function extension(identifier: string, value: Uint8Array, isCritical = false): Uint8Array {
  const critical = isCritical ? derBoolean(true) : new Uint8Array(0);
  return derSequence(derObjectIdentifier(identifier), critical, derOctetString(value));
}

export interface CertificateOptions {
  /** `CN=CCF Service`, or the DER Name of a certificate request. */
  readonly subject: string | Uint8Array;
  /** Certificate (PEM or DER) of the signer; absent: self-signed. */
  readonly issuer?: string | Uint8Array;
  /** DER SubjectPublicKeyInfo of the subject. */
  readonly publicKey: Uint8Array;
  readonly signer: Signer;
  /** Whole seconds; the rest is cut off. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** 16 fresh random bytes. */
  readonly serial: Uint8Array;
  readonly subjectAltNames?: readonly SubjectAltName[];
  /** Where other certificates name this key by it already; else it is made from the key. */
  readonly subjectKeyId?: Uint8Array | undefined;
  /** May sign certificates; CCF's service certificate and self-signed node certificates do. */
  readonly isAuthority: boolean;
  /** Of an authority; 1 when absent, as in CCF. */
  readonly pathLength?: number;
  readonly hash: Pick<Hash, "sha256">;
}

/**
 * Makes a certificate with the extensions that CCF gives: basicConstraints, keyUsage for an
 * authority, subject and authority key identifier, and the alternative names. Key identifiers are
 * the first 20 bytes of SHA-256 of the key bits (RFC 7093 section 2 method 1).
 * @returns PEM
 * @throws {CocoError} BadCertificate, BadDer, NotPem
 */
export function createCertificate(options: CertificateOptions): string {
  const { issuer, publicKey, signer, hash, isAuthority, subjectAltNames = [] } = options;
  if (options.notBeforeMs > options.notAfterMs) {
    throw baseErrors.create("BadCertificate", "its validity would end before it begins");
  }
  assert(options.serial.length > 0 && options.serial.length <= 20, "a serial has 1 to 20 bytes");
  const subjectName =
    typeof options.subject === "string" ? nameToDer(options.subject) : options.subject;
  const subjectKeyId =
    options.subjectKeyId ?? hash.sha256(publicKeyBits(publicKey)).subarray(0, 20);
  const parsedIssuer = issuer === undefined ? undefined : parseCertificate(issuer);
  const issuerKeyId =
    parsedIssuer === undefined
      ? subjectKeyId
      : (parsedIssuer.subjectKeyId ??
        hash.sha256(publicKeyBits(parsedIssuer.publicKey)).subarray(0, 20));
  const constraints = isAuthority
    ? derSequence(derBoolean(true), derInteger(options.pathLength ?? 1))
    : derSequence();
  const extensions = [extension(oid.basicConstraints, constraints, true)];
  // Bits 0 (digitalSignature) and 5 (keyCertSign); the two trailing zero bits are left out.
  const usage = derBitString(Uint8Array.of(0x84), 2);
  if (isAuthority) extensions.push(extension(oid.keyUsage, usage, true));
  extensions.push(
    extension(oid.subjectKeyId, derOctetString(subjectKeyId)),
    extension(oid.authorityKeyId, derSequence(derElement(derContextTag(0, false), issuerKeyId))),
  );
  if (subjectAltNames.length > 0) {
    extensions.push(extension(oid.subjectAltName, altNamesToDer(subjectAltNames)));
  }
  const body = derSequence(
    derElement(derContextTag(0), derInteger(2)),
    derInteger(options.serial),
    algorithmToDer(signer.algorithm),
    parsedIssuer?.subjectName ?? subjectName,
    derSequence(derTime(options.notBeforeMs), derTime(options.notAfterMs)),
    subjectName,
    publicKey,
    derElement(derContextTag(3), derSequence(...extensions)),
  );
  return derToPem(signStructure(body, signer));
}

export interface EndorsementOptions
  extends Pick<CertificateOptions, "signer" | "notBeforeMs" | "notAfterMs" | "serial"> {
  /** PKCS#10 in PEM or DER; its own signature is checked. */
  readonly request: string | Uint8Array;
  /** Certificate (PEM or DER) of the signer. */
  readonly issuer: string | Uint8Array;
  readonly crypto: Verifier & Hash;
}

/**
 * Certifies the key, the subject and the alternative names of a request, as the service does for
 * its nodes; the new certificate may not sign others.
 * @returns PEM
 * @throws {CocoError} BadCertificate
 */
export function endorseCertificateRequest(options: EndorsementOptions): string {
  const { request, crypto, ...rest } = options;
  const { subjectName, publicKey, subjectAltNames } = parseCertificateRequest(request, crypto);
  const subject = subjectName;
  const isAuthority = false;
  return createCertificate({
    ...rest,
    subject,
    publicKey,
    subjectAltNames,
    isAuthority,
    hash: crypto,
  });
}

export interface CertificateRequestOptions {
  readonly subject: string;
  /** Its public key is the one that is to be certified. */
  readonly signer: Signer;
  readonly subjectAltNames?: readonly SubjectAltName[];
}

/** Makes a PKCS#10 request signed by its own key. @returns PEM */
export function createCertificateRequest(options: CertificateRequestOptions): string {
  const { subject, signer, subjectAltNames = [] } = options;
  const altNames = extension(oid.subjectAltName, altNamesToDer(subjectAltNames));
  const attribute = derSequence(
    derObjectIdentifier(oid.extensionRequest),
    derElement(derTag.set, derSequence(altNames)),
  );
  const body = derSequence(
    derInteger(0),
    nameToDer(subject),
    signer.publicKey,
    derElement(derContextTag(0), subjectAltNames.length > 0 ? attribute : concatBytes()),
  );
  return derToPem(signStructure(body, signer), "CERTIFICATE REQUEST");
}

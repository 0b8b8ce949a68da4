/** Certificates of the service and of the node, issued as CCF issues them. */
import { isIP } from "node:net";
import {
  bytesToHex,
  type Crypto,
  createCertificate,
  createCertificateRequest,
  parseCertificateRequest,
  type SubjectAltName,
} from "@coco/base";
import type { SigningKey } from "@coco/base/node";

const dayMs = 86_400_000;

export interface Validity {
  readonly notBeforeMs: number;
  readonly validityDays: number;
}

function toPeriod(validity: Validity): { notBeforeMs: number; notAfterMs: number } {
  const { notBeforeMs, validityDays } = validity;
  // One second less, so that a day's certificate ends before the same second of the next day.
  return { notBeforeMs, notAfterMs: notBeforeMs + validityDays * dayMs - 1000 };
}

/** Positive 16-byte serial number. */
export function createSerial(crypto: Crypto): Uint8Array {
  const serial = crypto.bytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial;
}

/** Hex SHA-256 of the DER public key: the identity of a node or of a service. */
export function keyToId(crypto: Crypto, publicKey: Uint8Array): string {
  return bytesToHex(crypto.sha256(publicKey));
}

/** The self-signed certificate of the service identity. @returns PEM */
export function createServiceCertificate(
  crypto: Crypto,
  serviceKey: SigningKey,
  subject: string,
  validity: Validity,
): string {
  return createCertificate({
    subject,
    publicKey: serviceKey.publicKey,
    signer: serviceKey,
    ...toPeriod(validity),
    serial: createSerial(crypto),
    isAuthority: true,
    hash: crypto,
  });
}

/** Alternative names as configured: `iPAddress:127.0.0.1` or `dNSName:localhost`. */
export function toSubjectAltNames(names: readonly string[]): SubjectAltName[] {
  return names.map((name) => {
    const value = name.slice(name.indexOf(":") + 1);
    if (/^(iPAddress|IP):/i.test(name)) return { ip: value };
    if (/^(dNSName|DNS):/i.test(name)) return { dns: value };
    return isIP(name) !== 0 ? { ip: name } : { dns: name };
  });
}

/** The node's request for an endorsed certificate. @returns PEM */
export function createNodeRequest(
  nodeKey: SigningKey,
  subject: string,
  subjectAltNames: readonly SubjectAltName[],
): string {
  return createCertificateRequest({ subject, signer: nodeKey, subjectAltNames });
}

/** The node's certificate before the service endorses it. @returns PEM */
export function createSelfSignedNodeCertificate(
  crypto: Crypto,
  nodeKey: SigningKey,
  subject: string,
  subjectAltNames: readonly SubjectAltName[],
  validity: Validity,
): string {
  return createCertificate({
    subject,
    publicKey: nodeKey.publicKey,
    signer: nodeKey,
    ...toPeriod(validity),
    serial: createSerial(crypto),
    subjectAltNames,
    isAuthority: true,
    hash: crypto,
  });
}

/**
 * Issues a node certificate from the service identity.
 * @param request PKCS#10 PEM, signed by the key that is to be certified
 * @returns PEM
 * @throws {CocoError} BadCertificate, BadDer, NotPem
 */
export function endorseNode(
  crypto: Crypto,
  request: string,
  service: { readonly key: SigningKey; readonly certificate: string },
  validity: Validity,
): string {
  const parsed = parseCertificateRequest(request, crypto);
  return createCertificate({
    subject: parsed.subjectName,
    issuer: service.certificate,
    publicKey: parsed.publicKey,
    signer: service.key,
    ...toPeriod(validity),
    serial: createSerial(crypto),
    subjectAltNames: parsed.subjectAltNames,
    isAuthority: false,
    hash: crypto,
  });
}

/** Checks of PEM certificates, as `ccf.crypto` offers them. */
import { X509Certificate } from "node:crypto";

const certificateCountMax = 64;
const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text. @throws {Error} when one cannot be parsed */
function parseBundle(pem: string): X509Certificate[] {
  const blocks = pem.match(block) ?? [];
  if (blocks.length > certificateCountMax) throw new Error("too many certificates");
  return blocks.map((text) => new X509Certificate(text));
}

/** True when `pem` holds certificates, at least one, and each can be parsed. */
export function isCertificateBundle(pem: string): boolean {
  try {
    const count = pem.split("-----BEGIN ").length - 1;
    const certificates = parseBundle(pem);
    return certificates.length > 0 && certificates.length === count;
  } catch {
    return false;
  }
}

function isInForce(certificate: X509Certificate, nowMs: number): boolean {
  return Date.parse(certificate.validFrom) <= nowMs && nowMs <= Date.parse(certificate.validTo);
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/**
 * True when the first certificate of `chain` leads, over the others, to one of `trusted`. Every
 * certificate on the way has to be in force; issuers and trusted certificates have to be
 * authorities. A trusted certificate need not be self-signed.
 */
export function isCertificateChain(chain: string, trusted: string, nowMs: number): boolean {
  try {
    const [target, ...others] = parseBundle(chain);
    const anchors = parseBundle(trusted);
    if (target === undefined || anchors.length === 0) return false;
    return leadsToAnchor(target, others, anchors, nowMs);
  } catch {
    return false;
  }
}

function leadsToAnchor(
  target: X509Certificate,
  others: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  nowMs: number,
): boolean {
  let current = target;
  const unused = new Set(others);
  for (;;) {
    if (!isInForce(current, nowMs)) return false;
    const { fingerprint256, ca: isAuthority } = current;
    if (anchors.some((anchor) => anchor.fingerprint256 === fingerprint256)) return isAuthority;
    const child = current;
    const canIssue = (issuer: X509Certificate) => issuer.ca && isIssuedBy(child, issuer);
    const anchor = anchors.find(canIssue);
    if (anchor !== undefined) return isInForce(anchor, nowMs);
    const next = [...unused].find(canIssue);
    if (next === undefined) return false;
    unused.delete(next);
    current = next;
  }
}

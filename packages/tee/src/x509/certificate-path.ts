/** A certificate path from a leaf to a pinned root. @source RFC 5280 section 6.1 */
import {
  bytesToHex,
  bytesToUtf8,
  DerReader,
  derTag,
  equalBytes,
  isCocoError,
  type ParsedCertificate,
  parseCertificate,
  pemToBlocks,
  verifyX509Signature,
} from "@coco/base";
import { type TeeErrorCode, teeErrors } from "../errors.ts";
import type { CheckList, VerificationInput } from "../verification.ts";

const certificatesCountMax = 8;
const pathLengthMax = 4;

/** Extensions that this code understands; any other critical one ends the path. */
const knownCritical: ReadonlySet<string> = new Set([
  "2.5.29.14",
  "2.5.29.15",
  "2.5.29.17",
  "2.5.29.19",
  "2.5.29.35",
  "2.5.29.37",
]);

/** Checks a signature; a library that throws on malformed input counts as a refusal. */
export function isSigned(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}

/** Splits DER certificates that stand one after the other. */
function splitDer(bytes: Uint8Array): Uint8Array[] {
  const reader = new DerReader(bytes);
  const parts: Uint8Array[] = [];
  while (!reader.isAtEnd && parts.length < certificatesCountMax + 1) {
    parts.push(reader.element(derTag.sequence).bytes);
  }
  return parts;
}

/**
 * Reads certificates, in order: PEM text, or DER one after the other.
 * @throws {CocoError} EndorsementsInvalid
 */
export function bytesToCertificates(bytes: Uint8Array): ParsedCertificate[] {
  try {
    const ders =
      bytes[0] === derTag.sequence
        ? splitDer(bytes)
        : pemToBlocks(bytesToUtf8(bytes)).map((block) => block.der);
    if (ders.length > certificatesCountMax) {
      throw teeErrors.create("EndorsementsInvalid", `more than ${certificatesCountMax}`);
    }
    return ders.map((der) => parseCertificate(der));
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    throw teeErrors.create("EndorsementsInvalid", cause.message, {}, cause);
  }
}

/** Lower-case hex SHA-256 of the key: how roots are pinned. */
export function keyDigest(
  crypto: VerificationInput["crypto"],
  certificate: ParsedCertificate,
): string {
  return bytesToHex(crypto.sha256(certificate.publicKey));
}

/** May sign certificates: CA, and keyCertSign where the key usage is limited. */
function mayIssue(certificate: ParsedCertificate): boolean {
  if (!certificate.isAuthority) return false;
  const usage = certificate.extensions.get("2.5.29.15");
  if (usage === undefined) return true;
  const bits = new DerReader(usage.value).element(derTag.bitString).content;
  return ((bits[1] ?? 0) & 0x04) !== 0;
}

function isIssuedBy(
  crypto: VerificationInput["crypto"],
  certificate: ParsedCertificate,
  issuer: ParsedCertificate,
): boolean {
  return (
    equalBytes(certificate.issuerName, issuer.subjectName) &&
    isSigned(() => mayIssue(issuer) && verifyX509Signature(crypto, certificate, issuer.publicKey))
  );
}

export interface PathOptions {
  readonly crypto: VerificationInput["crypto"];
  readonly leaf: ParsedCertificate;
  /** Any order; those that are not needed are ignored. */
  readonly others: readonly ParsedCertificate[];
  /** SHA-256 of the keys of the accepted roots, lower-case hex. */
  readonly rootKeyDigests: ReadonlySet<string>;
}

/** Leaf first, root last; undefined when there is no path. Validity in time is not checked. */
export function findPath(options: PathOptions): readonly ParsedCertificate[] | undefined {
  const { crypto, leaf, others, rootKeyDigests } = options;
  const path = [leaf];
  for (let at = leaf; path.length <= pathLengthMax; ) {
    if (at !== leaf && rootKeyDigests.has(keyDigest(crypto, at))) {
      return isIssuedBy(crypto, at, at) ? path : undefined;
    }
    const issuer = others.find((other) => other !== at && isIssuedBy(crypto, at, other));
    if (issuer === undefined) return undefined;
    path.push(issuer);
    at = issuer;
  }
  return undefined;
}

export function hasUnknownCritical(certificate: ParsedCertificate): boolean {
  return [...certificate.extensions].some(
    ([name, extension]) => extension.isCritical && !knownCritical.has(name),
  );
}

export interface PathCheckOptions extends PathOptions {
  /** Names the path in the checks, for example `vcek`. */
  readonly name: string;
  readonly nowMs: number;
  readonly invalidCode?: TeeErrorCode;
  readonly expiredCode?: TeeErrorCode;
}

/** Finds the path and checks it at `nowMs`. @returns undefined when there is none */
export function checkPath(
  list: CheckList,
  options: PathCheckOptions,
): readonly ParsedCertificate[] | undefined {
  const { name, nowMs } = options;
  const invalidCode = options.invalidCode ?? "EndorsementsInvalid";
  const path = findPath(options);
  const detail =
    path === undefined
      ? `${options.leaf.subject} does not lead to a pinned root`
      : path.map(({ subject }) => /CN=([^,]*)/.exec(subject)?.[1] ?? subject).join(" <- ");
  if (!list.add(`${name} chain`, path !== undefined, detail, invalidCode)) return undefined;
  const strange = path?.find(hasUnknownCritical);
  if (strange !== undefined) {
    const reason = `${strange.subject} has an unknown critical extension`;
    list.add(`${name} extensions`, false, reason, invalidCode);
  }
  const outside = path?.find(
    ({ notBeforeMs, notAfterMs }) => nowMs < notBeforeMs || nowMs > notAfterMs,
  );
  const shown = outside ?? options.leaf;
  const period = `${msToText(shown.notBeforeMs)} to ${msToText(shown.notAfterMs)}`;
  const expiredCode = options.expiredCode ?? "EndorsementsExpired";
  list.add(`${name} validity`, outside === undefined, period, expiredCode);
  return path;
}

/** `2026-11-20T12:00:00Z` */
export function msToText(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Certificate revocation lists. @source RFC 5280 section 5 */
import {
  bytesToHex,
  DerReader,
  derContextTag,
  derTag,
  derToName,
  equalBytes,
  isCocoError,
  type ParsedCertificate,
  verifyX509Signature,
} from "@coco/base";
import { type TeeErrorCode, teeErrors } from "../errors.ts";
import type { CheckList, VerificationInput } from "../verification.ts";
import { isSigned, msToText } from "./certificate-path.ts";

export interface RevocationList {
  readonly signedBytes: Uint8Array;
  readonly signatureAlgorithm: string;
  readonly signature: Uint8Array;
  /** DER Name. */
  readonly issuerName: Uint8Array;
  readonly issuer: string;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Serial numbers as they stand in certificates, lower-case hex. */
  readonly serials: ReadonlySet<string>;
}

function readSerials(reader: DerReader): Set<string> {
  const serials = new Set<string>();
  while (!reader.isAtEnd) {
    const entry = reader.enter(derTag.sequence);
    serials.add(bytesToHex(entry.integer()));
    entry.timeMs();
    entry.optional(derTag.sequence);
    entry.end();
  }
  return serials;
}

/** Only these say nothing about which certificates the list covers. */
const knownExtensions: ReadonlySet<string> = new Set(["2.5.29.20", "2.5.29.35"]);

function checkExtensions(reader: DerReader): void {
  while (!reader.isAtEnd) {
    const extension = reader.enter(derTag.sequence);
    const name = extension.objectIdentifier();
    const isCritical = extension.nextTag === derTag.boolean && extension.boolean();
    extension.octetString();
    extension.end();
    if (isCritical && !knownExtensions.has(name)) {
      throw teeErrors.create("CollateralMalformed", `critical extension ${name}`);
    }
  }
}

/** @throws {CocoError} BadDer, CollateralMalformed */
export function derToRevocationList(der: Uint8Array): RevocationList {
  const outer = new DerReader(der);
  const reader = outer.enter(derTag.sequence);
  outer.end();
  const body = reader.element(derTag.sequence);
  const algorithm = reader.element(derTag.sequence);
  const signature = reader.bitString();
  reader.end();
  const inside = new DerReader(body.content);
  if (inside.smallInteger() !== 1) throw teeErrors.create("CollateralMalformed", "CRL version");
  if (!equalBytes(inside.element(derTag.sequence).bytes, algorithm.bytes)) {
    throw teeErrors.create("CollateralMalformed", "the two signature algorithms differ");
  }
  const issuerName = inside.element(derTag.sequence).bytes;
  const thisUpdateMs = inside.timeMs();
  const nextUpdateMs = inside.timeMs();
  const revoked = inside.optional(derTag.sequence);
  const serials = readSerials(new DerReader(revoked?.content ?? new Uint8Array(0)));
  if (!inside.isAtEnd) checkExtensions(inside.enter(derContextTag(0)).enter(derTag.sequence));
  inside.end();
  return {
    signedBytes: body.bytes,
    signatureAlgorithm: new DerReader(algorithm.content).objectIdentifier(),
    signature,
    issuerName,
    issuer: derToName(issuerName),
    thisUpdateMs,
    nextUpdateMs,
    serials,
  };
}

export interface RevocationOptions {
  /** Names the list in the checks, for example `pck crl`. */
  readonly name: string;
  readonly der: Uint8Array;
  readonly issuer: ParsedCertificate;
  /** Certificates of that issuer that must not be listed. */
  readonly certificates: readonly ParsedCertificate[];
  readonly crypto: VerificationInput["crypto"];
  readonly nowMs: number;
  readonly invalidCode: TeeErrorCode;
  readonly expiredCode: TeeErrorCode;
}

function parseOrUndefined(der: Uint8Array): RevocationList | undefined {
  try {
    return derToRevocationList(der);
  } catch (cause) {
    if (isCocoError(cause)) return undefined;
    throw cause;
  }
}

/** Checks issuer, signature and time of the list, then that no certificate stands on it. */
export function checkRevocation(list: CheckList, options: RevocationOptions): void {
  const { name, der, issuer, crypto, nowMs, certificates, invalidCode, expiredCode } = options;
  const revocations = parseOrUndefined(der);
  if (revocations === undefined) {
    list.add(name, false, "it cannot be read", invalidCode);
    return;
  }
  const isOfIssuer = equalBytes(revocations.issuerName, issuer.subjectName);
  const isGenuine =
    isOfIssuer && isSigned(() => verifyX509Signature(crypto, revocations, issuer.publicKey));
  list.add(name, isGenuine, `signed by ${revocations.issuer}`, invalidCode);
  const { thisUpdateMs, nextUpdateMs, serials } = revocations;
  const isCurrent = thisUpdateMs <= nowMs && nowMs <= nextUpdateMs;
  const period = `${msToText(thisUpdateMs)} to ${msToText(nextUpdateMs)}`;
  list.add(`${name} validity`, isCurrent, period, expiredCode);
  const revoked = certificates.find(({ serial }) => serials.has(bytesToHex(serial)));
  const detail = revoked === undefined ? `none of ${serials.size} serial numbers` : revoked.subject;
  list.add(`${name} revocation`, revoked === undefined, detail, "EndorsementsRevoked");
}

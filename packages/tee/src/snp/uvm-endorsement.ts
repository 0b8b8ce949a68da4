/** The signed measurement of a utility VM, and the issuer's did:x509. @source did:x509 method 0 */
import {
  bytesToBase64Url,
  bytesToHex,
  bytesToUtf8,
  CborTag,
  type CborValue,
  type CoseSign1,
  coseAlgorithm,
  coseHeader,
  DerReader,
  decodeCoseSign1,
  derTag,
  equalBytes,
  hexToBytes,
  type ParsedCertificate,
  parseCertificate,
  verifyCoseSign1,
} from "@coco/base";
import { teeErrors } from "../errors.ts";
import type { CheckList, UvmEndorsement, VerificationInput } from "../verification.ts";
import {
  findPath,
  hasUnknownCritical,
  isSigned,
  keyDigest,
  msToText,
} from "../x509/certificate-path.ts";

export interface UvmStatement {
  readonly message: CoseSign1;
  /** Leaf first. */
  readonly chain: readonly ParsedCertificate[];
  /** did:x509 of the issuer. */
  readonly issuer: string;
  readonly feed: string;
  readonly svn: number;
  readonly measurement: Uint8Array;
  readonly signedAtMs: number | undefined;
}

const cwt = { issuer: 1, subject: 2, issuedAt: 6 };
const preimageContentType = 259;

function fail(detail: string): never {
  throw teeErrors.create("UvmEndorsementInvalid", detail);
}

function asText(value: CborValue, what: string): string {
  return typeof value === "string" && value.length <= 512 ? value : fail(`${what} is no text`);
}

function asCount(value: unknown, what: string): number {
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  const isCount = typeof number === "number" && Number.isSafeInteger(number) && number >= 0;
  return isCount ? number : fail(`${what} is no version number`);
}

function asTimeMs(value: CborValue): number | undefined {
  const inner = value instanceof CborTag && value.tag === 1 ? (value.value as CborValue) : value;
  if (inner instanceof Date) return inner.getTime();
  return typeof inner === "number" && inner >= 0 && inner < 1e11 ? inner * 1000 : undefined;
}

function readChain(value: CborValue): ParsedCertificate[] {
  const parts = value instanceof Uint8Array ? [value] : value;
  if (!Array.isArray(parts) || parts.length < 2 || parts.length > 8) fail("x5chain");
  return parts.map((part) => (part instanceof Uint8Array ? parseCertificate(part) : fail("x5c")));
}

/** The payload of older statements: JSON with the measurement in hex. */
function readJsonPayload(payload: Uint8Array): { measurement: Uint8Array; svn: number } {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = (JSON.parse(bytesToUtf8(payload)) ?? {}) as Readonly<Record<string, unknown>>;
  } catch {
    return fail("the payload is no JSON");
  }
  const measurement = fields["x-ms-sevsnpvm-launchmeasurement"];
  const svn = fields["x-ms-sevsnpvm-guestsvn"];
  const number = fields["x-ms-sevsnpvm-guestsvn-int"];
  if (typeof measurement !== "string" || !/^[0-9a-f]{96}$/i.test(measurement)) {
    return fail("launchmeasurement is not 96 hexadecimal digits");
  }
  if (svn !== undefined && number !== undefined && Number(svn) !== number) fail("two svns");
  return { measurement: hexToBytes(measurement), svn: asCount(number ?? svn, "guestsvn") };
}

/**
 * Reads a statement of either generation: JSON payload with text headers, or a raw measurement
 * with CWT claims.
 * @throws {CocoError} UvmEndorsementInvalid, BadCose, BadCertificate
 */
export function bytesToUvmStatement(bytes: Uint8Array): UvmStatement {
  const message = decodeCoseSign1(bytes);
  const { protectedHeaders: headers, payload } = message;
  if (payload === undefined) return fail("the payload is missing");
  const chain = readChain(headers.get(coseHeader.x5chain));
  const claims = headers.get(coseHeader.cwtClaims);
  if (claims instanceof Map) {
    const map = claims as ReadonlyMap<CborValue, CborValue>;
    const type = headers.get(preimageContentType) ?? headers.get(coseHeader.contentType);
    const isJson = type === "application/json";
    const inside = isJson ? readJsonPayload(payload) : { measurement: payload, svn: undefined };
    if (inside.measurement.length !== 48) fail("the measurement is not 48 bytes");
    return {
      message,
      chain,
      issuer: asText(map.get(cwt.issuer), "iss"),
      feed: asText(map.get(cwt.subject), "sub"),
      svn: asCount(map.get("svn") ?? inside.svn, "svn"),
      measurement: inside.measurement,
      signedAtMs: asTimeMs(map.get(cwt.issuedAt) ?? headers.get("signingtime")),
    };
  }
  if (headers.get(coseHeader.contentType) !== "application/json") fail("the content type");
  return {
    message,
    chain,
    issuer: asText(headers.get("iss"), "iss"),
    feed: asText(headers.get("feed"), "feed"),
    ...readJsonPayload(payload),
    signedAtMs: asTimeMs(headers.get("signingtime")),
  };
}

/** Extended key usages of a certificate. */
function readUsages(certificate: ParsedCertificate): string[] {
  const extension = certificate.extensions.get("2.5.29.37");
  if (extension === undefined) return [];
  const reader = new DerReader(extension.value).enter(derTag.sequence);
  const usages: string[] = [];
  while (!reader.isAtEnd) usages.push(reader.objectIdentifier());
  return usages;
}

/**
 * Whether a did:x509 with one or more `eku` predicates stands for the leaf of a chain: an
 * authority of the chain has the fingerprint, the leaf has the usages.
 */
function isDidOfChain(
  crypto: VerificationInput["crypto"],
  did: string,
  path: readonly ParsedCertificate[],
): boolean {
  const [base = "", ...predicates] = did.split("::");
  const [, algorithm, fingerprint] = /^did:x509:0:(sha256|sha384|sha512):(.+)$/.exec(base) ?? [];
  const [leaf, ...authorities] = path;
  if (algorithm === undefined || leaf === undefined || predicates.length === 0) return false;
  const hash = `SHA-${algorithm.slice(3)}` as "SHA-256" | "SHA-384" | "SHA-512";
  const isPinned = authorities.some(
    ({ der }) => bytesToBase64Url(crypto.digest(hash, der)) === fingerprint,
  );
  const usages = readUsages(leaf);
  const isUsage = (predicate: string) =>
    predicate.startsWith("eku:") && usages.includes(predicate.slice(4));
  return isPinned && predicates.every(isUsage);
}

/** Whether the chain was valid when the statement was made; leaves live for months only. */
function wasValid(path: readonly ParsedCertificate[], timeMs: number | undefined): boolean {
  if (timeMs === undefined) return true;
  return path.every(({ notBeforeMs, notAfterMs }) => notBeforeMs <= timeMs && timeMs <= notAfterMs);
}

/** Checks a statement about the utility VM whose measurement a report carries. */
export function checkUvmEndorsement(
  list: CheckList,
  input: Pick<VerificationInput, "crypto">,
  bytes: Uint8Array,
  measurement: Uint8Array | undefined,
): UvmEndorsement | undefined {
  const { crypto } = input;
  const statement = bytesToUvmStatement(bytes);
  const { chain, issuer: did, feed, svn, message, signedAtMs } = statement;
  const leaf = chain[0]!;
  const rootKeyDigests = new Set([keyDigest(crypto, chain.at(-1)!)]);
  const path = findPath({ crypto, leaf, others: chain.slice(1), rootKeyDigests });
  const isWhole =
    path !== undefined && path.length === chain.length && !path.some(hasUnknownCritical);
  const code = "UvmEndorsementInvalid";
  if (!list.add("uvm chain", isWhole, `${chain.length} certificates`, code)) return undefined;
  list.add("uvm issuer", isDidOfChain(crypto, did, path!), did, code);
  const when = signedAtMs === undefined ? "no signing time" : msToText(signedAtMs);
  list.add("uvm validity", wasValid(path!, signedAtMs), when, code);
  const isGenuine = isSigned(() => verifyCoseSign1(crypto, message, leaf.publicKey));
  list.add("uvm signature", isGenuine, coseAlgorithm(message), code);
  const shown = bytesToHex(statement.measurement);
  if (measurement !== undefined) {
    const isSame = equalBytes(statement.measurement, measurement);
    list.add("uvm measurement", isSame, shown, "UvmMeasurementMismatch");
  }
  list.add("uvm endorsement", true, `${feed} svn ${svn}`, code);
  return { did, feed, svn };
}

/** Which endorsements a piece of evidence needs: read from it, not trusted. */
import {
  base64ToBytes,
  bytesToHex,
  bytesToLatin1,
  bytesToUtf8,
  DerReader,
  derTag,
  isCocoError,
  type ParsedCertificate,
  parseCertificate,
  pemToDer,
} from "@coco/base";
import type { Evidence } from "@coco/tee";
import { isZero } from "./byte-fields.ts";
import { snpReportSizeBytes } from "./configfs-provider.ts";
import { attestationErrors } from "./errors.ts";

export type SnpProduct = "Milan" | "Genoa" | "Turin";

export interface SnpEndorsementRequest {
  readonly kind: "snp";
  /** Candidates: reports of version 2 do not say it. */
  readonly products: readonly SnpProduct[];
  /** Lower-case hex of 64 bytes. */
  readonly chipId: string;
  /** 8 bytes as in the report. */
  readonly reportedTcb: Uint8Array;
  /** The same as a number in hex, as the hosts of Azure write it. */
  readonly tcbHex: string;
  /** Signed by a key of the cloud provider: only the host has its certificate. */
  readonly isVlek: boolean;
}

export interface IntelEndorsementRequest {
  readonly kind: "intel";
  readonly tee: "sgx" | "tdx";
  /** Lower-case hex of 6 bytes: the family of processors. */
  readonly fmspc: string;
  readonly authority: "platform" | "processor";
}

export type EndorsementRequest = SnpEndorsementRequest | IntelEndorsementRequest;

function fail(detail: string): never {
  throw attestationErrors.create("DeviceAnswerMalformed", detail);
}

function reportToProducts(report: Uint8Array): readonly SnpProduct[] {
  const [family, model] = [report[0x188]!, report[0x189]!];
  if (report[0]! < 3) return ["Milan", "Genoa"];
  if (family === 0x1a) return ["Turin"];
  return family === 0x19 && model <= 0x0f ? ["Milan"] : ["Genoa"];
}

function reportToRequest(report: Uint8Array): SnpEndorsementRequest {
  if (report.length !== snpReportSizeBytes) fail(`an SNP report of ${report.length} bytes`);
  const reportedTcb = report.subarray(0x180, 0x188);
  const signingKey = (report[0x48]! >> 2) & 7;
  return {
    kind: "snp",
    products: reportToProducts(report),
    chipId: bytesToHex(report.subarray(0x1a0, 0x1e0)),
    reportedTcb,
    tcbHex: bytesToHex(Uint8Array.from(reportedTcb).reverse()),
    isVlek: signingKey === 1 || isZero(report.subarray(0x1a0, 0x1e0)),
  };
}

/** The family in the extension of a platform's certificate. */
function certificateToFmspc(certificate: ParsedCertificate): string {
  const arc = "1.2.840.113741.1.13.1";
  const extension = certificate.extensions.get(arc);
  if (extension === undefined) return fail("the quote's certificate is not of an Intel platform");
  const pairs = new DerReader(extension.value).enter(derTag.sequence);
  while (!pairs.isAtEnd) {
    const pair = pairs.enter(derTag.sequence);
    if (pair.objectIdentifier() === `${arc}.4`) return bytesToHex(pair.octetString());
  }
  return fail("the platform's certificate names no family");
}

function quoteToRequest(quote: Uint8Array, tee: "sgx" | "tdx"): IntelEndorsementRequest {
  const [pem] =
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(bytesToLatin1(quote)) ?? [];
  if (pem === undefined) return fail("the quote carries no certificates");
  try {
    const certificate = parseCertificate(pemToDer(pem));
    const authority = /Platform CA/.test(certificate.issuer) ? "platform" : "processor";
    return { kind: "intel", tee, fmspc: certificateToFmspc(certificate), authority };
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    throw attestationErrors.create("DeviceAnswerMalformed", "certificates of a quote", {}, cause);
  }
}

function readField(quote: Uint8Array, name: string): Uint8Array {
  try {
    const fields = JSON.parse(bytesToUtf8(quote)) as Readonly<Record<string, unknown>>;
    const text = fields[name];
    return typeof text === "string" ? base64ToBytes(text) : fail(`${name} is missing`);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    return fail("the evidence is no JSON");
  }
}

/**
 * @returns undefined when the evidence needs no endorsements
 * @throws {CocoError} DeviceAnswerMalformed
 */
export function evidenceToEndorsementRequest(evidence: Evidence): EndorsementRequest | undefined {
  const { format, quote } = evidence;
  switch (format) {
    case "AMD_SEV_SNP_v1":
      return reportToRequest(quote);
    case "Azure_SNP_vTPM":
      return reportToRequest(readField(quote, "hcl_report").subarray(32, 32 + snpReportSizeBytes));
    case "Azure_TDX_vTPM":
      return quoteToRequest(readField(quote, "td_quote"), "tdx");
    case "Intel_TDX_DCAP":
      return quoteToRequest(quote, "tdx");
    case "Intel_SGX_DCAP":
    case "OE_SGX_v1":
      return quoteToRequest(quote, "sgx");
    default:
      return undefined;
  }
}

/** One name per request: of files in a bundle, and of entries in a cache. */
export function requestToName(request: EndorsementRequest): string {
  return request.kind === "snp"
    ? `snp-${request.chipId}-${request.tcbHex}`
    : `${request.tee}-${request.fmspc}`;
}

/** Security versions as AMD's service takes them. */
export function requestToSecurityVersions(
  request: SnpEndorsementRequest,
  product: SnpProduct,
): Readonly<Record<string, number>> {
  const [a, b, c, d, , , g, h] = request.reportedTcb as unknown as number[];
  return product === "Turin"
    ? { fmcSPL: a!, blSPL: b!, teeSPL: c!, snpSPL: d!, ucodeSPL: h! }
    : { blSPL: a!, teeSPL: b!, snpSPL: g!, ucodeSPL: h! };
}

/** The chip's name in AMD's service: on Turin only its first 8 bytes. */
export function requestToChipName(request: SnpEndorsementRequest, product: SnpProduct): string {
  return product === "Turin" ? request.chipId.slice(0, 16) : request.chipId;
}

/**
 * Quotes of Intel SGX (version 3) and TDX (versions 4 and 5). All integers are little endian.
 * @source Intel SGX ECDSA Quote Library API, appendix A; TDX DCAP Quoting Library API, appendix A
 */
import { bytesToUtf8, derToPem, type ParsedCertificate } from "@coco/base";
import { EvidenceReader, isZero, readU32, readU64 } from "../evidence-reader.ts";
import { bytesToCertificates } from "../x509/certificate-path.ts";

/** The report of an SGX enclave: 384 bytes. */
export interface SgxReport {
  readonly bytes: Uint8Array;
  readonly cpuSvn: Uint8Array;
  readonly miscSelect: Uint8Array;
  /** Flags in bytes 0 to 7, XFRM in bytes 8 to 15. */
  readonly attributes: Uint8Array;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly configId: Uint8Array;
  readonly isvProductId: number;
  readonly isvSvn: number;
  readonly reportData: Uint8Array;
}

/** The report of a trust domain: 584 bytes, or 648 for TDX 1.5. */
export interface TdReport {
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly attributes: bigint;
  readonly xfam: bigint;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  /** Four registers that the guest extends. */
  readonly rtmrs: readonly Uint8Array[];
  readonly reportData: Uint8Array;
  /** TDX 1.5 only. */
  readonly mrServiceTd: Uint8Array | undefined;
}

/** Signature data, the same for SGX and TDX. */
interface QuoteSignature {
  /** r||s over header and body, by the attestation key. */
  readonly signature: Uint8Array;
  /** x||y of P-256. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: SgxReport;
  /** r||s over the report of the quoting enclave, by the platform key (PCK). */
  readonly qeSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  /** Platform key, its authority, the root. */
  readonly certificates: readonly ParsedCertificate[];
}

export interface DcapQuote extends QuoteSignature {
  readonly version: 3 | 4 | 5;
  readonly body: { readonly sgx: SgxReport } | { readonly td: TdReport };
  /** Header and body: what the attestation key signed. */
  readonly signedBytes: Uint8Array;
}

const headerSizeBytes = 48;
const sgxReportSizeBytes = 384;
const tdReportSizes: Readonly<Record<number, number>> = { 2: 584, 3: 648 };
const ecdsaP256 = 2;
const tdxTeeType = 0x81;
const pckChainType = 5;
const qeReportType = 6;
const intelVendorId = "939a7233f79c4ca9940a0db3957f0607";

/** @throws {CocoError} EvidenceMalformed */
function bytesToSgxReport(bytes: Uint8Array): SgxReport {
  const reader = new EvidenceReader(bytes, "SGX report");
  const cpuSvn = reader.take(16);
  const miscSelect = reader.take(4);
  reader.zeros(12);
  reader.take(16);
  const attributes = reader.take(16);
  const mrEnclave = reader.take(32);
  reader.zeros(32);
  const mrSigner = reader.take(32);
  reader.zeros(32);
  const configId = reader.take(64);
  const isvProductId = reader.u16();
  const isvSvn = reader.u16();
  reader.take(2);
  reader.zeros(42);
  reader.take(16);
  const reportData = reader.take(64);
  reader.end();
  return {
    bytes,
    cpuSvn,
    miscSelect,
    attributes,
    mrEnclave,
    mrSigner,
    configId,
    isvProductId,
    isvSvn,
    reportData,
  };
}

/** @throws {CocoError} EvidenceMalformed */
function bytesToTdReport(bytes: Uint8Array): TdReport {
  const reader = new EvidenceReader(bytes, "TD report");
  const teeTcbSvn = reader.take(16);
  const mrSeam = reader.take(48);
  const mrSignerSeam = reader.take(48);
  const seamAttributes = reader.take(8);
  const attributes = readU64(reader.take(8), 0);
  const xfam = readU64(reader.take(8), 0);
  const [mrTd, mrConfigId, mrOwner, mrOwnerConfig] = takeRegisters(reader, 4);
  const rtmrs = takeRegisters(reader, 4);
  const reportData = reader.take(64);
  const isLonger = reader.remaining > 0;
  if (isLonger) reader.take(16);
  const mrServiceTd = isLonger ? reader.take(48) : undefined;
  reader.end();
  return {
    teeTcbSvn,
    mrSeam,
    mrSignerSeam,
    seamAttributes,
    attributes,
    xfam,
    mrTd: mrTd!,
    mrConfigId: mrConfigId!,
    mrOwner: mrOwner!,
    mrOwnerConfig: mrOwnerConfig!,
    rtmrs,
    reportData,
    mrServiceTd,
  };
}

function takeRegisters(reader: EvidenceReader, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => reader.take(48));
}

/** The chain as PEM in its one canonical form, then at most zero bytes. */
function readPemChain(bytes: Uint8Array): ParsedCertificate[] {
  const reader = new EvidenceReader(bytes, "certificates of the quote");
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const text = bytes.subarray(0, end);
  const certificates = bytesToCertificates(text);
  if (certificates.length !== 3) reader.fail(`${certificates.length} instead of 3`);
  const canonical = certificates.map(({ der }) => derToPem(der)).join("");
  const shown = bytesToUtf8(text);
  if (shown !== canonical && `${shown}\n` !== canonical) reader.fail("no canonical PEM");
  return certificates;
}

/** From the report of the quoting enclave to the end of the certificates. */
function readCertification(
  reader: EvidenceReader,
): Omit<QuoteSignature, "signature" | "attestationKey"> {
  const qeReport = bytesToSgxReport(reader.take(sgxReportSizeBytes));
  const qeSignature = reader.take(64);
  const qeAuthData = reader.take(reader.u16());
  const type = reader.u16();
  if (type !== pckChainType) reader.fail(`certification data of type ${type}`);
  const certificates = readPemChain(reader.take(reader.u32()));
  reader.end();
  return { qeReport, qeSignature, qeAuthData, certificates };
}

function readSignature(bytes: Uint8Array, version: number): QuoteSignature {
  const reader = new EvidenceReader(bytes, "signature of the quote");
  const signature = reader.take(64);
  const attestationKey = reader.take(64);
  if (version === 3) return { signature, attestationKey, ...readCertification(reader) };
  const type = reader.u16();
  if (type !== qeReportType) reader.fail(`certification data of type ${type}`);
  const inner = reader.take(reader.u32());
  reader.end();
  const certification = readCertification(new EvidenceReader(inner, "certification data"));
  return { signature, attestationKey, ...certification };
}

function readHeader(bytes: Uint8Array): { version: 3 | 4 | 5; isTdx: boolean } {
  const reader = new EvidenceReader(bytes, "quote header");
  const version = reader.u16();
  if (version !== 3 && version !== 4 && version !== 5) {
    return reader.fail(`unknown version ${version}`);
  }
  const keyType = reader.u16();
  if (keyType !== ecdsaP256) reader.fail(`attestation key of type ${keyType}`);
  const teeType = reader.u32();
  const isTdx = teeType === tdxTeeType;
  if (isTdx ? version === 3 : teeType !== 0 || version !== 3) {
    reader.fail(`TEE type ${teeType} in version ${version}`);
  }
  // Versions of quoting and provisioning enclave; reserved in TDX quotes.
  reader.take(4);
  const vendor = [...reader.take(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (vendor !== intelVendorId) reader.fail("the quoting enclave's vendor is not Intel");
  reader.take(20);
  return { version, isTdx };
}

/** Body of a quote, and of a version 5 quote the descriptor before it. */
function readBody(reader: EvidenceReader, version: number): DcapQuote["body"] {
  if (version === 3) return { sgx: bytesToSgxReport(reader.take(sgxReportSizeBytes)) };
  if (version === 4) return { td: bytesToTdReport(reader.take(584)) };
  const type = reader.u16();
  const size = reader.u32();
  if (tdReportSizes[type] !== size) reader.fail(`body type ${type} of ${size} bytes`);
  return { td: bytesToTdReport(reader.take(size)) };
}

/**
 * Reads a quote. What follows the declared length must be zero: some providers pad.
 * @throws {CocoError} EvidenceMalformed, EndorsementsInvalid
 */
export function bytesToDcapQuote(bytes: Uint8Array): DcapQuote {
  const reader = new EvidenceReader(bytes, "quote");
  const { version } = readHeader(reader.take(headerSizeBytes));
  const body = readBody(reader, version);
  const signedBytes = bytes.subarray(0, reader.position);
  const signature = readSignature(reader.take(reader.u32()), version);
  if (!isZero(reader.take(reader.remaining))) reader.fail("bytes after its end are not zero");
  return { version, body, signedBytes, ...signature };
}

/** True when the bytes begin like a quote of that kind; used to guess what a file holds. */
export function looksLikeQuote(bytes: Uint8Array): "sgx" | "tdx" | undefined {
  if (bytes.length < 600 || bytes[1] !== 0 || bytes[2] !== ecdsaP256 || bytes[3] !== 0) {
    return undefined;
  }
  const teeType = readU32(bytes, 4);
  if (bytes[0] === 3 && teeType === 0) return "sgx";
  return (bytes[0] === 4 || bytes[0] === 5) && teeType === tdxTeeType ? "tdx" : undefined;
}

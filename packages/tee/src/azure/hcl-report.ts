/**
 * What the paravisor of an Azure confidential VM writes into the virtual TPM: a hardware report
 * whose report data is the digest of a JSON text with the TPM's keys.
 */
import { base64ToBytes, bytesToUtf8, isCocoError } from "@coco/base";
import { EvidenceReader, isZero } from "../evidence-reader.ts";
import { snpReportSizeBytes } from "../snp/snp-report.ts";
import { rsaToPublicKey } from "../tpm/tpm-quote.ts";

export interface HclReport {
  readonly hardware: { readonly snp: Uint8Array } | { readonly td: TdReportStructure };
  /** The exact JSON bytes. */
  readonly variableData: Uint8Array;
  /** DER SubjectPublicKeyInfo of the TPM's attestation key. */
  readonly attestationKey: Uint8Array;
  /** 64 bytes that the guest stored, hex. */
  readonly userData: string;
  readonly configuration: Readonly<Record<string, string | number | boolean>>;
}

/** The parts of TDREPORT that a quote repeats. */
interface TdReportStructure {
  readonly reportData: Uint8Array;
  readonly mrTd: Uint8Array;
}

const signature = "HCLA";
const snpType = 2;
const tdxType = 4;
const requestType = 2;
const sha256Type = 1;
const tdReportSizeBytes = 1024;

type Fields = Readonly<Record<string, unknown>>;

function readAttestationKey(fields: Fields, reader: EvidenceReader): Uint8Array {
  const keys = Array.isArray(fields["keys"]) ? (fields["keys"] as readonly Fields[]) : [];
  const found = keys.filter((key) => key?.["kid"] === "HCLAkPub");
  const [key] = found;
  const { n, e, kty } = (key ?? {}) as Fields;
  if (found.length !== 1 || kty !== "RSA" || typeof n !== "string" || typeof e !== "string") {
    return reader.fail("no single attestation key");
  }
  try {
    return rsaToPublicKey(base64ToBytes(n), base64ToBytes(e));
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    return reader.fail("the attestation key is not base64");
  }
}

function readFields(bytes: Uint8Array, reader: EvidenceReader): Fields {
  try {
    const value: unknown = JSON.parse(bytesToUtf8(bytes));
    if (typeof value === "object" && value !== null) return value as Fields;
  } catch {
    // Falls through to the typed error.
  }
  return reader.fail("the variable data is no JSON object");
}

function readConfiguration(fields: Fields): HclReport["configuration"] {
  const value = fields["vm-configuration"];
  if (typeof value !== "object" || value === null) return {};
  const flat = Object.entries(value).filter(([, item]) =>
    ["string", "number", "boolean"].includes(typeof item),
  );
  return Object.fromEntries(flat.slice(0, 32));
}

function readTdReport(bytes: Uint8Array): TdReportStructure {
  const reader = new EvidenceReader(bytes, "TDREPORT");
  reader.take(128);
  const reportData = reader.take(64);
  reader.take(512 - reader.position + 16);
  return { reportData, mrTd: reader.take(48) };
}

/** @throws {CocoError} EvidenceMalformed */
export function bytesToHclReport(bytes: Uint8Array): HclReport {
  const reader = new EvidenceReader(bytes, "HCL report");
  if (String.fromCharCode(...reader.take(4)) !== signature) reader.fail("the signature");
  const version = reader.u32();
  if (version !== 1 && version !== 2) reader.fail(`unknown version ${version}`);
  const size = reader.u32();
  if (reader.u32() !== requestType) reader.fail("an unknown request type");
  reader.zeros(16);
  const area = reader.take(snpReportSizeBytes);
  const dataSize = reader.u32();
  if (reader.u32() !== 1) reader.fail("an unknown version of the variable data");
  const type = reader.u32();
  if (reader.u32() !== sha256Type) reader.fail("an unknown hash");
  const variableSize = reader.u32();
  const variableData = reader.take(variableSize);
  const isSized = dataSize === variableSize + 20;
  if (!isSized || size !== reader.position) reader.fail("sizes that contradict each other");
  reader.zeros(reader.remaining);
  const fields = readFields(variableData, reader);
  const isSnp = type === snpType;
  if (!isSnp && type !== tdxType) reader.fail(`unknown report type ${type}`);
  if (!isSnp && !isZero(area.subarray(tdReportSizeBytes))) reader.fail("bytes after TDREPORT");
  const userData = fields["user-data"];
  return {
    hardware: isSnp ? { snp: area } : { td: readTdReport(area) },
    variableData,
    attestationKey: readAttestationKey(fields, reader),
    userData: typeof userData === "string" ? userData.slice(0, 256).toLowerCase() : "",
    configuration: readConfiguration(fields),
  };
}

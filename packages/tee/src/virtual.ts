/**
 * The `virtual` platform: evidence that any process can write, for development only. The layout is
 * CCF's: JSON {measurement, host_data?, report_data}.
 */
import { base64ToBytes, bytesToBase64, bytesToHex, bytesToUtf8, utf8ToBytes } from "@coco/base";
import type { Evidence } from "./evidence.ts";
import {
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type VerificationInput,
  type VerificationResult,
} from "./verification.ts";

/** The only measurement that CCF writes on this platform. */
export const virtualMeasurement = "Insecure hard-coded virtual measurement v1";

const reportDataSizeBytes = 64;
const quoteSizeBytesMax = 4096;

export interface VirtualEvidenceOptions {
  /** 32 bytes, or 64. */
  readonly reportData: Uint8Array;
  /** 32 bytes: SHA-256 of the program; absent: no host data. */
  readonly hostData?: Uint8Array;
  readonly measurement?: string;
}

/** Writes evidence with sorted keys, as CCF does. */
export function createVirtualEvidence(options: VirtualEvidenceOptions): Evidence {
  const { reportData, hostData, measurement = virtualMeasurement } = options;
  const fields = {
    ...(hostData === undefined ? {} : { host_data: bytesToHex(hostData) }),
    measurement,
    report_data: bytesToBase64(reportData),
  };
  return {
    format: "Insecure_Virtual",
    quote: utf8ToBytes(JSON.stringify(fields)),
    endorsements: new Uint8Array(0),
  };
}

function readFields(quote: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  if (quote.length > quoteSizeBytesMax) return undefined;
  try {
    const value: unknown = JSON.parse(bytesToUtf8(quote));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function readReportData(text: unknown): Uint8Array | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const bytes = base64ToBytes(text);
    if (bytes.length !== 32 && bytes.length !== reportDataSizeBytes) return undefined;
    const padded = new Uint8Array(reportDataSizeBytes);
    padded.set(bytes);
    return padded;
  } catch {
    return undefined;
  }
}

function verify({ evidence }: VerificationInput): VerificationResult {
  const list = new CheckList();
  const fields = readFields(evidence.quote);
  const isJson = fields !== undefined;
  if (!list.add("layout", isJson, "a JSON object", "EvidenceMalformed")) {
    return list.toResult("virtual", undefined);
  }
  const { measurement, host_data: hostData } = fields as Record<string, unknown>;
  const reportData = readReportData(fields?.["report_data"]);
  const isText = typeof measurement === "string" && measurement.length <= 256;
  list.add("measurement", isText, "text of at most 256 characters", "EvidenceMalformed");
  const isDigest =
    hostData === undefined || (typeof hostData === "string" && /^[0-9a-f]{64}$/.test(hostData));
  list.add("host_data", isDigest, "absent or 64 lower-case hex digits", "EvidenceMalformed");
  const isSized = reportData !== undefined;
  list.add("report_data", isSized, "base64 of 32 or 64 bytes", "EvidenceMalformed");
  if (!isText || !isDigest || reportData === undefined) {
    return list.toResult("virtual", undefined);
  }
  list.add("hardware", true, "none: INSECURE, any process can write this", "PlatformNotAllowed");
  const claims: Claims = {
    platform: "virtual",
    format: "Insecure_Virtual",
    isHardware: false,
    isDebug: true,
    measurement: measurement as string,
    hostData: hostData as string | undefined,
    reportData,
    details: { insecure: true },
  };
  return list.toResult("virtual", claims);
}

export const virtualVerifier: EvidenceVerifier = {
  platform: "virtual",
  formats: ["Insecure_Virtual"],
  verify,
};

/** Attestation evidence as it travels between nodes and stands in the ledger. */
import { base64ToBytes, bytesToBase64, isCocoError } from "@coco/base";
import { teeErrors } from "./errors.ts";

export type TeePlatform = "virtual" | "sgx" | "snp" | "tdx" | "vsm";

/** CCF's names for its three formats, and names of this project for the others. */
export const evidenceFormats = {
  Insecure_Virtual: "virtual",
  AMD_SEV_SNP_v1: "snp",
  OE_SGX_v1: "sgx",
  Intel_SGX_DCAP: "sgx",
  Intel_TDX_DCAP: "tdx",
  Azure_SNP_vTPM: "snp",
  Azure_TDX_vTPM: "tdx",
  Microsoft_VBS: "vsm",
  Microsoft_VBS_MAA: "vsm",
  Microsoft_SNP_MAA: "snp",
  Microsoft_SGX_MAA: "sgx",
  Microsoft_TDX_MAA: "tdx",
} as const satisfies Readonly<Record<string, TeePlatform>>;

export type EvidenceFormat = keyof typeof evidenceFormats;

/** What a platform said about a process, and what its vendor says about the platform. */
export interface Evidence {
  readonly format: EvidenceFormat;
  /** Report or quote, in the platform's own layout. */
  readonly quote: Uint8Array;
  /** Certificates or collateral; empty when the quote carries them or needs none. */
  readonly endorsements: Uint8Array;
  /** COSE_Sign1 over the measurement of a utility VM. */
  readonly uvmEndorsements?: Uint8Array;
  /** Hex TCB version that the endorsements are for. */
  readonly endorsedTcb?: string;
}

/** The JSON in join requests and in the nodes table. Byte strings are base64. */
export interface QuoteInfo {
  readonly format: string;
  readonly quote: string;
  readonly endorsements: string;
  readonly uvm_endorsements?: string;
  readonly endorsed_tcb?: string;
}

/** Longest evidence that is looked at: quote, endorsements and UVM endorsements each. */
export const evidenceSizeBytesMax = 256 * 1024;

export function evidenceToQuoteInfo(evidence: Evidence): QuoteInfo {
  const { format, quote, endorsements, uvmEndorsements, endorsedTcb } = evidence;
  return {
    format,
    quote: bytesToBase64(quote),
    endorsements: bytesToBase64(endorsements),
    ...(uvmEndorsements === undefined ? {} : { uvm_endorsements: bytesToBase64(uvmEndorsements) }),
    ...(endorsedTcb === undefined ? {} : { endorsed_tcb: endorsedTcb }),
  };
}

function readBytes(fields: Readonly<Record<string, unknown>>, name: string): Uint8Array {
  const text = fields[name] ?? "";
  if (typeof text !== "string" || text.length > evidenceSizeBytesMax * 1.4) {
    throw teeErrors.create("EvidenceMalformed", `${name} is no base64 text of bounded size`);
  }
  try {
    return base64ToBytes(text);
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    throw teeErrors.create("EvidenceMalformed", `${name} is not base64`, {}, cause);
  }
}

export function isEvidenceFormat(format: unknown): format is EvidenceFormat {
  return typeof format === "string" && Object.hasOwn(evidenceFormats, format);
}

/**
 * Reads the JSON value of a join request or of the nodes table.
 * @throws {CocoError} EvidenceMalformed, EvidenceFormatUnsupported
 */
export function quoteInfoToEvidence(value: unknown): Evidence {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw teeErrors.create("EvidenceMalformed", "quote_info is no object");
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const { format, endorsed_tcb: endorsedTcb } = fields;
  if (!isEvidenceFormat(format)) {
    throw teeErrors.create("EvidenceFormatUnsupported", JSON.stringify(format)?.slice(0, 40));
  }
  if (endorsedTcb !== undefined && endorsedTcb !== null) {
    if (typeof endorsedTcb !== "string" || !/^[0-9a-fA-F]{16}$/.test(endorsedTcb)) {
      throw teeErrors.create("EvidenceMalformed", "endorsed_tcb is not 16 hexadecimal digits");
    }
  }
  const uvm = fields["uvm_endorsements"];
  return {
    format,
    quote: readBytes(fields, "quote"),
    endorsements: readBytes(fields, "endorsements"),
    ...(uvm === undefined || uvm === null
      ? {}
      : { uvmEndorsements: readBytes(fields, "uvm_endorsements") }),
    ...(typeof endorsedTcb === "string" ? { endorsedTcb: endorsedTcb.toLowerCase() } : {}),
  };
}

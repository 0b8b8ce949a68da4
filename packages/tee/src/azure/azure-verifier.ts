/**
 * Azure confidential VMs: hardware report of the paravisor, and a quote of the virtual TPM whose
 * key that report vouches for. The evidence is JSON: hcl_report, tpm_quote {message, signature,
 * pcrs}, and vcek (SNP) or td_quote (TDX).
 */
import {
  base64ToBytes,
  bytesToHex,
  bytesToUtf8,
  equalBytes,
  hexToBytes,
  isCocoError,
} from "@coco/base";
import { attempt } from "../attempt.ts";
import { teeErrors } from "../errors.ts";
import { isZero } from "../evidence-reader.ts";
import { checkDcapQuote } from "../intel/dcap-verifier.ts";
import { checkSnpReport } from "../snp/snp-verifier.ts";
import { checkTpmQuote, type TpmEvidence, type TpmQuote } from "../tpm/tpm-quote.ts";
import {
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type VerificationInput,
  type VerificationResult,
} from "../verification.ts";
import { bytesToHclReport, type HclReport } from "./hcl-report.ts";

export interface AzureEvidence {
  readonly hclReport: Uint8Array;
  readonly tpm: TpmEvidence;
  /** DER or PEM; SNP. */
  readonly vcek: Uint8Array | undefined;
  /** TDX. */
  readonly tdQuote: Uint8Array | undefined;
}

/** The name of the profile that a policy has to list for TDX under Azure's paravisor. */
export const azureParavisorProfile = "azure-paravisor";

type Fields = Readonly<Record<string, unknown>>;

function fail(detail: string): never {
  throw teeErrors.create("EvidenceMalformed", `Azure evidence: ${detail}`);
}

function readText(fields: Fields, name: string): string {
  const text = fields[name];
  return typeof text === "string" ? text : fail(`${name} is no text`);
}

/** Hex where it can be hex, else base64. */
export function textToBytes(text: string, what: string): Uint8Array {
  try {
    const isHex = text.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(text);
    return isHex ? hexToBytes(text) : base64ToBytes(text);
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    return fail(`${what} is neither hex nor base64`);
  }
}

function toFields(value: unknown, what: string): Fields {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Fields) : fail(`${what} is no object`);
}

/** Reads {message, signature, pcrs} of a quote. @throws {CocoError} EvidenceMalformed */
export function readTpmEvidence(value: unknown): TpmEvidence {
  const fields = toFields(value, "tpm_quote");
  const pcrs = fields["pcrs"];
  if (!Array.isArray(pcrs) || pcrs.length > 24) return fail("pcrs is no list of 24");
  const registers = new Map<number, Uint8Array>();
  for (const [index, text] of pcrs.entries()) {
    registers.set(index, textToBytes(typeof text === "string" ? text : "", `PCR ${index}`));
  }
  return {
    message: textToBytes(readText(fields, "message"), "message"),
    signature: textToBytes(readText(fields, "signature"), "signature"),
    registers,
  };
}

/** @throws {CocoError} EvidenceMalformed */
export function bytesToAzureEvidence(bytes: Uint8Array): AzureEvidence {
  let value: unknown;
  try {
    value = JSON.parse(bytesToUtf8(bytes));
  } catch {
    return fail("no JSON");
  }
  const outer = toFields(value, "it");
  const fields = "evidence" in outer ? toFields(outer["evidence"], "evidence") : outer;
  const optional = (name: string) =>
    fields[name] === undefined ? undefined : textToBytes(readText(fields, name), name);
  const vcek = fields["vcek"];
  const isPem = typeof vcek === "string" && vcek.startsWith("-----");
  return {
    hclReport: textToBytes(readText(fields, "hcl_report"), "hcl_report"),
    tpm: readTpmEvidence(fields["tpm_quote"]),
    vcek: isPem ? new Uint8Array([...vcek].map((c) => c.charCodeAt(0))) : optional("vcek"),
    tdQuote: optional("td_quote"),
  };
}

function toClaims(
  input: VerificationInput,
  hardware: Claims,
  report: HclReport,
  quote: TpmQuote | undefined,
  tpm: TpmEvidence,
): Claims {
  const reportData = new Uint8Array(64);
  reportData.set(quote?.nonce ?? new Uint8Array(0));
  const registers = (quote?.selection ?? []).map((index) => [
    `pcr${index}`,
    bytesToHex(tpm.registers.get(index) ?? new Uint8Array(0)),
  ]);
  const configuration = Object.entries(report.configuration).map(([name, value]) => [
    `vm ${name}`,
    value,
  ]);
  return {
    ...hardware,
    format: input.evidence.format,
    // The hardware's own field vouches for the TPM; the TPM's challenge is what the guest chose.
    reportData,
    details: {
      ...hardware.details,
      profile: azureParavisorProfile,
      hardwareReportData: bytesToHex(hardware.reportData),
      userData: report.userData,
      ...Object.fromEntries(configuration),
      ...Object.fromEntries(registers),
    },
  };
}

/** Checks the hardware part. @returns its claims, whose report data vouches for the TPM */
function checkHardware(
  list: CheckList,
  input: VerificationInput,
  evidence: AzureEvidence,
  report: HclReport,
): Claims | undefined {
  const { endorsements } = input.evidence;
  const { hardware } = report;
  if ("snp" in hardware) {
    const given = endorsements.length > 0 ? endorsements : evidence.vcek;
    const claims = checkSnpReport(list, input, hardware.snp, given ?? new Uint8Array(0));
    if (claims !== undefined) list.checkDebug(claims, input);
    return claims;
  }
  const { tdQuote } = evidence;
  const isThere = tdQuote !== undefined;
  if (!list.add("td quote", isThere, isThere ? "given" : "missing", "EvidenceMalformed")) {
    return undefined;
  }
  const checked = checkDcapQuote(list, input, tdQuote!, endorsements);
  if (checked === undefined || !("td" in checked.quote.body)) return undefined;
  const { td } = checked.quote.body;
  const isSame =
    equalBytes(td.reportData, hardware.td.reportData) && equalBytes(td.mrTd, hardware.td.mrTd);
  list.add("td report", isSame, "the quote repeats it", "VariableDataMismatch");
  return checked.claims;
}

function verifyAs(platform: "snp" | "tdx", input: VerificationInput): VerificationResult {
  const list = new CheckList();
  const { crypto } = input;
  const evidence = attempt(list, "layout", () => bytesToAzureEvidence(input.evidence.quote));
  const report =
    evidence && attempt(list, "hcl report", () => bytesToHclReport(evidence.hclReport));
  if (evidence === undefined || report === undefined) return list.toResult(platform, undefined);
  const kind = "snp" in report.hardware ? "snp" : "tdx";
  if (!list.add("hcl report", kind === platform, kind, "EvidenceMalformed")) {
    return list.toResult(platform, undefined);
  }
  const claims = checkHardware(list, input, evidence, report);
  if (claims === undefined) {
    list.add("hardware", false, "no claims", "EvidenceMalformed");
    return list.toResult(platform, undefined);
  }
  const digest = crypto.sha256(report.variableData);
  const { reportData } = claims;
  const isBound = equalBytes(reportData.subarray(0, 32), digest) && isZero(reportData.subarray(32));
  list.add("tpm key", isBound, bytesToHex(digest), "VariableDataMismatch");
  const quote = attempt(list, "tpm quote", () =>
    checkTpmQuote(list, input, evidence.tpm, report.attestationKey),
  );
  return list.toResult(platform, toClaims(input, claims, report, quote, evidence.tpm));
}

export const azureSnpVerifier: EvidenceVerifier = {
  platform: "snp",
  formats: ["Azure_SNP_vTPM"],
  verify: (input) => verifyAs("snp", input),
};

export const azureTdxVerifier: EvidenceVerifier = {
  platform: "tdx",
  formats: ["Azure_TDX_vTPM"],
  verify: (input) => verifyAs("tdx", input),
};

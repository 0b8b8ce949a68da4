/**
 * Azure confidential virtual machines: the paravisor leaves a hardware report in the virtual TPM,
 * which vouches for the TPM's attestation key; that key signs a quote over the report data.
 */
import {
  base64ToBytes,
  bytesToBase64Url,
  bytesToHex,
  bytesToUtf8,
  equalBytes,
  isCocoError,
  utf8ToBytes,
} from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import type { Evidence, TeePlatform } from "@coco/tee";
import { readU32 } from "./byte-fields.ts";
import { onDevice } from "./device-failure.ts";
import { attestationErrors } from "./errors.ts";
import {
  checkReportData,
  createTurnstile,
  type EvidenceProvider,
  type EvidenceRequest,
} from "./evidence-provider.ts";
import type { AttestationPorts } from "./ports.ts";
import { trimQuote } from "./quote-length.ts";
import { TpmDevice, type TpmQuoteAnswer } from "./tpm-device.ts";

export const tpmPath = "/dev/tpmrm0";
export const hclReportIndex = 0x01400001;
export const attestationKeyHandle = 0x81000003;

const hardwareOffset = 32;
const tdReportSizeBytes = 1024;
const typeOffset = 0x4c8;
const variableOffset = 0x4d4;
const modulusSizeBytes = 256;
const attemptsMax = 4;
const quoteUrl = "http://169.254.169.254/acc/tdquote";

const platforms: Readonly<Record<number, TeePlatform>> = { 2: "snp", 4: "tdx" };

const inTurn = createTurnstile();

function reportToPlatform(report: Uint8Array): TeePlatform | undefined {
  const isReport = bytesToHex(report.subarray(0, 4)) === "48434c41";
  return isReport ? platforms[readU32(report, typeOffset)] : undefined;
}

/** Modulus of the attestation key as the report names it. */
function readModulus(report: Uint8Array): Uint8Array {
  try {
    const size = readU32(report, variableOffset - 4);
    const text = bytesToUtf8(report.subarray(variableOffset, variableOffset + size));
    const { keys } = JSON.parse(text) as { keys?: readonly { kid?: string; n?: string }[] };
    return base64ToBytes(keys?.find(({ kid }) => kid === "HCLAkPub")?.n ?? "");
  } catch (cause) {
    throw attestationErrors.create("DeviceAnswerMalformed", "HCL report without keys", {}, cause);
  }
}

/** Verifiers pad the challenge with zeros at its end, so those need not be sent. */
function reportDataToChallenge(reportData: Uint8Array): Uint8Array {
  const end = reportData.findLastIndex((byte) => byte !== 0) + 1;
  if (end === 0) throw attestationErrors.create("ReportDataInvalid", "all zeros prove nothing");
  return reportData.subarray(0, end);
}

export class AzureVtpmProvider implements EvidenceProvider {
  readonly name = "azure-vtpm";
  readonly #ports: AttestationPorts;

  constructor(ports: AttestationPorts) {
    this.#ports = ports;
  }

  async detect(): Promise<TeePlatform | undefined> {
    try {
      return await this.#withTpm(async (tpm) => {
        const size = await tpm.nvSize(hclReportIndex);
        return size === undefined ? undefined : reportToPlatform(await tpm.nvRead(hclReportIndex));
      });
    } catch {
      return undefined;
    }
  }

  async collect(request: EvidenceRequest): Promise<Evidence> {
    checkReportData(request);
    const challenge = reportDataToChallenge(request.reportData);
    const { report, registers, quote } = await this.#withTpm((tpm) => readTpm(tpm, challenge));
    const platform = reportToPlatform(report);
    if (platform === undefined) {
      throw attestationErrors.create("DeviceAnswerMalformed", "HCL report of unknown type");
    }
    const tdQuote = platform === "tdx" ? await this.#fetchTdQuote(report) : undefined;
    const fields = {
      version: 1,
      hcl_report: bytesToBase64Url(report),
      tpm_quote: {
        message: bytesToHex(quote.message),
        signature: bytesToHex(quote.signature),
        pcrs: registers.map(bytesToHex),
      },
      ...(tdQuote === undefined ? {} : { td_quote: bytesToBase64Url(tdQuote) }),
    };
    return {
      format: tdQuote === undefined ? "Azure_SNP_vTPM" : "Azure_TDX_vTPM",
      quote: utf8ToBytes(JSON.stringify(fields)),
      endorsements: new Uint8Array(0),
    };
  }

  #withTpm<Result>(step: (tpm: TpmDevice) => Promise<Result>): Promise<Result> {
    return inTurn(async () => {
      const { files, delay } = this.#ports;
      const channel = await onDevice(tpmPath, () => files.open(tpmPath));
      try {
        return await step(new TpmDevice(channel, delay));
      } finally {
        await channel.close().catch(() => undefined);
      }
    });
  }

  /** The host turns the report of the trust domain into a quote. */
  async #fetchTdQuote(report: Uint8Array): Promise<Uint8Array> {
    const area = report.subarray(hardwareOffset, hardwareOffset + tdReportSizeBytes);
    const { status, body } = await this.#ports.http({
      method: "POST",
      url: quoteUrl,
      headers: { "content-type": "application/json", metadata: "true" },
      body: utf8ToBytes(JSON.stringify({ report: bytesToBase64Url(area) })),
    });
    try {
      const { quote } = JSON.parse(bytesToUtf8(body)) as { readonly quote?: unknown };
      if (status === 200 && typeof quote === "string") return trimQuote(base64ToBytes(quote));
    } catch (cause) {
      if (!isCocoError(cause) && !(cause instanceof SyntaxError)) throw cause;
    }
    throw attestationErrors.create("HttpFailed", `${quoteUrl} gave no quote (status ${status})`);
  }
}

interface TpmParts {
  readonly report: Uint8Array;
  readonly registers: readonly Uint8Array[];
  readonly quote: TpmQuoteAnswer;
}

async function readTpm(tpm: TpmDevice, challenge: Uint8Array): Promise<TpmParts> {
  const report = await tpm.nvRead(hclReportIndex);
  const modulus = (await tpm.readPublic(attestationKeyHandle)).subarray(-modulusSizeBytes);
  if (!equalBytes(modulus, readModulus(report))) {
    throw attestationErrors.create("AttestationKeyForeign", bytesToHex(modulus).slice(0, 16));
  }
  const crypto = createNodeCrypto();
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const registers = await tpm.readRegisters();
    const quote = await tpm.quote(attestationKeyHandle, challenge);
    // A register that was extended in between would make the quote useless.
    const digest = crypto.sha256(new Uint8Array(Buffer.concat(registers)));
    if (equalBytes(quote.message.subarray(-32), digest)) return { report, registers, quote };
  }
  throw attestationErrors.create("EvidenceChanged", tpmPath, { attempts: attemptsMax });
}

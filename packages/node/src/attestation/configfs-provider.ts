/**
 * Reports of SEV-SNP and quotes of TDX from the kernel's configfs.
 * @source Linux Documentation/ABI/testing/configfs-tsm-report
 */
import { randomUUID } from "node:crypto";
import { bytesToHex, bytesToLatin1, derToPem, utf8ToBytes } from "@coco/base";
import type { Evidence, TeePlatform } from "@coco/tee";
import { readU32 } from "./byte-fields.ts";
import { isAbsence, isPassing, onDevice } from "./device-failure.ts";
import { attestationErrors } from "./errors.ts";
import {
  checkReportData,
  type EvidenceProvider,
  type EvidenceRequest,
} from "./evidence-provider.ts";
import type { AttestationPorts } from "./ports.ts";
import { trimQuote } from "./quote-length.ts";

export const configfsDirectory = "/sys/kernel/config/tsm/report";

export const snpReportSizeBytes = 1184;
const outputSizeBytesMax = 64 * 1024;
const attemptsMax = 5;
const pauseMs = 20;

const platforms: Readonly<Record<string, TeePlatform>> = { sev_guest: "snp", tdx_guest: "tdx" };

/** Identifiers of certificates in the table: VCEK, VLEK, ASK or ASVK, ARK. @source GHCB 4.1.8.1 */
const certificateOrder = [
  "63da758de6644564adc5f4b93be8accd",
  "a8074bc2a25a483eaae639c045a0b8a1",
  "4ab7b379bbac4fe4a02f05aef327c782",
  "c0b406a4a803495297433fb6014cd0ae",
];

/** PEM of the machine's certificate and its issuers; empty when the host put none there. */
export function certificateTableToPem(table: Uint8Array): string {
  const found = new Map<string, string>();
  for (let at = 0; at + 24 <= table.length; at += 24) {
    const identifier = bytesToHex(table.subarray(at, at + 16));
    if (/^0+$/.test(identifier)) break;
    const offset = readU32(table, at + 16);
    const length = readU32(table, at + 20);
    if (length > 0 && offset + length <= table.length) {
      found.set(identifier, derToPem(table.subarray(offset, offset + length)));
    }
  }
  return certificateOrder.flatMap((identifier) => found.get(identifier) ?? []).join("");
}

/** One report directory, which the kernel fills. */
interface Output {
  readonly provider: string;
  readonly report: Uint8Array;
  readonly auxiliary: Uint8Array;
}

export class ConfigfsProvider implements EvidenceProvider {
  readonly name = "configfs-tsm";
  readonly #ports: AttestationPorts;

  constructor(ports: AttestationPorts) {
    this.#ports = ports;
  }

  async detect(): Promise<TeePlatform | undefined> {
    try {
      // Without a driver behind it the directory exists, but no entry can be made.
      return platforms[await this.#inEntry((entry) => this.#readText(`${entry}/provider`))];
    } catch {
      return undefined;
    }
  }

  async collect(request: EvidenceRequest): Promise<Evidence> {
    checkReportData(request);
    const { provider, report, auxiliary } = await this.#inEntry((entry) =>
      this.#readOutput(entry, request.reportData),
    );
    const platform = platforms[provider];
    if (platform === "tdx") {
      const quote = trimQuote(report);
      return { format: "Intel_TDX_DCAP", quote, endorsements: new Uint8Array(0) };
    }
    if (platform === undefined || report.length !== snpReportSizeBytes) {
      const detail = `${provider.slice(0, 32)} gave ${report.length} bytes`;
      throw attestationErrors.create("DeviceAnswerMalformed", detail);
    }
    const endorsements = utf8ToBytes(certificateTableToPem(auxiliary));
    return { format: "AMD_SEV_SNP_v1", quote: report, endorsements };
  }

  async #inEntry<Result>(step: (entry: string) => Promise<Result>): Promise<Result> {
    const { files } = this.#ports;
    // Other processes and threads may have entries too.
    const entry = `${configfsDirectory}/coco-${randomUUID()}`;
    await onDevice(entry, () => files.makeDirectory(entry));
    try {
      return await step(entry);
    } finally {
      await files.removeDirectory(entry).catch(() => undefined);
    }
  }

  /** Writes the report data and reads what belongs to it: the generation must stand still. */
  async #readOutput(entry: string, reportData: Uint8Array): Promise<Output> {
    const { files, delay } = this.#ports;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (attempt > 0) await delay(pauseMs * 2 ** attempt);
      try {
        await files.write(`${entry}/inblob`, reportData);
        const before = await this.#readText(`${entry}/generation`);
        const report = await files.read(`${entry}/outblob`, outputSizeBytesMax);
        const auxiliary = await this.#readAuxiliary(entry);
        const provider = await this.#readText(`${entry}/provider`);
        const after = await this.#readText(`${entry}/generation`);
        if (before === after) return { provider, report, auxiliary };
      } catch (cause) {
        if (!isPassing(cause)) return onDevice(`${entry}/outblob`, () => Promise.reject(cause));
      }
    }
    throw attestationErrors.create("EvidenceChanged", configfsDirectory, { attempts: attemptsMax });
  }

  /** Some drivers have no auxiliary output, and others give an empty one. */
  async #readAuxiliary(entry: string): Promise<Uint8Array> {
    try {
      return await this.#ports.files.read(`${entry}/auxblob`, outputSizeBytesMax);
    } catch (cause) {
      if (isAbsence(cause)) return new Uint8Array(0);
      throw cause;
    }
  }

  async #readText(path: string): Promise<string> {
    return bytesToLatin1(await this.#ports.files.read(path, 256)).trim();
  }
}

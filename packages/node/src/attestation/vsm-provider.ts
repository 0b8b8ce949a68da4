/**
 * Windows VSM. A Node process runs in the normal world (VTL0): it cannot be loaded into a VBS
 * enclave, and it reaches neither the enclave calls nor the TPM base services without native code.
 * What it can do is run a helper program that hosts a signed enclave and reads the TPM. The
 * evidence is then about that enclave and about how the machine was started, not about Node.
 */
import { bytesToHex } from "@coco/base";
import type { Evidence, TeePlatform } from "@coco/tee";
import { attestationErrors } from "./errors.ts";
import {
  checkReportData,
  type EvidenceProvider,
  type EvidenceRequest,
} from "./evidence-provider.ts";
import type { AttestationPorts } from "./ports.ts";

export class WindowsVsmProvider implements EvidenceProvider {
  readonly name = "windows-vsm";
  readonly #ports: AttestationPorts;
  readonly #helper: string | undefined;

  /**
   * @param helper program that takes the report data in hex and prints JSON with vbs_report,
   *   boot_log, tpm_quote and ak_certificates
   */
  constructor(ports: AttestationPorts, helper: string | undefined) {
    this.#ports = ports;
    this.#helper = helper;
  }

  detect(): Promise<TeePlatform | undefined> {
    return Promise.resolve(this.#ports.system === "win32" ? "vsm" : undefined);
  }

  async collect(request: EvidenceRequest): Promise<Evidence> {
    checkReportData(request);
    if (this.#helper === undefined) {
      const detail = "it runs outside of every enclave and cannot call the TPM by itself";
      throw attestationErrors.create("VsmOutOfReach", detail);
    }
    const quote = await this.#runHelper(this.#helper, bytesToHex(request.reportData));
    return { format: "Microsoft_VBS", quote, endorsements: new Uint8Array(0) };
  }

  async #runHelper(helper: string, reportData: string): Promise<Uint8Array> {
    let output: Uint8Array;
    try {
      output = await this.#ports.run(helper, [reportData]);
    } catch (cause) {
      throw attestationErrors.create("VsmHelperFailed", helper, {}, cause);
    }
    if (output[0] === 0x7b) return output;
    throw attestationErrors.create("VsmHelperFailed", `${helper} printed no JSON object`);
  }
}

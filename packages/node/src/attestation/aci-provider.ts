/**
 * The sidecar of confidential container groups, over HTTP inside the group. Where there is no SNP
 * device it returns a fake report without saying so: `collectEvidence` verifies every report
 * against AMD's root before anybody else sees it.
 */
import { bytesToBase64, bytesToUtf8, equalBytes, hexToBytes, utf8ToBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import type { Evidence, TeePlatform } from "@coco/tee";
import { isZero } from "./byte-fields.ts";
import { snpReportSizeBytes } from "./configfs-provider.ts";
import { attestationErrors } from "./errors.ts";
import {
  checkReportData,
  type EvidenceProvider,
  type EvidenceRequest,
} from "./evidence-provider.ts";
import type { AttestationPorts, HttpAnswer } from "./ports.ts";

const defaultAddress = "http://localhost:8080";

export class AciSidecarProvider implements EvidenceProvider {
  readonly name = "aci-sidecar";
  readonly #ports: AttestationPorts;
  readonly #address: string;

  constructor(ports: AttestationPorts, address: string = defaultAddress) {
    this.#ports = ports;
    this.#address = address;
  }

  async detect(): Promise<TeePlatform | undefined> {
    const { environment, http } = this.#ports;
    const isContainerGroup =
      environment["UVM_SECURITY_CONTEXT_DIR"] !== undefined ||
      environment["UVM_HOST_AMD_CERTIFICATE"] !== undefined;
    if (!isContainerGroup) return undefined;
    try {
      const { status } = await http({ url: `${this.#address}/status` });
      return status === 200 ? "snp" : undefined;
    } catch {
      return undefined;
    }
  }

  async collect(request: EvidenceRequest): Promise<Evidence> {
    checkReportData(request);
    const runtimeData = checkPreimage(request);
    const answer = await this.#ports.http({
      method: "POST",
      url: `${this.#address}/attest/raw`,
      headers: { "content-type": "application/json" },
      body: utf8ToBytes(JSON.stringify({ runtime_data: bytesToBase64(runtimeData) })),
    });
    return {
      format: "AMD_SEV_SNP_v1",
      quote: readReport(answer),
      endorsements: new Uint8Array(0),
    };
  }
}

function checkPreimage({ reportData, runtimeData }: EvidenceRequest): Uint8Array {
  if (runtimeData === undefined) {
    throw attestationErrors.create("SidecarNeedsPreimage", "none was given");
  }
  const digest = createNodeCrypto().sha256(runtimeData);
  const isPreimage = equalBytes(digest, reportData.subarray(0, 32));
  if (isPreimage && isZero(reportData.subarray(32))) return runtimeData;
  throw attestationErrors.create("SidecarNeedsPreimage", "it is not the SHA-256 and zeros");
}

function readReport({ status, body }: HttpAnswer): Uint8Array {
  if (status !== 200) throw attestationErrors.create("SidecarFailed", `status ${status}`);
  try {
    const { report } = JSON.parse(bytesToUtf8(body)) as { readonly report?: unknown };
    const bytes = hexToBytes(typeof report === "string" ? report : "");
    if (bytes.length === snpReportSizeBytes) return bytes;
  } catch (cause) {
    throw attestationErrors.create("SidecarFailed", "its answer has no report in hex", {}, cause);
  }
  throw attestationErrors.create("SidecarFailed", "its report has a wrong length");
}

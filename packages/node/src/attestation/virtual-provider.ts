/** The virtual platform: evidence that proves nothing. It is never chosen by itself. */
import { createVirtualEvidence, type Evidence } from "@coco/tee";
import {
  checkReportData,
  type EvidenceProvider,
  type EvidenceRequest,
} from "./evidence-provider.ts";

export class VirtualProvider implements EvidenceProvider {
  readonly name = "virtual";
  readonly #hostData: Uint8Array | undefined;

  /** @param hostData 32 bytes: SHA-256 of the program */
  constructor(hostData?: Uint8Array) {
    this.#hostData = hostData;
  }

  detect(): Promise<"virtual"> {
    return Promise.resolve("virtual");
  }

  async collect(request: EvidenceRequest): Promise<Evidence> {
    checkReportData(request);
    const hostData = this.#hostData;
    const { reportData } = request;
    return createVirtualEvidence({ reportData, ...(hostData === undefined ? {} : { hostData }) });
  }
}

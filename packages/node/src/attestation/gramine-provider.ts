/** Quotes of SGX from the pseudo-files that Gramine gives to its process. */
import { bytesToLatin1 } from "@coco/base";
import type { Evidence, TeePlatform } from "@coco/tee";
import { onDevice } from "./device-failure.ts";
import { attestationErrors } from "./errors.ts";
import {
  checkReportData,
  createTurnstile,
  type EvidenceProvider,
  type EvidenceRequest,
} from "./evidence-provider.ts";
import type { AttestationPorts, DeviceFiles } from "./ports.ts";
import { trimQuote } from "./quote-length.ts";

export const gramineDirectory = "/dev/attestation";

const quoteSizeBytesMax = 64 * 1024;
const sealingKeySizeBytes = 16;

/** The files are one per process, and the quote is of what was written last. */
const inTurn = createTurnstile();

export class GramineProvider implements EvidenceProvider {
  readonly name = "gramine";
  readonly #files: DeviceFiles;

  constructor({ files }: Pick<AttestationPorts, "files">) {
    this.#files = files;
  }

  async detect(): Promise<TeePlatform | undefined> {
    return (await this.#files.exists(`${gramineDirectory}/attestation_type`)) ? "sgx" : undefined;
  }

  collect(request: EvidenceRequest): Promise<Evidence> {
    return inTurn(async () => {
      checkReportData(request);
      const typePath = `${gramineDirectory}/attestation_type`;
      const type = await onDevice(typePath, () => this.#files.read(typePath, 64));
      const shown = bytesToLatin1(type).replace(/[\0\s]+$/, "");
      if (shown !== "dcap") throw attestationErrors.create("GramineAttestationOff", shown);
      const inputPath = `${gramineDirectory}/user_report_data`;
      await onDevice(inputPath, () => this.#files.write(inputPath, request.reportData));
      const path = `${gramineDirectory}/quote`;
      const quote = await onDevice(path, () => this.#files.read(path, quoteSizeBytesMax));
      return {
        format: "Intel_SGX_DCAP",
        quote: trimQuote(quote),
        endorsements: new Uint8Array(0),
      };
    });
  }
}

/**
 * Reads a key that only this enclave, or only enclaves of its signer, can have. It must not be used
 * directly: derive one key per purpose from it.
 * @param name `_sgx_mrenclave`, `_sgx_mrsigner`, or a key of the manifest
 * @returns 16 bytes
 * @throws {CocoError} SealingKeyInvalid
 */
export async function readGramineKey(files: DeviceFiles, name: string): Promise<Uint8Array> {
  const isName = /^[A-Za-z0-9_-]{1,64}$/.test(name);
  if (!isName) throw attestationErrors.create("SealingKeyInvalid", "a name of other characters");
  try {
    const key = await files.read(`${gramineDirectory}/keys/${name}`, sealingKeySizeBytes);
    // A key that was never provisioned reads as zeros in some versions.
    if (key.length === sealingKeySizeBytes && key.some((byte) => byte !== 0)) return key;
  } catch (cause) {
    throw attestationErrors.create("SealingKeyInvalid", name, {}, cause);
  }
  throw attestationErrors.create("SealingKeyInvalid", `${name} is not 16 bytes`);
}

/** Endorsements that an operator put on the disk, for nodes without a way out. */
import { bytesToUtf8, type Clock, isCocoError } from "@coco/base";
import { isAbsence, onDevice } from "./device-failure.ts";
import { type EndorsementRequest, requestToName } from "./endorsement-request.ts";
import type { EndorsementSource, FoundEndorsements } from "./endorsement-source.ts";
import { attestationErrors } from "./errors.ts";
import type { DeviceFiles } from "./ports.ts";

export interface BundleSourceOptions {
  readonly directory: string;
  readonly files: DeviceFiles;
  readonly clock: Clock;
}

const fileSizeBytesMax = 256 * 1024;
const lifeMs = 10 * 60 * 1000;

/**
 * Files are named after what they endorse, in lower-case hex: `snp-<chip id>-<TCB>.pem`, with the
 * machine's certificate first, and `sgx-<FMSPC>.json` or `tdx-<FMSPC>.json`.
 */
export class BundleSource implements EndorsementSource {
  readonly name: string;
  readonly #options: BundleSourceOptions;

  constructor(options: BundleSourceOptions) {
    this.name = `bundle ${options.directory}`;
    this.#options = options;
  }

  async find(request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    const { directory, files, clock } = this.#options;
    const isSnp = request.kind === "snp";
    const path = `${directory}/${requestToName(request)}.${isSnp ? "pem" : "json"}`;
    const endorsements = await onDevice(path, () => readIfThere(files, path));
    if (endorsements === undefined) return undefined;
    if (!isSnp) checkJson(path, endorsements);
    const expiresMs = clock.nowMs() + lifeMs;
    return { endorsements, expiresMs, ...(isSnp ? { endorsedTcb: request.tcbHex } : {}) };
  }
}

async function readIfThere(files: DeviceFiles, path: string): Promise<Uint8Array | undefined> {
  try {
    return await files.read(path, fileSizeBytesMax);
  } catch (cause) {
    if (isAbsence(cause)) return undefined;
    throw cause;
  }
}

function checkJson(path: string, bytes: Uint8Array): void {
  try {
    JSON.parse(bytesToUtf8(bytes));
  } catch (cause) {
    if (!isCocoError(cause) && !(cause instanceof SyntaxError)) throw cause;
    throw attestationErrors.create("EndorsementsUnfit", `${path} is not JSON`, {}, cause);
  }
}

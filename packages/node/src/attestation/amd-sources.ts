/** Certificates of SNP machines: from the host's files, Azure's services, and AMD's key service. */
import {
  base64ToBytes,
  bytesToLatin1,
  bytesToUtf8,
  type Clock,
  derToPem,
  isCocoError,
  utf8ToBytes,
} from "@coco/base";
import { isAbsence, onDevice } from "./device-failure.ts";
import {
  type EndorsementRequest,
  requestToChipName,
  requestToSecurityVersions,
  type SnpEndorsementRequest,
  type SnpProduct,
} from "./endorsement-request.ts";
import {
  type EndorsementSource,
  type FoundEndorsements,
  fetchBytes,
} from "./endorsement-source.ts";
import { attestationErrors } from "./errors.ts";
import type { DeviceFiles, HttpExchange } from "./ports.ts";

export interface HttpSourceOptions {
  /** With scheme, without a slash at the end. */
  readonly address: string;
  readonly http: HttpExchange;
  readonly clock: Clock;
}

const dayMs = 24 * 60 * 60 * 1000;
const fileSizeBytesMax = 256 * 1024;

function unfit(detail: string, cause?: unknown): never {
  throw attestationErrors.create("EndorsementsUnfit", detail, {}, cause);
}

/**
 * Reads the JSON that Azure's hosts give: vcekCert, certificateChain, tcbm, cacheControl (seconds).
 * @throws {CocoError} EndorsementsUnfit
 */
export function hostCertificatesToEndorsements(
  text: string,
  request: SnpEndorsementRequest,
  nowMs: number,
): FoundEndorsements {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = (JSON.parse(text) ?? {}) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    return unfit("no JSON", cause);
  }
  const { vcekCert, certificateChain, tcbm, cacheControl } = fields;
  if (typeof vcekCert !== "string" || typeof certificateChain !== "string") {
    return unfit("vcekCert or certificateChain is missing");
  }
  // After an update of the firmware the host's copy can be older than the report.
  const endorsedTcb = typeof tcbm === "string" ? tcbm.toLowerCase() : "";
  if (endorsedTcb !== request.tcbHex) {
    return unfit(`they are for TCB ${endorsedTcb.slice(0, 16)}, not ${request.tcbHex}`);
  }
  const seconds = Number(cacheControl);
  const lifeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : dayMs;
  const endorsements = utf8ToBytes(`${vcekCert.trimEnd()}\n${certificateChain}`);
  return { endorsements, endorsedTcb, expiresMs: nowMs + Math.min(lifeMs, 7 * dayMs) };
}

/** What the utility VM mounts into containers of a confidential group. */
export interface SecurityContext {
  /** JSON text. */
  readonly hostCertificates?: string;
  readonly uvmEndorsements?: Uint8Array;
  /** Text whose SHA-256 is the host data. */
  readonly securityPolicy?: Uint8Array;
}

export interface SecurityContextFiles {
  readonly hostCertificates: string | undefined;
  readonly uvmEndorsements: string | undefined;
  readonly securityPolicy: string | undefined;
}

async function readBase64File(
  files: DeviceFiles,
  path: string | undefined,
): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  const text = await onDevice(path, () => files.read(path, fileSizeBytesMax));
  try {
    return base64ToBytes(bytesToLatin1(text).trim());
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    return unfit(`${path} is not base64`, cause);
  }
}

/** @throws {CocoError} DeviceFailed, EndorsementsUnfit */
export async function readSecurityContext(
  files: DeviceFiles,
  paths: SecurityContextFiles,
): Promise<SecurityContext> {
  const certificates = await readBase64File(files, paths.hostCertificates);
  const uvmEndorsements = await readBase64File(files, paths.uvmEndorsements);
  const securityPolicy = await readBase64File(files, paths.securityPolicy);
  return {
    ...(certificates === undefined ? {} : { hostCertificates: bytesToUtf8(certificates) }),
    ...(uvmEndorsements === undefined ? {} : { uvmEndorsements }),
    ...(securityPolicy === undefined ? {} : { securityPolicy }),
  };
}

/** Finds the directory: by its variable, else the first of its name in the root directory. */
export async function findSecurityContext(
  files: DeviceFiles,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<SecurityContextFiles> {
  const nothing = {
    hostCertificates: undefined,
    uvmEndorsements: undefined,
    securityPolicy: undefined,
  };
  let directory = environment["UVM_SECURITY_CONTEXT_DIR"];
  if (directory === undefined) {
    try {
      const names = (await files.list("/")).filter((name) => name.startsWith("security-context-"));
      const [name] = names.sort();
      if (name === undefined) return nothing;
      directory = `/${name}`;
    } catch (cause) {
      if (isAbsence(cause)) return nothing;
      throw attestationErrors.create("DeviceFailed", "/", {}, cause);
    }
  }
  const find = async (name: string) => {
    const path = `${directory}/${name}`;
    return (await files.exists(path)) ? path : undefined;
  };
  return {
    hostCertificates: await find("host-amd-cert-base64"),
    uvmEndorsements: await find("reference-info-base64"),
    securityPolicy: await find("security-policy-base64"),
  };
}

export class SecurityContextSource implements EndorsementSource {
  readonly name = "security context";
  readonly #context: SecurityContext;
  readonly #clock: Clock;

  constructor(context: SecurityContext, clock: Clock) {
    this.#context = context;
    this.#clock = clock;
  }

  async find(request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    const text = this.#context.hostCertificates;
    if (request.kind !== "snp" || text === undefined) return undefined;
    return hostCertificatesToEndorsements(text, request, this.#clock.nowMs());
  }
}

/** Azure's host, for the machine that asks. */
export class ThimSource implements EndorsementSource {
  readonly name: string;
  readonly #options: HttpSourceOptions;

  constructor(options: HttpSourceOptions) {
    this.name = `THIM ${options.address}`;
    this.#options = options;
  }

  async find(request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    if (request.kind !== "snp") return undefined;
    const { address, http, clock } = this.#options;
    const query = `tcbVersion=${request.tcbHex}&platformId=${request.chipId}`;
    const url = `${address}/metadata/THIM/amd/certification?${query}`;
    const { body } = await fetchBytes(http, url, { metadata: "true" });
    return hostCertificatesToEndorsements(bytesToLatin1(body), request, clock.nowMs());
  }
}

/** Azure's cache of AMD's certificates. */
export class AzureCacheSource implements EndorsementSource {
  readonly name: string;
  readonly #options: HttpSourceOptions;

  constructor(options: HttpSourceOptions) {
    this.name = `Azure ${options.address}`;
    this.#options = options;
  }

  async find(request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    if (request.kind !== "snp" || request.isVlek) return undefined;
    const { address, http, clock } = this.#options;
    const path = `/SevSnpVM/certificates/${request.chipId}/${request.tcbHex}`;
    const { body } = await fetchBytes(http, `${address}${path}?api-version=2020-10-15-preview`);
    if (!bytesToLatin1(body).includes("-----BEGIN CERTIFICATE-----")) unfit("no certificates");
    const expiresMs = clock.nowMs() + dayMs;
    return { endorsements: body, endorsedTcb: request.tcbHex, expiresMs };
  }
}

/** AMD's key service. @source AMD document 57230 */
export class AmdKdsSource implements EndorsementSource {
  readonly name: string;
  readonly #options: HttpSourceOptions;

  constructor(options: HttpSourceOptions) {
    this.name = `AMD ${options.address}`;
    this.#options = options;
  }

  async find(request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    if (request.kind !== "snp" || request.isVlek) return undefined;
    let failure: unknown;
    for (const product of request.products) {
      try {
        return await this.#fetch(request, product);
      } catch (cause) {
        if (!isCocoError(cause)) throw cause;
        failure ??= cause;
      }
    }
    throw failure;
  }

  async #fetch(request: SnpEndorsementRequest, product: SnpProduct): Promise<FoundEndorsements> {
    const { address, http, clock } = this.#options;
    const base = `${address}/vcek/v1/${product}`;
    const query = Object.entries(requestToSecurityVersions(request, product))
      .map(([name, value]) => `${name}=${String(value).padStart(2, "0")}`)
      .join("&");
    const chip = requestToChipName(request, product);
    const machine = await fetchBytes(http, `${base}/${chip}?${query}`);
    if (machine.body[0] !== 0x30) unfit("the certificate is not DER");
    const chain = await fetchBytes(http, `${base}/cert_chain`);
    const pem = `${derToPem(machine.body)}${bytesToLatin1(chain.body)}`;
    const expiresMs = clock.nowMs() + dayMs;
    return { endorsements: utf8ToBytes(pem), endorsedTcb: request.tcbHex, expiresMs };
  }
}

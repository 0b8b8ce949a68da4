/** Intel's collateral, from Intel or a cache with its interface. @source Intel PCS API v4 */
import { bytesToHex, bytesToLatin1, type Clock, utf8ToBytes } from "@coco/base";
import type { EndorsementRequest, IntelEndorsementRequest } from "./endorsement-request.ts";
import {
  type EndorsementSource,
  type FoundEndorsements,
  fetchBytes,
} from "./endorsement-source.ts";
import { attestationErrors } from "./errors.ts";
import type { HttpAnswer, HttpExchange } from "./ports.ts";

export interface IntelSourceOptions {
  /** With scheme, without a slash at the end. */
  readonly address: string;
  /** Where the revocation list of the root is; a cache has it under its own address. */
  readonly rootCrlUrl: string;
  readonly http: HttpExchange;
  readonly clock: Clock;
}

export const intelPcsAddress = "https://api.trustedservices.intel.com";
export const intelRootCrlUrl = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

function unfit(detail: string): never {
  throw attestationErrors.create("EndorsementsUnfit", detail);
}

/** The chain stands percent-encoded in a header. */
function readChain({ headers }: HttpAnswer, names: readonly string[]): string {
  const found = names.map((name) => headers.get(name)).find((text) => text !== undefined);
  try {
    return decodeURIComponent(found ?? unfit(`the header ${names[0]} is missing`));
  } catch (cause) {
    if (cause instanceof URIError) return unfit(`the header ${names[0]} is not percent-encoded`);
    throw cause;
  }
}

interface Statement {
  /** The exact bytes that were signed. */
  readonly text: string;
  readonly signature: string;
  readonly nextUpdateMs: number;
}

/** Takes signed object and signature apart without changing a byte. */
function readStatement({ body }: HttpAnswer, field: string): Statement {
  const text = bytesToLatin1(body).trim();
  const form = new RegExp(`^\\{"${field}":(\\{.*\\}),"signature":"([0-9a-fA-F]{128})"\\}$`, "s");
  const [, inner, signature] = form.exec(text) ?? [];
  const nextUpdate = /"nextUpdate":"([^"]{1,40})"/.exec(inner ?? "")?.[1] ?? "";
  const nextUpdateMs = Date.parse(nextUpdate);
  if (inner === undefined || signature === undefined || Number.isNaN(nextUpdateMs)) {
    return unfit(`${field} is no signed statement`);
  }
  return { text: inner, signature, nextUpdateMs };
}

export class IntelPcsSource implements EndorsementSource {
  readonly name: string;
  readonly #options: IntelSourceOptions;

  constructor(options: IntelSourceOptions) {
    this.name = `Intel ${options.address}`;
    this.#options = options;
  }

  async find(request: EndorsementRequest): Promise<FoundEndorsements | undefined> {
    if (request.kind !== "intel") return undefined;
    const { nextUpdateMs, ...fields } = await this.#fetch(request);
    // Short of its end, so that what is handed on can still be verified by others.
    const nowMs = this.#options.clock.nowMs();
    const expiresMs = Math.min(nextUpdateMs, nowMs + 24 * 60 * 60 * 1000);
    return { endorsements: utf8ToBytes(JSON.stringify(fields)), expiresMs };
  }

  async #fetch({ tee, fmspc, authority }: IntelEndorsementRequest) {
    const { address, http, rootCrlUrl } = this.#options;
    const base = `${address}/${tee}/certification/v4`;
    const crlUrl = `${address}/sgx/certification/v4/pckcrl?ca=${authority}&encoding=der`;
    const [tcb, identity, pckCrl, rootCrl] = await Promise.all([
      fetchBytes(http, `${base}/tcb?fmspc=${fmspc}`),
      fetchBytes(http, `${base}/qe/identity`),
      fetchBytes(http, crlUrl),
      fetchBytes(http, rootCrlUrl),
    ]);
    const tcbInfo = readStatement(tcb, "tcbInfo");
    const qeIdentity = readStatement(identity, "enclaveIdentity");
    const tcbChains = ["tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"];
    return {
      nextUpdateMs: Math.min(tcbInfo.nextUpdateMs, qeIdentity.nextUpdateMs),
      tcb_info: tcbInfo.text,
      tcb_info_signature: tcbInfo.signature,
      tcb_info_issuer_chain: readChain(tcb, tcbChains),
      qe_identity: qeIdentity.text,
      qe_identity_signature: qeIdentity.signature,
      qe_identity_issuer_chain: readChain(identity, ["sgx-enclave-identity-issuer-chain"]),
      pck_crl: readCrl(pckCrl),
      pck_crl_issuer_chain: readChain(pckCrl, ["sgx-pck-crl-issuer-chain"]),
      root_ca_crl: readCrl(rootCrl),
    };
  }
}

/** Intel serves DER; a cache serves the root's list in hex. */
function readCrl({ body }: HttpAnswer): string {
  if (body[0] === 0x30 && body[1]! >= 0x80) return bytesToHex(body);
  const text = bytesToLatin1(body).trim();
  return /^30[0-9a-fA-F]+$/.test(text) ? text : unfit("a revocation list is neither DER nor hex");
}

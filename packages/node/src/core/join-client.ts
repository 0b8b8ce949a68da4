/** The joining node's part: proves itself to the service, and waits until the members trust it. */
import { request as httpsRequest } from "node:https";
import {
  bytesToHex,
  type Crypto,
  hexToBytes,
  isCocoError,
  type Log,
  utf8ToBytes,
} from "@coco/base";
import { pemToSigningKey } from "@coco/base/node";
import { bindingToReportData, createVirtualEvidence, evidenceToQuoteInfo } from "@coco/tee";
import { nodeErrors } from "./errors.ts";
import type { ExecutorSettings, ExecutorStart } from "./executor-messages.ts";
import {
  createNodeRequest,
  createSelfSignedNodeCertificate,
  toSubjectAltNames,
} from "./identities.ts";
import { type JoinReply, type NetworkInfo, unwrapSecrets } from "./join-messages.ts";
import type { NodeSecrets } from "./node-secrets.ts";

export interface JoinClientOptions {
  readonly crypto: Crypto;
  readonly settings: ExecutorSettings;
  /** Of this node; those of the service are not among them yet. */
  readonly secrets: NodeSecrets;
  /** PEM of the service, as the operator knows it. */
  readonly serviceCertificate: string;
  /** `host:port` */
  readonly targetAddress: string;
  readonly retryTimeoutMs: number;
  readonly isRedirectFollowed: boolean;
  readonly log: Log;
  /** Ends the waiting. */
  readonly signal: AbortSignal | undefined;
}

export interface JoinedNetwork {
  readonly secrets: NodeSecrets;
  readonly start: ExecutorStart;
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

const requestTimeoutMs = 5000;
const responseSizeBytesMax = 4 * 1024 * 1024;
const redirectCountMax = 5;

/**
 * Asks until the service trusts this node.
 * @throws {CocoError} JoinRefused, JoinFailed
 */
export async function joinNetwork(options: JoinClientOptions): Promise<JoinedNetwork> {
  const { log, retryTimeoutMs, signal } = options;
  const client = new JoinClient(options);
  let lastProblem = "";
  for (;;) {
    if (signal?.aborted === true) throw nodeErrors.create("JoinFailed", "it was stopped");
    try {
      const reply = await client.ask();
      if (reply.network_info !== undefined) return client.accept(reply.network_info);
      if (lastProblem !== reply.node_status) {
        log("info", "waiting to be trusted by the service", { nodeId: reply.node_id });
      }
      lastProblem = reply.node_status;
    } catch (error) {
      if (isCocoError(error) && error.code === "JoinRefused") throw error;
      const problem = String((error as Error).message);
      if (problem !== lastProblem) log("warn", "cannot join yet", { problem });
      lastProblem = problem;
    }
    await new Promise((resolve) => setTimeout(resolve, retryTimeoutMs));
  }
}

class JoinClient {
  readonly #options: JoinClientOptions;
  readonly #certificate: string;
  readonly #request: string;
  readonly #publicKey: Uint8Array;
  #address: string;

  constructor(options: JoinClientOptions) {
    this.#options = options;
    this.#address = options.targetAddress;
    const { crypto, settings, secrets } = options;
    const key = pemToSigningKey(secrets.nodeKeyPem);
    const names = toSubjectAltNames(settings.subjectAltNames);
    const validity = { notBeforeMs: settings.startTimeMs - 60_000, validityDays: 365 };
    this.#publicKey = key.publicKey;
    this.#request = createNodeRequest(key, settings.nodeSubject, names);
    this.#certificate = createSelfSignedNodeCertificate(
      crypto,
      key,
      settings.nodeSubject,
      names,
      validity,
    );
  }

  async ask(): Promise<JoinReply> {
    const { challenge } = (await this.#call("GET", "/node/join/challenge")) as {
      challenge?: unknown;
    };
    if (typeof challenge !== "string") throw nodeErrors.create("JoinFailed", "no challenge came");
    const { settings, secrets } = this.#options;
    const reply = await this.#call("POST", "/node/join", {
      node_info_network: {
        node_to_node_interface: settings.nodeToNodeInterface,
        rpc_interfaces: settings.rpcInterfaces,
      },
      quote_info: this.#createQuote(challenge),
      public_encryption_key: secrets.nodeEncryptionPublicPem,
      certificate_signing_request: this.#request,
      ...(settings.nodeData === undefined ? {} : { node_data: settings.nodeData }),
      challenge,
    });
    return reply as unknown as JoinReply;
  }

  /** Bound to this node's key and to the challenge. */
  #createQuote(challenge: string) {
    const { crypto, settings } = this.#options;
    const binding = { publicKey: this.#publicKey, challenge: hexToBytes(challenge) };
    const reportData = bindingToReportData(crypto, binding);
    const hostData = crypto.sha256(utf8ToBytes(`coco ${settings.softwareVersion}`));
    return evidenceToQuoteInfo(createVirtualEvidence({ reportData, hostData }));
  }

  accept(info: NetworkInfo): JoinedNetwork {
    const { crypto, secrets, serviceCertificate, log } = this.#options;
    const shared = unwrapSecrets(crypto, secrets.nodeEncryptionKeyPem, info.wrapped_secrets);
    const { publicKey } = pemToSigningKey(shared.serviceKeyPem);
    const trusted = crypto.parse(serviceCertificate);
    if (bytesToHex(trusted.publicKey) !== bytesToHex(publicKey)) {
      throw nodeErrors.create("JoinRefused", "the service has another identity than configured");
    }
    log("info", "trusted by the service", { serviceStatus: info.service_status });
    return {
      secrets: { ...secrets, ...shared },
      start: {
        kind: "join",
        serviceCertificate: info.service_certificate,
        nodeCertificate: info.endorsed_certificate,
        serviceSubject: info.service_subject,
        coseIssuer: info.cose_signatures_config,
        createSeqno: info.create_seqno,
      },
    };
  }

  /** @throws {CocoError} JoinRefused when asking again is of no use, JoinFailed */
  async #call(method: string, path: string, body?: object): Promise<Answer["body"]> {
    for (let count = 0; count <= redirectCountMax; count++) {
      const answer = await this.#send(method, path, body);
      if (answer.status < 300) return answer.body;
      const error = answer.body["error"] as { code?: string; message?: string } | undefined;
      const detail = `${answer.status} ${error?.code ?? ""}: ${error?.message ?? ""}`;
      if (answer.status === 308 && answer.location !== undefined) {
        if (!this.#options.isRedirectFollowed) throw nodeErrors.create("JoinRefused", detail);
        this.#address = new URL(answer.location).host;
        continue;
      }
      if (answer.status >= 400 && answer.status < 500 && method === "POST") {
        throw nodeErrors.create("JoinRefused", detail);
      }
      // Who answers next time may know the primary.
      this.#address = this.#options.targetAddress;
      throw nodeErrors.create("JoinFailed", detail);
    }
    throw nodeErrors.create("JoinFailed", "it was sent from node to node");
  }

  #send(method: string, path: string, body: object | undefined): Promise<Answer> {
    const { serviceCertificate, secrets } = this.#options;
    return new Promise((resolve, reject) => {
      const call = httpsRequest(
        `https://${this.#address}${path}`,
        {
          method,
          ca: serviceCertificate,
          cert: this.#certificate,
          key: secrets.nodeKeyPem,
          // Any node that the service endorsed will do, whatever it is called.
          checkServerIdentity: () => undefined,
          timeout: requestTimeoutMs,
          agent: false,
          ...(body && { headers: { "content-type": "application/json" } }),
        },
        (response) => {
          const parts: Buffer[] = [];
          let sizeBytes = 0;
          response.on("data", (part: Buffer) => {
            parts.push(part);
            sizeBytes += part.length;
            if (sizeBytes > responseSizeBytesMax) call.destroy(new Error("the answer is too long"));
          });
          response.on("error", reject);
          response.on("end", () => {
            const { statusCode = 0, headers } = response;
            const text = Buffer.concat(parts).toString("utf8");
            resolve({ status: statusCode, location: headers.location, body: parseBody(text) });
          });
        },
      );
      call.on("timeout", () => call.destroy(new Error("no answer in time")));
      call.on("error", reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

function parseBody(text: string): Answer["body"] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Answer["body"]) : {};
  } catch {
    return {};
  }
}

/** Takes nodes into the service: `POST /node/join`. */
import {
  bytesToHex,
  bytesToUtf8,
  hexToBytes,
  isCocoError,
  type Log,
  parseCertificateRequest,
} from "@coco/base";
import { governanceTables, type NodeInfo } from "@coco/governance";
import type { AppRequest, AppResponse } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import {
  type AppraisalPolicy,
  allVerifiers,
  quoteInfoToEvidence,
  tablesToPolicy,
  verificationToError,
  verifyAndAppraise,
} from "@coco/tee";
import { errorAnswer, jsonAnswer } from "../api/answers.ts";
import { publishedAddress } from "../api/network-endpoints.ts";
import type { ConsensusPort } from "../api/ports.ts";
import { endorseNode, keyToId } from "./identities.ts";
import { type JoinReply, wrapSecrets } from "./join-messages.ts";
import { toHeldSecrets } from "./node-secrets.ts";
import type { ServiceState } from "./service-state.ts";

export interface JoinServiceOptions {
  readonly state: ServiceState;
  readonly consensus: ConsensusPort;
  /** PKCS#8 PEM. */
  readonly serviceKeyPem: string;
  readonly nodeValidityDays: number;
  /** PEM, as renewed last. */
  readonly serviceCertificate: () => string;
  /** Whether this node knows the whole ledger, private part included. */
  readonly isPartOfNetwork: () => boolean;
  readonly startupSeqno: () => number;
  readonly nowMs: () => number;
  readonly log: Log;
}

interface JoinRequest {
  readonly node_info_network: Pick<NodeInfo, "rpc_interfaces" | "node_to_node_interface">;
  readonly quote_info: NodeInfo["quote_info"];
  readonly public_encryption_key: string;
  readonly certificate_signing_request?: string;
  readonly startup_seqno?: number;
  readonly node_data?: unknown;
  /** Hex: of GET /node/join/challenge. */
  readonly challenge?: string;
}

interface Joiner {
  readonly nodeId: string;
  /** DER. */
  readonly publicKey: Uint8Array;
  readonly publicKeyPem: string;
}

const { nodeInfo, nodeEndorsedCertificates, serviceInfo } = governanceTables;
const requiredFields = ["node_info_network", "quote_info", "public_encryption_key"] as const;
const challengeLifeMs = 60_000;
const challengeCountMax = 1000;
const challengeSizeBytes = 32;

export class JoinService {
  readonly #options: JoinServiceOptions;
  /** Challenges that were given out and not used, with the end of their life; oldest first. */
  readonly #challenges = new Map<string, number>();

  constructor(options: JoinServiceOptions) {
    this.#options = options;
  }

  /** A fresh challenge; it can be used once, at this node. */
  answerChallenge(transaction: Transaction): AppResponse {
    const elsewhere = this.#redirect(transaction, "/node/join/challenge");
    if (elsewhere !== undefined) return elsewhere;
    const nowMs = this.#options.nowMs();
    for (const [challenge, endMs] of this.#challenges) {
      if (endMs > nowMs && this.#challenges.size < challengeCountMax) break;
      this.#challenges.delete(challenge);
    }
    const challenge = bytesToHex(this.#options.state.crypto.bytes(challengeSizeBytes));
    this.#challenges.set(challenge, nowMs + challengeLifeMs);
    return jsonAnswer({ challenge });
  }

  answerJoin(transaction: Transaction, request: AppRequest): AppResponse {
    const body = parseRequest(request.body);
    if (!isJoinRequest(body)) return body;
    const { isPartOfNetwork, startupSeqno } = this.#options;
    const service = serviceInfo.get(transaction);
    if (!isPartOfNetwork() || service === undefined) {
      const message = "Target node should be part of network to accept new nodes.";
      return errorAnswer(500, "InternalError", message);
    }
    const since = startupSeqno();
    if (body.startup_seqno !== undefined && body.startup_seqno < since) {
      const message =
        `Node requested to join from seqno ${body.startup_seqno} which is older than this node ` +
        `startup seqno ${since}. A snapshot at least as recent as ${since} must be used instead.`;
      return errorAnswer(400, "StartupSeqnoIsOld", message);
    }
    const joiner = this.#identify(request);
    if (joiner === undefined) {
      const message = "A joining node shows its certificate in the TLS handshake.";
      return errorAnswer(401, "InvalidAuthenticationInfo", message);
    }
    const known = nodeInfo.of(transaction).get(joiner.nodeId);
    if (known !== undefined) return this.#answerKnown(transaction, joiner, known);
    const elsewhere = this.#redirect(transaction, "/node/join");
    if (elsewhere !== undefined) return elsewhere;
    return this.#add(transaction, joiner, body, service.status === "Open" ? "Pending" : "Trusted");
  }

  #identify({ session }: AppRequest): Joiner | undefined {
    if (session.certificate === undefined) return undefined;
    const { crypto } = this.#options.state;
    try {
      const { publicKey } = crypto.parse(session.certificate.der);
      const nodeId = keyToId(crypto, publicKey);
      return { nodeId, publicKey, publicKeyPem: derToPem(publicKey) };
    } catch (error) {
      if (isCocoError(error)) return undefined;
      throw error;
    }
  }

  /**
   * Secrets go only to a trusted node, and to the key that its evidence came with. The transaction
   * that trusts it may still wait: a network of two commits it only with that node's help.
   */
  #answerKnown(transaction: Transaction, { nodeId }: Joiner, info: NodeInfo): AppResponse {
    if (info.status === "Retired") {
      const message = `Joining node is not in expected state (${info.status}).`;
      return errorAnswer(400, "InvalidNodeState", message);
    }
    const { state, serviceKeyPem, log } = this.#options;
    const certificate = nodeEndorsedCertificates.of(transaction).get(nodeId);
    if (info.status === "Pending" || certificate === undefined) {
      return reply({ node_id: nodeId, node_status: "Pending" });
    }
    const service = serviceInfo.get(transaction)!;
    const { crypto, secrets, names, createSeqno } = state;
    log("info", "secrets of the service sent to a trusted node", { nodeId });
    return reply({
      node_id: nodeId,
      node_status: "Trusted",
      network_info: {
        public_only: false,
        last_recovered_signed_idx: 0,
        service_status: service.status,
        service_certificate: service.cert,
        endorsed_certificate: certificate,
        service_subject: names.serviceSubject,
        cose_signatures_config: names.coseIssuer,
        create_seqno: createSeqno,
        wrapped_secrets: wrapSecrets(crypto, info.encryption_pub_key, {
          serviceKeyPem,
          ledgerSecrets: toHeldSecrets(secrets),
        }),
      },
    });
  }

  #add(
    transaction: Transaction,
    joiner: Joiner,
    body: JoinRequest,
    status: "Pending" | "Trusted",
  ): AppResponse {
    const { log } = this.#options;
    const { nodeId } = joiner;
    const address = nodeAddress(body.node_info_network);
    for (const [id, info] of nodeInfo.of(transaction).entries()) {
      if (info.status === "Retired" || nodeAddress(info) !== address) continue;
      const message = `A node with the same node address ${address} already exists (${id}).`;
      return errorAnswer(400, "NodeAlreadyExists", message);
    }
    const problem = this.#appraise(transaction, joiner, body);
    if (problem !== undefined) {
      log("warn", "joining node refused", { nodeId, reason: problem });
      return errorAnswer(401, "InvalidQuote", problem);
    }
    const request = body.certificate_signing_request;
    if (request === undefined || !this.#isOwnRequest(request, joiner)) {
      const message = "The certificate signing request is not of the key of the joining node.";
      return errorAnswer(400, "CSRPublicKeyInvalid", message);
    }
    const { state } = this.#options;
    nodeInfo.of(transaction).set(nodeId, {
      certificate_signing_request: request,
      encryption_pub_key: body.public_encryption_key,
      ...(status === "Trusted" && { ledger_secret_seqno: state.secrets.latest()?.version ?? 0 }),
      ...(body.node_data !== undefined && { node_data: body.node_data }),
      node_to_node_interface: body.node_info_network.node_to_node_interface,
      public_key: joiner.publicKeyPem,
      quote_info: body.quote_info,
      rpc_interfaces: body.node_info_network.rpc_interfaces,
      status,
    });
    if (status === "Trusted") {
      nodeEndorsedCertificates.of(transaction).set(nodeId, this.#endorse(request));
    }
    log("info", "node added", { nodeId, status });
    return reply({ node_id: nodeId, node_status: "Pending" });
  }

  /** @returns why the evidence does not suffice */
  #appraise(
    transaction: Transaction,
    { publicKey }: Joiner,
    { challenge = "", quote_info }: JoinRequest,
  ): string | undefined {
    const { state, nowMs } = this.#options;
    const endMs = this.#challenges.get(challenge);
    this.#challenges.delete(challenge);
    if (endMs === undefined || endMs < nowMs()) {
      return "The evidence does not answer a fresh challenge of this node.";
    }
    try {
      const result = verifyAndAppraise(
        allVerifiers,
        { evidence: quoteInfoToEvidence(quote_info), nowMs: nowMs(), crypto: state.crypto },
        readPolicy(transaction),
        { publicKey, challenge: hexToBytes(challenge) },
      );
      return result.ok ? undefined : verificationToError(result).message;
    } catch (error) {
      if (isCocoError(error)) return error.message;
      throw error;
    }
  }

  #isOwnRequest(request: string, { publicKey }: Joiner): boolean {
    try {
      const parsed = parseCertificateRequest(request, this.#options.state.crypto);
      return bytesToHex(parsed.publicKey) === bytesToHex(publicKey);
    } catch (error) {
      if (isCocoError(error)) return false;
      throw error;
    }
  }

  #endorse(request: string): string {
    const { state, serviceCertificate, nowMs, nodeValidityDays } = this.#options;
    const service = { key: state.serviceKey, certificate: serviceCertificate() };
    // A minute back, for clients whose clocks are late.
    const validity = { notBeforeMs: nowMs() - 60_000, validityDays: nodeValidityDays };
    return endorseNode(state.crypto, request, service, validity);
  }

  #redirect(transaction: Transaction, path: string): AppResponse | undefined {
    const { consensus } = this.#options;
    if (consensus.isPrimary) return undefined;
    const { primaryId } = consensus;
    const address = primaryId === undefined ? undefined : publishedAddress(transaction, primaryId);
    if (address === undefined) return errorAnswer(500, "InternalError", "Primary unknown");
    const message = "Node is not primary; cannot handle write";
    return errorAnswer(308, "NodeCannotHandleRequest", message, {
      location: `https://${address}${path}`,
    });
  }
}

function reply(value: JoinReply): AppResponse {
  return jsonAnswer(value);
}

function nodeAddress(info: Pick<NodeInfo, "node_to_node_interface">): string {
  const { published_address, bind_address } = info.node_to_node_interface;
  return published_address ?? bind_address;
}

function derToPem(publicKey: Uint8Array): string {
  const lines =
    Buffer.from(publicKey)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
}

function isJoinRequest(value: JoinRequest | AppResponse): value is JoinRequest {
  return !("headers" in value && "status" in value);
}

/** @returns the request, or the answer that says what is wrong with it */
function parseRequest(bytes: Uint8Array): JoinRequest | AppResponse {
  const body = parseObject(bytes);
  if (body === undefined) return errorAnswer(400, "InvalidInput", "At #/: expected an object");
  for (const field of requiredFields) {
    if (field in body) continue;
    const message = `At #/: Missing required field '${field}' in object: ${JSON.stringify(body)}`;
    return errorAnswer(400, "InvalidInput", message);
  }
  const problem = findProblem(body);
  if (problem !== undefined) return errorAnswer(400, "InvalidInput", problem);
  const { node_info_network, quote_info, public_encryption_key } = body;
  const optional = ["certificate_signing_request", "startup_seqno", "node_data", "challenge"];
  const given = optional.filter((name) => body[name] !== undefined && body[name] !== null);
  // Only known fields: what is unknown must not reach the ledger.
  return {
    node_info_network,
    quote_info,
    public_encryption_key,
    ...Object.fromEntries(given.map((name) => [name, body[name]])),
  } as JoinRequest;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytesToUtf8(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const addressPattern = /^[^\s/]{1,255}:\d{1,5}$/;

function isInterface(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { bind_address, published_address } = value;
  return [bind_address, published_address ?? bind_address].every(
    (address) => typeof address === "string" && addressPattern.test(address),
  );
}

function findProblem(body: Record<string, unknown>): string | undefined {
  const network = body["node_info_network"];
  if (!isObject(network)) return "At #/node_info_network: expected an object";
  if (!isInterface(network["node_to_node_interface"])) {
    return "At #/node_info_network/node_to_node_interface: expected addresses";
  }
  const rpc = network["rpc_interfaces"];
  if (!isObject(rpc) || !Object.values(rpc).every(isInterface)) {
    return "At #/node_info_network/rpc_interfaces: expected interfaces with addresses";
  }
  const key = body["public_encryption_key"];
  if (typeof key !== "string" || !key.includes("BEGIN PUBLIC KEY")) {
    return "At #/public_encryption_key: expected PEM";
  }
  for (const name of ["certificate_signing_request", "challenge"]) {
    const value = body[name] ?? "";
    if (typeof value !== "string") return `At #/${name}: expected text`;
  }
  const startup = body["startup_seqno"] ?? 0;
  if (!Number.isSafeInteger(startup)) return "At #/startup_seqno: expected a whole number";
  return undefined;
}

/** What the members approved, from the tables that CCF has for it. */
function readPolicy(transaction: Transaction): AppraisalPolicy {
  const keys = (table: {
    of(tx: Transaction): { entries(): Iterable<readonly [string, unknown]> };
  }) => [...table.of(transaction).entries()].map(([key]) => key);
  const endorsements = [...governanceTables.snpUvmEndorsements.of(transaction).entries()];
  const minima = [...governanceTables.snpTcbVersions.of(transaction).entries()];
  return tablesToPolicy({
    virtualMeasurements: keys(governanceTables.virtualMeasurements),
    virtualHostData: keys(governanceTables.virtualHostData),
    snpMeasurements: keys(governanceTables.snpMeasurements),
    snpHostData: keys(governanceTables.snpHostData),
    snpUvmEndorsements: endorsements.flatMap(([did, feeds]) =>
      Object.entries(feeds).map(([feed, { svn }]) => ({ did, feed, svn: Number(svn) })),
    ),
    snpMinimumTcb: minima.map(([cpu, { hexstring = "", ...components }]) => [
      cpu,
      { components: components as Record<string, number>, hex: hexstring },
    ]),
    sgxMeasurements: keys(governanceTables.nodeCodeIds),
  });
}

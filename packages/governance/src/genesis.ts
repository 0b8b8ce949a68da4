/** The first transaction of a service, and of a recovered one: `POST /node/create` of CCF. */
import type { Certificates, Hash } from "@coco/base";
import type { Transaction } from "@coco/store";
import { governanceErrors } from "./errors.ts";
import { addMember, type NewMember } from "./members.ts";
import type {
  NodeInfo,
  ServiceConfiguration,
  ServiceInfo,
  UvmEndorsements,
} from "./table-values.ts";
import { governanceTables, internalTables } from "./tables.ts";

/** What the members of a new service agree on; absent when a service is recovered. */
export interface GenesisInfo {
  readonly members: readonly NewMember[];
  readonly constitution: string;
  readonly configuration: ServiceConfiguration;
}

/** The code of the first node, which the service trusts from the start. */
export type TrustedPlatform =
  | {
      readonly format: "Insecure_Virtual";
      readonly measurement: string;
      /** Hex. */
      readonly hostData: string;
    }
  | {
      readonly format: "AMD_SEV_SNP_v1";
      /** Hex; absent when endorsements of the utility VM stand for it. */
      readonly measurement?: string;
      /** Hex. */
      readonly hostData: string;
      /** Text of the policy whose digest is the host data; empty when not given. */
      readonly securityPolicy: string;
      readonly uvmEndorsements?: { readonly did: string; readonly feeds: UvmEndorsements };
      readonly minimumTcb?: { readonly cpuid: string; readonly policy: object };
    }
  | { readonly format: "OE_SGX_v1" /** Hex. */; readonly measurement: string };

export interface GenesisRequest {
  readonly nodeId: string;
  readonly nodeInfo: NodeInfo;
  /** PEM. */
  readonly nodeCertificate: string;
  /** PEM. */
  readonly serviceCertificate: string;
  readonly serviceData?: unknown;
  /** `view.seqno` of this very transaction. */
  readonly createTxId: string;
  readonly platform: TrustedPlatform;
  readonly genesis?: GenesisInfo;
  /** `view.seqno` where the ledger first names the previous service: the oldest rows do not say. */
  readonly previousCreateTxId?: string;
}

function seqnoOf(txId: string): number {
  return Number(txId.slice(txId.indexOf(".") + 1));
}

/** Keeps what the new service has to know of the one before the disaster. */
function rememberPreviousService(transaction: Transaction, previous: ServiceInfo): void {
  governanceTables.previousServiceIdentity.set(transaction, previous.cert);
  const signature = internalTables.signatures.get(transaction);
  if (signature === undefined) {
    throw governanceErrors.create("BadServiceState", "the previous service signed nothing");
  }
  internalTables.previousServiceLastSignedRoot.set(transaction, signature.root);
}

function createService(transaction: Transaction, request: GenesisRequest): void {
  const previous = governanceTables.serviceInfo.get(transaction);
  const previousCreateTxId = previous?.current_service_create_txid ?? request.previousCreateTxId;
  if (previous?.cert === request.serviceCertificate) throw governanceErrors.create("ServiceExists");
  if (previous !== undefined) {
    if (request.genesis !== undefined) throw governanceErrors.create("ServiceExists");
    if (previousCreateTxId === undefined) {
      throw governanceErrors.create("BadServiceState", "the previous service has no create txid");
    }
    rememberPreviousService(transaction, previous);
  }
  const { serviceData } = request;
  governanceTables.serviceInfo.set(transaction, {
    cert: request.serviceCertificate,
    current_service_create_txid: request.createTxId,
    ...(previous === undefined || previousCreateTxId === undefined
      ? {}
      : { previous_service_identity_version: seqnoOf(previousCreateTxId) }),
    recovery_count: previous === undefined ? 0 : (previous.recovery_count ?? 0) + 1,
    ...(serviceData === undefined || serviceData === null ? {} : { service_data: serviceData }),
    status: request.genesis === undefined ? "Recovering" : "Opening",
  });
}

/** Nodes of the previous service are gone: their rows say so. */
function retireNodes(transaction: Transaction): void {
  const nodes = governanceTables.nodeInfo.of(transaction);
  for (const [nodeId, info] of nodes.entries()) {
    if (info.status === "Retired") continue;
    nodes.set(nodeId, { ...info, status: "Retired" });
  }
}

function trustPlatform(transaction: Transaction, platform: TrustedPlatform): void {
  const allowed = "AllowedToJoin";
  if (platform.format === "OE_SGX_v1") {
    governanceTables.nodeCodeIds.of(transaction).set(platform.measurement, allowed);
    return;
  }
  if (platform.format === "Insecure_Virtual") {
    governanceTables.virtualMeasurements.of(transaction).set(platform.measurement, allowed);
    governanceTables.virtualHostData.of(transaction).set(platform.hostData, true);
    return;
  }
  const { measurement, uvmEndorsements, minimumTcb } = platform;
  if (measurement !== undefined) {
    governanceTables.snpMeasurements.of(transaction).set(measurement, allowed);
  }
  governanceTables.snpHostData.of(transaction).set(platform.hostData, platform.securityPolicy);
  if (uvmEndorsements !== undefined) {
    const { did, feeds } = uvmEndorsements;
    governanceTables.snpUvmEndorsements.of(transaction).set(did, feeds);
  }
  if (minimumTcb !== undefined) {
    governanceTables.snpTcbVersions.of(transaction).set(minimumTcb.cpuid, minimumTcb.policy);
  }
}

/**
 * Writes the first transaction: service, members, constitution, configuration and this node.
 * Without `genesis` it continues a recovered service, whose members and rules stay.
 * @returns the ids of the members
 * @throws {CocoError} ServiceExists, BadServiceState, BadMember, BadCertificate
 */
export function createGenesis(
  transaction: Transaction,
  crypto: Hash & Certificates,
  request: GenesisRequest,
): readonly string[] {
  createService(transaction, request);
  retireNodes(transaction);
  const { genesis } = request;
  const memberIds = genesis?.members.map((member) => addMember(transaction, crypto, member)) ?? [];
  if (genesis !== undefined) {
    governanceTables.serviceConfiguration.set(transaction, genesis.configuration);
    governanceTables.constitution.set(transaction, genesis.constitution);
  }
  const { nodeId } = request;
  governanceTables.nodeEndorsedCertificates.of(transaction).set(nodeId, request.nodeCertificate);
  governanceTables.nodeInfo.of(transaction).set(nodeId, { ...request.nodeInfo, status: "Trusted" });
  trustPlatform(transaction, request.platform);
  return memberIds;
}

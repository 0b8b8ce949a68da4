/** `/gov/service`: what anyone may read about the service, its members, users and nodes. */
import { base64ToBytes, bytesToBase64, bytesToUtf8, hexToBytes } from "@coco/base";
import type { Outcome } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { parseJsonObject } from "../canonical-json.ts";
import { effectiveRecoveryRole } from "../members.ts";
import { windowSizeDefault } from "../recent-proposals.ts";
import type {
  MemberInfo,
  NodeInfo,
  QuoteInfo,
  ServiceConfiguration,
  ServiceInfo,
} from "../table-values.ts";
import { governanceTables } from "../tables.ts";
import { checkHexId } from "./request-checks.ts";
import { errorOutcome, jsonOutcome, scriptOutcome } from "./responses.ts";
import type { Call, Route } from "./route.ts";

const validityDaysDefault = 365;

function getConstitution(call: Call): Outcome {
  const constitution = governanceTables.constitution.get(call.transaction);
  return constitution === undefined
    ? errorOutcome(404, "ResourceNotFound", "Constitution not found")
    : scriptOutcome(constitution);
}

function describeConfiguration(configuration: ServiceConfiguration): Record<string, unknown> {
  return {
    maximumNodeCertificateValidityDays:
      configuration.maximum_node_certificate_validity_days ?? validityDaysDefault,
    maximumServiceCertificateValidityDays:
      configuration.maximum_service_certificate_validity_days ?? validityDaysDefault,
    recentCoseProposalsWindowSize:
      configuration.recent_cose_proposals_window_size ?? windowSizeDefault,
    recoveryThreshold: configuration.recovery_threshold,
  };
}

function previousCreation(call: Call, service: ServiceInfo): string | undefined {
  const seqno = service.previous_service_identity_version;
  if (seqno === undefined) return undefined;
  return `${call.context.consensus.viewOf(seqno) ?? 0}.${seqno}`;
}

function getInfo(call: Call): Outcome {
  const service = governanceTables.serviceInfo.get(call.transaction);
  if (service === undefined) {
    return errorOutcome(404, "ResourceNotFound", "Service info not yet available");
  }
  const configuration = governanceTables.serviceConfiguration.get(call.transaction);
  return jsonOutcome({
    certificate: service.cert,
    configuration: configuration === undefined ? undefined : describeConfiguration(configuration),
    creationTransactionId: service.current_service_create_txid,
    previousServiceCreationTransactionId: previousCreation(call, service),
    recoveryCount: service.recovery_count ?? 0,
    serviceData: service.service_data ?? null,
    status: service.status,
  });
}

function describeMember(
  transaction: Transaction,
  memberId: string,
  info: MemberInfo,
): Record<string, unknown> {
  const publicEncryptionKey = governanceTables.memberEncryptionKeys.of(transaction).get(memberId);
  return {
    certificate: governanceTables.memberCerts.of(transaction).get(memberId),
    memberData: info.member_data ?? null,
    memberId,
    publicEncryptionKey,
    recoveryRole: effectiveRecoveryRole(info, publicEncryptionKey !== undefined),
    status: info.status,
  };
}

function listMembers(call: Call): Outcome {
  const { transaction } = call;
  const members = governanceTables.memberInfo.of(transaction).entries();
  return jsonOutcome({ value: members.map(([id, info]) => describeMember(transaction, id, info)) });
}

function getMember(call: Call): Outcome {
  const memberId = checkHexId(call, "memberId", "member");
  if (memberId.kind === "refused") return memberId.outcome;
  const info = governanceTables.memberInfo.of(call.transaction).get(memberId.value);
  return info === undefined
    ? errorOutcome(404, "ResourceNotFound", `Member m[${memberId.value}] does not exist.`)
    : jsonOutcome(describeMember(call.transaction, memberId.value, info));
}

function describeUser(
  transaction: Transaction,
  userId: string,
  certificate: string,
): Record<string, unknown> {
  const userData = governanceTables.userInfo.of(transaction).get(userId) ?? null;
  return { certificate, userData, userId };
}

function listUsers(call: Call): Outcome {
  const { transaction } = call;
  const users = governanceTables.userCerts.of(transaction).entries();
  return jsonOutcome({ value: users.map(([id, cert]) => describeUser(transaction, id, cert)) });
}

function getUser(call: Call): Outcome {
  const userId = checkHexId(call, "userId", "user");
  if (userId.kind === "refused") return userId.outcome;
  const certificate = governanceTables.userCerts.of(call.transaction).get(userId.value);
  return certificate === undefined
    ? errorOutcome(404, "ResourceNotFound", `User u[${userId.value}] does not exist.`)
    : jsonOutcome(describeUser(call.transaction, userId.value, certificate));
}

function describeVirtualQuote(quote: string): Record<string, unknown> {
  const details = parseJsonObject(bytesToUtf8(base64ToBytes(quote))) ?? {};
  return {
    details: {
      hostData: details["host_data"] ?? null,
      measurement: details["measurement"] ?? null,
      reportData: details["report_data"] ?? null,
    },
    format: "Insecure_Virtual",
    rawQuote: quote,
  };
}

function describeQuote(quote: QuoteInfo): Record<string, unknown> {
  if (quote.format === "Insecure_Virtual") return describeVirtualQuote(quote.quote);
  if (quote.format === "AMD_SEV_SNP_v1") {
    const tcb = quote.endorsed_tcb;
    return {
      endorsedTcb: tcb === undefined ? undefined : bytesToBase64(hexToBytes(tcb)),
      format: quote.format,
      uvmEndorsements: quote.uvm_endorsements,
    };
  }
  return { endorsements: quote.endorsements, format: quote.format, quote: quote.quote };
}

function describeNode(
  transaction: Transaction,
  nodeId: string,
  info: NodeInfo,
): Record<string, unknown> {
  const interfaces = Object.entries(info.rpc_interfaces).map(([name, details]) => [
    name,
    {
      protocol: details.app_protocol,
      publishedAddress: details.published_address ?? details.bind_address,
    },
  ]);
  return {
    certificate: governanceTables.nodeEndorsedCertificates.of(transaction).get(nodeId),
    nodeData: info.node_data ?? null,
    nodeId,
    quoteInfo: describeQuote(info.quote_info),
    retiredCommitted: info.retired_committed ?? false,
    rpcInterfaces: Object.fromEntries(interfaces),
    status: info.status,
  };
}

function listNodes(call: Call): Outcome {
  const { transaction } = call;
  const nodes = governanceTables.nodeInfo.of(transaction).entries();
  return jsonOutcome({ value: nodes.map(([id, info]) => describeNode(transaction, id, info)) });
}

function getNode(call: Call): Outcome {
  const nodeId = checkHexId(call, "nodeId", "node");
  if (nodeId.kind === "refused") return nodeId.outcome;
  const info = governanceTables.nodeInfo.of(call.transaction).get(nodeId.value);
  return info === undefined
    ? errorOutcome(404, "ResourceNotFound", `Node n[${nodeId.value}] does not exist.`)
    : jsonOutcome(describeNode(call.transaction, nodeId.value, info));
}

export const serviceRoutes: readonly Route[] = [
  { method: "GET", path: "/service/constitution", handle: getConstitution },
  { method: "GET", path: "/service/info", handle: getInfo },
  { method: "GET", path: "/service/members", handle: listMembers },
  { method: "GET", path: "/service/members/{memberId}", handle: getMember },
  { method: "GET", path: "/service/users", handle: listUsers },
  { method: "GET", path: "/service/users/{userId}", handle: getUser },
  { method: "GET", path: "/service/nodes", handle: listNodes },
  { method: "GET", path: "/service/nodes/{nodeId}", handle: getNode },
];

/** Endpoints about the network: service, nodes, consensus, attestation. */
import { governanceTables, type NodeInfo, type NodeStatus, type QuoteInfo } from "@coco/governance";
import type { AppRequest, AppResponse } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { emptyAnswer, errorAnswer, jsonAnswer } from "./answers.ts";
import type { NodeApiPorts } from "./ports.ts";
import { parseQuery } from "./query-parameters.ts";
import type { StaticEndpoint } from "./static-endpoints.ts";

const nodeStatuses: readonly string[] = ["Pending", "Trusted", "Retired"] satisfies NodeStatus[];
const { nodeInfo, nodeEndorsedCertificates, serviceInfo } = governanceTables;

export function createNetworkEndpoints(ports: NodeApiPorts): readonly StaticEndpoint[] {
  const { consensus, node } = ports;
  const get = (path: string, handler: StaticEndpoint["handler"], responseSchema?: string) => ({
    method: "GET",
    path,
    handler,
    ...(responseSchema !== undefined && { responseSchema }),
  });
  const optional = (name: string) => ({ name, schema: "string", isRequired: false });
  const attestations = (transaction: Transaction) => listAttestations(transaction);
  return [
    get("/network", (transaction) => answerNetwork(ports, transaction), "GetNetworkInfo__Out"),
    {
      ...get("/network/nodes", (tx, request) => answerNodes(ports, tx, request), "GetNodes__Out"),
      parameters: [optional("host"), optional("port"), optional("status")],
    },
    get("/network/nodes/self", (tx) => answerSelf(ports, tx), "GetNode__NodeInfo"),
    get("/network/nodes/primary", (tx) => answerPrimaryNode(ports, tx), "GetNode__NodeInfo"),
    get("/network/removable_nodes", (tx) => answerRemovable(ports, tx), "GetNodes__Out"),
    get(
      "/network/nodes/{node_id}",
      (tx, _, { params }) =>
        describeNode(ports, tx, params["node_id"]!) ?? notFound("Node not found"),
      "GetNode__NodeInfo",
    ),
    {
      method: "DELETE",
      path: "/network/nodes/{node_id}",
      mode: "readwrite",
      handler: (tx, _, { params }) => deleteNode(ports, tx, params["node_id"]!),
      responseSchema: "boolean",
    },
    get("/service/configuration", answerConfiguration, "ServiceConfiguration"),
    get("/service/previous_identity", answerPreviousIdentity, "GetServicePreviousIdentity__Out"),
    get(
      "/attestations",
      (tx) => jsonAnswer({ attestations: attestations(tx) }),
      "GetAttestations__Out",
    ),
    get("/attestations/self", (tx) => answerOwnAttestation(node.nodeId, tx), "Attestation"),
    get("/quotes", (tx) => jsonAnswer({ quotes: attestations(tx) }), "GetQuotes__Out"),
    get("/quotes/self", (tx) => answerOwnAttestation(node.nodeId, tx), "Quote"),
    { ...get("/primary", () => answerIsPrimary(ports)), isStoreFree: true },
    {
      ...get("/primary", (tx) => answerWhereIsPrimary(ports, tx)),
      method: "HEAD",
      isStoreFree: true,
    },
    {
      ...get("/backup", () =>
        consensus.isPrimary ? notFound("Node is not backup") : emptyAnswer(200),
      ),
      isStoreFree: true,
    },
    {
      ...get("/consensus", () => jsonAnswer({ details: consensus.details() })),
      responseSchema: "ConsensusConfigDetails",
      isStoreFree: true,
    },
    {
      ...get("/config", () => jsonAnswer(latestConfiguration(ports))),
      responseSchema: "string_to_ConsensusNodeConfig",
      isStoreFree: true,
    },
  ];
}

function notFound(message: string): AppResponse {
  return errorAnswer(404, "ResourceNotFound", message);
}

function answerNetwork({ consensus }: NodeApiPorts, transaction: Transaction): AppResponse {
  const service = serviceInfo.get(transaction);
  if (service === undefined) return notFound("Service state not available.");
  return jsonAnswer({
    current_service_create_txid: service.current_service_create_txid ?? null,
    current_view: consensus.view,
    primary_id: consensus.primaryId ?? null,
    recovery_count: service.recovery_count ?? 0,
    service_certificate: service.cert,
    service_data: service.service_data ?? null,
    service_status: service.status,
  });
}

/** Addresses: name or IPv4 and port, or IPv6 in brackets and port. */
function splitAddress(address: string): readonly [host: string, port: string] {
  const colon = address.lastIndexOf(":");
  if (colon < 0) return [address, ""];
  return [address.slice(0, colon), address.slice(colon + 1)];
}

function nodeFields(
  { consensus }: NodeApiPorts,
  nodeId: string,
  info: Pick<NodeInfo, "node_data" | "rpc_interfaces" | "status">,
  lastWritten: number,
) {
  return {
    last_written: lastWritten,
    node_data: info.node_data ?? null,
    node_id: nodeId,
    primary: consensus.primaryId === nodeId,
    rpc_interfaces: info.rpc_interfaces,
    status: info.status,
  };
}

function describeNode(
  ports: NodeApiPorts,
  transaction: Transaction,
  nodeId: string,
): AppResponse | undefined {
  const nodes = nodeInfo.of(transaction);
  const info = nodes.get(nodeId);
  if (info === undefined) return undefined;
  return jsonAnswer(nodeFields(ports, nodeId, info, nodes.versionOf(nodeId) ?? 0));
}

function answerNodes(
  ports: NodeApiPorts,
  transaction: Transaction,
  request: AppRequest,
): AppResponse {
  const query = parseQuery(request.query);
  const [host, port, status] = [query.get("host"), query.get("port"), query.get("status")];
  if (status !== undefined && !nodeStatuses.includes(status)) {
    return errorAnswer(
      400,
      "InvalidQueryParameterValue",
      `Query parameter '${status}' is not a valid node status`,
    );
  }
  const isWanted = (info: NodeInfo) =>
    (status === undefined || info.status === status) &&
    Object.values(info.rpc_interfaces).some((rpcInterface) => {
      const [itsHost, itsPort] = splitAddress(
        rpcInterface.published_address ?? rpcInterface.bind_address,
      );
      return (host ?? itsHost) === itsHost && (port ?? itsPort) === itsPort;
    });
  const nodes = nodeInfo.of(transaction);
  const found = nodes
    .entries()
    .filter(([, info]) => isWanted(info))
    .map(([nodeId, info]) => nodeFields(ports, nodeId, info, nodes.versionOf(nodeId) ?? 0));
  return jsonAnswer({ nodes: found });
}

function answerSelf(ports: NodeApiPorts, transaction: Transaction): AppResponse {
  const { nodeId, nodeData, rpcInterfaces } = ports.node;
  const known = describeNode(ports, transaction, nodeId);
  if (known !== undefined) return known;
  const info = { status: "Pending", node_data: nodeData, rpc_interfaces: rpcInterfaces };
  return jsonAnswer(nodeFields(ports, nodeId, info as NodeInfo, 0));
}

function answerPrimaryNode(ports: NodeApiPorts, transaction: Transaction): AppResponse {
  const { primaryId } = ports.consensus;
  if (primaryId === undefined) return errorAnswer(503, "PrimaryNotFound", "Primary unknown");
  return describeNode(ports, transaction, primaryId) ?? notFound("Node not found");
}

/** Retired nodes whose retirement the network has committed. */
function isRemovable(ports: NodeApiPorts, transaction: Transaction, nodeId: string): boolean {
  const nodes = nodeInfo.of(transaction);
  const info = nodes.get(nodeId);
  const lastWritten = nodes.versionOf(nodeId) ?? Number.POSITIVE_INFINITY;
  return (
    info?.status === "Retired" &&
    info.retired_committed === true &&
    lastWritten <= ports.consensus.lastCommitted().seqno
  );
}

function answerRemovable(ports: NodeApiPorts, transaction: Transaction): AppResponse {
  const nodes = nodeInfo.of(transaction);
  const removable = nodes
    .entries()
    .filter(([nodeId]) => isRemovable(ports, transaction, nodeId))
    .map(([nodeId, info]) => ({
      ...nodeFields(ports, nodeId, info, nodes.versionOf(nodeId) ?? 0),
      primary: false,
    }));
  return jsonAnswer({ nodes: removable });
}

function deleteNode(ports: NodeApiPorts, transaction: Transaction, nodeId: string): AppResponse {
  const nodes = nodeInfo.of(transaction);
  if (!nodes.has(nodeId)) return notFound("No such node");
  if (!isRemovable(ports, transaction, nodeId)) {
    return errorAnswer(400, "NodeNotRetiredCommitted", "Node is not completely retired");
  }
  nodes.delete(nodeId);
  nodeEndorsedCertificates.of(transaction).delete(nodeId);
  return jsonAnswer(true);
}

function answerConfiguration(transaction: Transaction): AppResponse {
  const configuration = governanceTables.serviceConfiguration.get(transaction);
  return configuration === undefined
    ? notFound("Service configuration not available.")
    : jsonAnswer(configuration);
}

function answerPreviousIdentity(transaction: Transaction): AppResponse {
  const identity = governanceTables.previousServiceIdentity.get(transaction);
  return identity === undefined
    ? notFound("This service is not a recovery of a previous service.")
    : jsonAnswer({ previous_service_identity: identity });
}

function attestationFields(nodeId: string, info: NodeInfo) {
  const quote: QuoteInfo = info.quote_info;
  return {
    endorsements: quote.endorsements,
    format: quote.format,
    ...(info.code_digest !== undefined && { measurement: info.code_digest }),
    node_id: nodeId,
    raw: quote.quote,
    ...(quote.uvm_endorsements !== undefined && { uvm_endorsements: quote.uvm_endorsements }),
  };
}

function listAttestations(transaction: Transaction) {
  return nodeInfo
    .of(transaction)
    .entries()
    .filter(([, info]) => info.status === "Trusted")
    .map(([nodeId, info]) => attestationFields(nodeId, info));
}

function answerOwnAttestation(nodeId: string, transaction: Transaction): AppResponse {
  const info = nodeInfo.of(transaction).get(nodeId);
  return info === undefined
    ? notFound("Could not find node quote.")
    : jsonAnswer(attestationFields(nodeId, info));
}

function answerIsPrimary({ consensus }: NodeApiPorts): AppResponse {
  return consensus.isPrimary ? emptyAnswer(200) : notFound("Node is not primary");
}

/** HEAD /primary: 200 here, or a redirect to where it is. */
function answerWhereIsPrimary(ports: NodeApiPorts, transaction: Transaction): AppResponse {
  if (ports.consensus.isPrimary) return emptyAnswer(200);
  const { primaryId } = ports.consensus;
  const address = primaryId === undefined ? undefined : publishedAddress(transaction, primaryId);
  if (address === undefined) return errorAnswer(503, "PrimaryNotFound", "Primary unknown");
  return emptyAnswer(308, { location: `https://${address}/node/primary` });
}

/** Where clients reach a node; undefined when it is not known. */
export function publishedAddress(transaction: Transaction, nodeId: string): string | undefined {
  const info = nodeInfo.of(transaction).get(nodeId);
  const [first] = Object.values(info?.rpc_interfaces ?? {});
  return first?.published_address ?? first?.bind_address;
}

function latestConfiguration({ consensus }: NodeApiPorts) {
  return consensus.details().configs.at(-1)?.nodes ?? {};
}

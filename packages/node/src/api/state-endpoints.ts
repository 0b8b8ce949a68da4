/** Endpoints about this node: its state, its software, its figures; and what only nodes may ask. */
import { bytesToUtf8, isCocoError } from "@coco/base";
import { governanceTables, internalTables } from "@coco/governance";
import type { AppRequest, AppResponse } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { emptyAnswer, errorAnswer, jsonAnswer } from "./answers.ts";
import type { NodeApiPorts } from "./ports.ts";
import type { StaticEndpoint } from "./static-endpoints.ts";

const { jsRuntimeOptions, modulesBytecode, nodeEndorsedCertificates, nodeInfo, serviceInfo } =
  governanceTables;

export function createStateEndpoints(ports: NodeApiPorts): readonly StaticEndpoint[] {
  const get = (path: string, handler: StaticEndpoint["handler"], responseSchema?: string) => ({
    method: "GET",
    path,
    handler,
    isStoreFree: true,
    ...(responseSchema !== undefined && { responseSchema }),
  });
  const post = (path: string, handler: StaticEndpoint["handler"]): StaticEndpoint => ({
    method: "POST",
    path,
    handler,
    mode: "readwrite",
    isHidden: true,
  });
  return [
    { ...get("/state", (tx) => answerState(ports, tx), "GetState__Out"), isStoreFree: false },
    get("/version", () => answerVersion(ports), "GetVersion__Out"),
    get("/memory", () => answerMemory(ports), "MemoryUsage__Out"),
    get("/metrics", (_, request) => answerMetrics(ports, request), "string"),
    { ...get("/js_metrics", answerScriptMetrics, "JavaScriptMetrics"), isStoreFree: false },
    get(
      "/jwt_keys/refresh/metrics",
      () => jsonAnswer(ports.metrics.jwtRefresh()),
      "JWTRefreshMetrics",
    ),
    get("/index/strategies", () => jsonAnswer(ports.indexes?.() ?? []), "json"),
    get("/ready/app", (tx) => emptyAnswer(isServiceOpen(tx) ? 204 : 503)),
    get("/ready/gov", () => emptyAnswer(takesGovernance(ports) ? 204 : 503)),
    get(
      "/self_signed_certificate",
      () => jsonAnswer({ self_signed_certificate: ports.node.selfSignedCertificate }),
      "SelfSignedNodeCertificateInfo",
    ),
    {
      ...post("/join", (tx, request) => ports.join?.answerJoin(tx, request) ?? refuseJoin(request)),
      isLocal: true,
    },
    {
      ...get(
        "/join/challenge",
        (tx) => ports.join?.answerChallenge(tx) ?? errorAnswer(404, "ResourceNotFound", "None."),
      ),
      isHidden: true,
    },
    post("/create", () => errorAnswer(403, "InternalError", "Node is not in initial state.")),
    post("/jwt_keys/refresh", (tx, request) => takeJwtKeys(ports, tx, request)),
  ];
}

function answerState({ node }: NodeApiPorts, transaction: Transaction): AppResponse {
  const { recovery } = node;
  return jsonAnswer({
    ...(recovery !== undefined && { last_recovered_seqno: recovery.lastRecoveredSeqno }),
    last_signed_seqno: internalTables.signatures.get(transaction)?.seqno ?? 0,
    node_id: node.nodeId,
    ...(recovery !== undefined && { recovery_target_seqno: recovery.targetSeqno }),
    startup_seqno: node.startupSeqno,
    state: node.state,
    stop_notice: node.isStopping,
  });
}

/** The dialect's fields; there is no QuickJS here, and clients must not conclude otherwise. */
function answerVersion({ version }: NodeApiPorts): AppResponse {
  return jsonAnswer({ ccf_version: `coco-${version}`, quickjs_version: "", unsafe: false });
}

function answerMemory({ metrics }: NodeApiPorts): AppResponse {
  const { currentBytes, maxBytes, peakBytes } = metrics.memory();
  return jsonAnswer({
    current_allocated_heap_size: currentBytes,
    max_total_heap_size: maxBytes,
    peak_allocated_heap_size: peakBytes,
  });
}

/** Prometheus text, or the dialect's JSON for those who ask for JSON. */
function answerMetrics({ metrics }: NodeApiPorts, request: AppRequest): AppResponse {
  if (request.headers.get("accept")?.includes("application/json") === true) {
    return jsonAnswer({ sessions: metrics.sessions() });
  }
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
  return { status: 200, headers, body: metrics.text() };
}

function answerScriptMetrics(transaction: Transaction): AppResponse {
  const options = jsRuntimeOptions.get(transaction);
  let bytecodeSizeBytes = 0;
  for (const [, code] of modulesBytecode.of(transaction).entries())
    bytecodeSizeBytes += code.length;
  return jsonAnswer({
    bytecode_size: bytecodeSizeBytes,
    bytecode_used: false,
    max_cached_interpreters: options?.max_cached_interpreters ?? 10,
    max_execution_time: options?.max_execution_time_ms ?? 5000,
    max_heap_size: options?.max_heap_bytes ?? 100 << 20,
    max_stack_size: options?.max_stack_bytes ?? 1 << 20,
  });
}

function isServiceOpen(transaction: Transaction): boolean {
  return serviceInfo.get(transaction)?.status === "Open";
}

function takesGovernance({ node }: NodeApiPorts): boolean {
  return node.state === "PartOfNetwork" || node.state === "PartOfPublicNetwork";
}

const joinFields = ["node_info_network", "quote_info", "public_encryption_key"] as const;

/** A service of one node takes no others; what is wrong with the request is said first. */
function refuseJoin(request: AppRequest): AppResponse {
  const body = parseObject(request.body);
  if (body === undefined) return errorAnswer(400, "InvalidInput", "At #/: expected an object");
  for (const field of joinFields) {
    if (field in body) continue;
    const message = `At #/: Missing required field '${field}' in object: ${JSON.stringify(body)}`;
    return errorAnswer(400, "InvalidInput", message);
  }
  const message = "This node takes no joining nodes: its service runs on one node.";
  return errorAnswer(400, "InvalidNodeState", message);
}

function parseObject(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytesToUtf8(body));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Only nodes of the network may bring keys: they are known by their certificates. */
function takeJwtKeys(
  ports: NodeApiPorts,
  transaction: Transaction,
  request: AppRequest,
): AppResponse {
  const refusal = refuseStranger(ports, transaction, request);
  if (refusal !== undefined) {
    const code = "InvalidAuthenticationInfo";
    const details = [{ auth_policy: "node_cert", code, message: refusal }];
    const message = "Invalid authentication credentials.";
    return jsonAnswer({ error: { code, details, message } }, 401);
  }
  const body = parseObject(request.body);
  if (body === undefined) return errorAnswer(400, "InvalidInput", "At #/: expected an object");
  if (ports.refreshJwtKeys === undefined) {
    return errorAnswer(403, "AuthorizationFailed", "This node takes no keys from other nodes.");
  }
  ports.refreshJwtKeys(transaction, body);
  return jsonAnswer(true);
}

/** Why the caller is no node of this network; undefined when it is one. */
function refuseStranger(
  ports: NodeApiPorts,
  transaction: Transaction,
  { session }: AppRequest,
): string | undefined {
  if (session.certificate === undefined) return "No caller node certificate";
  const unknown = "Could not find matching node certificate";
  try {
    const nodeId = ports.certificateToNodeId(session.certificate.der);
    const isNode =
      nodeInfo.of(transaction).get(nodeId)?.status === "Trusted" &&
      nodeEndorsedCertificates.of(transaction).has(nodeId);
    return isNode ? undefined : unknown;
  } catch (error) {
    if (isCocoError(error)) return unknown;
    throw error;
  }
}

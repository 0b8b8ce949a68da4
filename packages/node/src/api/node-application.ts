/** The `/node` application, and the endpoints that every other application gets from the node. */
import { assert } from "@coco/base";
import type {
  Application,
  Endpoint,
  EndpointMatch,
  EndpointTable,
  ExecutionContext,
  Outcome,
} from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { answerToOutcome, jsonAnswer } from "./answers.ts";
import { createCommonEndpoints } from "./common-endpoints.ts";
import { createNetworkEndpoints } from "./network-endpoints.ts";
import { createOpenApiDocument, type OpenApiInfo } from "./openapi.ts";
import type { NodeApiPorts } from "./ports.ts";
import { createSnapshotEndpoints } from "./snapshot-endpoints.ts";
import { createStateEndpoints } from "./state-endpoints.ts";
import { createStaticTable, type StaticEndpoint } from "./static-endpoints.ts";

const nodeInfo: OpenApiInfo = {
  title: "Public node API",
  description: "State of the service and of this node, for everybody.",
  version: "4.14.0",
};

/** Serves `/node`: state of the node and of the network, without authentication. */
export function createNodeApplication(ports: NodeApiPorts): Application {
  const prefix = "/node";
  const table: EndpointTable = createStaticTable(
    [
      ...createCommonEndpoints(ports, true),
      ...createNetworkEndpoints(ports),
      ...createStateEndpoints(ports),
      ...createSnapshotEndpoints(ports),
      createApiEndpoint(true, (transaction) =>
        createOpenApiDocument(nodeInfo, prefix, table.list(transaction)),
      ),
    ],
    true,
  );
  return { name: "node", prefix, endpoints: table, execute: executeStatic };
}

function createApiEndpoint(
  isStoreFree: boolean,
  describe: (transaction: Transaction) => unknown,
): StaticEndpoint {
  return {
    method: "GET",
    path: "/api",
    isStoreFree,
    handler: (transaction) => jsonAnswer(describe(transaction)),
    summary: "OpenAPI schema",
    responseSchema: "json",
  };
}

function isStaticEndpoint(handler: unknown): handler is StaticEndpoint {
  return typeof handler === "object" && handler !== null && "handler" in handler;
}

const executeStatic: Application["execute"] = (transaction, { request }, context) => {
  const { handler } = context.endpoint;
  assert(isStaticEndpoint(handler), "an endpoint of the node has a handler");
  return answerToOutcome(handler.handler(transaction, request, context));
};

/**
 * Adds `commit`, `tx`, `receipt` and `api` to an application. Its own endpoints win where both
 * have one.
 */
export function withCommonEndpoints(
  application: Application,
  ports: NodeApiPorts,
  info: OpenApiInfo = { title: "Empty title", description: "Empty description", version: "0.0.1" },
): Application {
  const common = createStaticTable(
    [
      ...createCommonEndpoints(ports, false),
      createApiEndpoint(false, (transaction) =>
        createOpenApiDocument(info, application.prefix, endpoints.list(transaction)),
      ),
    ],
    false,
  );
  const commonEndpoints = new Set(common.endpoints);
  const endpoints = joinTables(application.endpoints, common);
  const execute = (
    transaction: Transaction,
    item: Parameters<Application["execute"]>[1],
    context: ExecutionContext,
  ): Outcome =>
    commonEndpoints.has(context.endpoint)
      ? executeStatic(transaction, item, context)
      : application.execute(transaction, item, context);
  const { admit, query, seal } = application;
  return {
    name: application.name,
    prefix: application.prefix,
    endpoints,
    execute,
    ...(admit !== undefined && { admit: (request) => admit.call(application, request) }),
    ...(query !== undefined && {
      query: (transaction, item, context) =>
        commonEndpoints.has(context.endpoint)
          ? executeStatic(transaction, item, context).response
          : query.call(application, transaction, item, context),
    }),
    ...(seal !== undefined && {
      seal: (transaction, context) => seal.call(application, transaction, context),
    }),
  };
}

/** The endpoints of `first`, then those of `second`. */
function joinTables(first: EndpointTable, second: EndpointTable): EndpointTable {
  return {
    find: (transaction, method, path): EndpointMatch => {
      const own = first.find(transaction, method, path);
      if (own.kind === "found") return own;
      const other = second.find(transaction, method, path);
      if (other.kind === "found" || own.kind === "unknownPath") return other;
      if (other.kind === "unknownPath") return own;
      return { kind: "wrongMethod", allowed: [...new Set([...own.allowed, ...other.allowed])] };
    },
    list: (transaction): readonly Endpoint[] => [
      ...first.list(transaction),
      ...second.list(transaction),
    ],
  };
}

import { createStore } from "@coco/store";
import { describe, expect, it } from "vitest";
import type { AuthPolicy, Endpoint } from "./application.ts";
import { createStaticEndpointTable } from "./endpoints/endpoint-tables.ts";
import { createOpenapiDocument } from "./openapi.ts";
import { rpcErrorBody, toSortedJson } from "./rpc-errors.ts";

function endpoint(path: string, policies: readonly AuthPolicy[], more: object = {}): Endpoint {
  return {
    path,
    method: "GET",
    mode: "readonly",
    authnPolicies: policies,
    forwardingRequired: "never",
    redirectionStrategy: "none",
    ...more,
  };
}

describe("createOpenapiDocument", () => {
  it("describes parameters, security and forwarding, and leaves hidden endpoints out", () => {
    const table = createStaticEndpointTable([
      endpoint("/network/nodes/{node_id}", []),
      endpoint("/secret", ["no_auth"], { isOpenapiHidden: true }),
      endpoint("/mine", ["user_cert", { all_of: ["jwt", "user_cert"] }], {
        openapi: { summary: "Mine", responses: { "200": { description: "ok" } } },
      }),
    ]);
    const transaction = createStore().begin("node");
    const options = { table, transaction, prefix: "/node", title: "T", version: "1.0.0" };
    const document = createOpenapiDocument(options) as Record<string, Record<string, unknown>>;
    expect(document["info"]).toMatchObject({ title: "T", version: "1.0.0" });
    const paths = document["paths"] as Record<string, { get: Record<string, unknown> }>;
    expect(Object.keys(paths)).toEqual(["/node/mine", "/node/network/nodes/{node_id}"]);
    expect(paths["/node/network/nodes/{node_id}"]?.get).toMatchObject({
      operationId: "GetNodeNetworkNodesNodeId",
      parameters: [{ name: "node_id", in: "path", required: true, schema: { type: "string" } }],
      "x-ccf-forwarding": { $ref: "#/components/x-ccf-forwarding/never" },
    });
    expect(paths["/node/mine"]?.get).toMatchObject({
      summary: "Mine",
      security: [{ user_cert: [] }, { jwt: [], user_cert: [] }],
      responses: { "200": {}, default: { $ref: "#/components/responses/default" } },
    });
    expect(Object.keys(document["components"]!["securitySchemes"] as object)).toEqual([
      "user_cert",
      "jwt",
    ]);
  });
});

describe("JSON of CCF's own endpoints", () => {
  it("has sorted keys at every depth, and details only when there are some", () => {
    expect(toSortedJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
    expect(rpcErrorBody("InvalidInput", "m", [])).toBe(
      '{"error":{"code":"InvalidInput","message":"m"}}',
    );
    expect(rpcErrorBody("InvalidInput", "m", [{ z: 1 }])).toBe(
      '{"error":{"code":"InvalidInput","details":[{"z":1}],"message":"m"}}',
    );
  });
});

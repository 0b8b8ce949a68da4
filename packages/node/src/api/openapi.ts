/** OpenAPI 3.0 documents of an application's endpoints, in the shape that CCF gives them. */
import type { Endpoint } from "@coco/runtime";
import { collectSchemas } from "./schemas.ts";
import type { StaticEndpoint } from "./static-endpoints.ts";

export interface OpenApiInfo {
  readonly title: string;
  readonly description: string;
  readonly version: string;
}

const forwarding = {
  always: "A backup passes the request on to the primary.",
  never: "The node that receives the request executes it, whatever its role.",
  sometimes: "A backup passes the request on when its session was passed on before.",
};

const errorResponse = {
  content: { "application/json": { schema: { $ref: "#/components/schemas/CCFError" } } },
  description: "An error occurred",
};

/** @param prefix of the application: `/node` */
export function createOpenApiDocument(
  info: OpenApiInfo,
  prefix: string,
  endpoints: readonly Endpoint[],
): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  const schemaNames = new Set(["CCFError"]);
  for (const endpoint of endpoints) {
    if (endpoint.isOpenapiHidden === true) continue;
    const name = `${prefix}${endpoint.path}`;
    const path = paths[name] ?? {};
    paths[name] = path;
    path[endpoint.method.toLowerCase()] = describe(prefix, endpoint, schemaNames);
    const parameters = pathParameters(endpoint.path);
    if (parameters.length === 0 || !isStatic(endpoint)) continue;
    path["parameters"] = parameters;
    schemaNames.add("string");
  }
  return {
    components: {
      responses: { default: errorResponse },
      schemas: collectSchemas(schemaNames),
      "x-ccf-forwarding": Object.fromEntries(
        Object.entries(forwarding).map(([value, description]) => [value, { description, value }]),
      ),
    },
    info: { description: info.description, title: info.title, version: info.version },
    openapi: "3.0.0",
    paths: sortKeys(paths),
    servers: [],
  };
}

/** An application's own description goes out as it is. */
function describe(prefix: string, endpoint: Endpoint, schemaNames: Set<string>): unknown {
  if (!isStatic(endpoint)) return endpoint.openapi ?? {};
  const { description, parameters = [], responseSchema, summary } = endpoint.handler;
  if (responseSchema !== undefined) schemaNames.add(responseSchema);
  for (const { schema } of parameters) schemaNames.add(schema);
  const content =
    responseSchema === undefined
      ? undefined
      : { "application/json": { schema: { $ref: `#/components/schemas/${responseSchema}` } } };
  return {
    ...(description !== undefined && { description }),
    operationId: operationId(prefix, endpoint),
    ...(parameters.length > 0 && {
      parameters: parameters.map(({ name, schema, isRequired }) => ({
        in: "query",
        name,
        required: isRequired,
        schema: { $ref: `#/components/schemas/${schema}` },
      })),
    }),
    responses: {
      [content === undefined ? "204" : "200"]: {
        ...(content !== undefined && { content }),
        description: "Default response description",
      },
      default: { $ref: "#/components/responses/default" },
    },
    ...(summary !== undefined && { summary }),
    "x-ccf-forwarding": {
      $ref: `#/components/x-ccf-forwarding/${endpoint.forwardingRequired}`,
    },
  };
}

function isStatic(endpoint: Endpoint): endpoint is Endpoint & { readonly handler: StaticEndpoint } {
  const { handler } = endpoint;
  return typeof handler === "object" && handler !== null && "handler" in handler;
}

/** `GetNodeNetworkNodesSelf` for GET /node/network/nodes/self. */
function operationId(prefix: string, { method, path }: Endpoint): string {
  const words = `${method.toLowerCase()}${prefix}${path}`.split(/[^A-Za-z0-9]+/);
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
}

function pathParameters(path: string): readonly unknown[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => ({
    in: "path",
    name,
    required: true,
    schema: { $ref: "#/components/schemas/string" },
  }));
}

function sortKeys(paths: Record<string, Record<string, unknown>>) {
  const byName = <Value>(record: Record<string, Value>) =>
    Object.fromEntries(Object.entries(record).sort(([left], [right]) => (left < right ? -1 : 1)));
  return byName(
    Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, byName(item)])),
  );
}

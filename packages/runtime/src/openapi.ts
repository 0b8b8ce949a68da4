/** OpenAPI documents from endpoint tables: /app/api, /node/api and /gov/api. */
import type { Transaction } from "@coco/store";
import type { AuthPolicy, Endpoint, EndpointTable } from "./application.ts";
import { policyName } from "./auth/authenticator.ts";
import { parsePathTemplate } from "./endpoints/path-template.ts";
import { isRecord, isScriptHandler } from "./endpoints/stored-endpoint.ts";

type Fields = Record<string, unknown>;

export interface OpenapiOptions {
  readonly table: EndpointTable;
  readonly transaction: Transaction;
  /** `/app`, `/gov` or `/node`. */
  readonly prefix: string;
  readonly title?: string;
  readonly description?: string;
  readonly version?: string;
  /** Shapes that the operations of built-in endpoints refer to. */
  readonly schemas?: Readonly<Record<string, unknown>>;
}

const forwarding: Readonly<Record<string, string>> = {
  always: "A backup forwards this request to the primary, which executes it.",
  sometimes:
    "A backup forwards this request to the primary only when it already forwarded an earlier " +
    "request of the same session.",
  never:
    "The node that receives this request executes it. On a backup it sees that node's state and " +
    "cannot write.",
};

const errorSchema = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: {
        code: { type: "string", description: "Code of the error, for programs" },
        message: { type: "string", description: "What happened, for people" },
        details: { type: "array", items: { type: "object" } },
      },
    },
  },
};

const jsonContent = (name: string) => ({
  "application/json": { schema: { $ref: `#/components/schemas/${name}` } },
});

const coseScheme = { type: "http", scheme: "cose_sign1" };
const mutualTls = { type: "mutualTLS" };
/** How each policy is described; conjunctions list their parts. */
const securitySchemes: Readonly<Record<string, unknown>> = {
  user_cert: { ...mutualTls, description: "TLS client certificate of a user" },
  member_cert: { ...mutualTls, description: "TLS client certificate of a member" },
  any_cert: { ...mutualTls, description: "Any TLS client certificate" },
  jwt: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
  user_cose_sign1: { ...coseScheme, description: "Body signed by a user" },
  member_cose_sign1: { ...coseScheme, description: "Body signed by a member" },
  active_member_cose_sign1: { ...coseScheme, description: "Body signed by an active member" },
};

/** `GET /app/log/{id}` to GetAppLogId. */
function operationId(method: string, path: string): string {
  const words = `${method.toLowerCase()}/${path}`.split(/[^A-Za-z0-9]+/);
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function policyToRequirement(policy: AuthPolicy): Fields {
  const names = typeof policy === "string" ? [policy] : policy.all_of;
  return Object.fromEntries(names.filter((name) => name !== "no_auth").map((name) => [name, []]));
}

/** The operation of a built-in endpoint, or of an app's endpoint that describes nothing. */
function generateOperation(endpoint: Endpoint, fullPath: string): Fields {
  const { authnPolicies, forwardingRequired, path } = endpoint;
  const described = isRecord(endpoint.openapi) ? endpoint.openapi : {};
  const parameters = path.includes("{")
    ? parsePathTemplate(path).parameters.map((name) => ({
        name,
        in: "path",
        required: true,
        schema: { type: "string" },
      }))
    : [];
  const isOpen = authnPolicies.length === 0 || authnPolicies.some(isNoAuth);
  return {
    operationId: operationId(endpoint.method, fullPath),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(isOpen ? {} : { security: authnPolicies.map(policyToRequirement) }),
    ...described,
    responses: {
      ...(isRecord(described["responses"]) ? described["responses"] : {}),
      default: { $ref: "#/components/responses/default" },
    },
    "x-ccf-forwarding": { $ref: `#/components/x-ccf-forwarding/${forwardingRequired}` },
  };
}

function isNoAuth(policy: AuthPolicy): boolean {
  return policyName(policy) === "no_auth";
}

/** Only verbs that OpenAPI 3.0 has a place for. */
const openapiVerbs = new Set(["get", "put", "post", "delete", "options", "head", "patch", "trace"]);

function createPaths(endpoints: readonly Endpoint[], prefix: string): Fields {
  const paths = new Map<string, Fields>();
  for (const endpoint of endpoints) {
    const verb = endpoint.method.toLowerCase();
    if (endpoint.isOpenapiHidden === true || !openapiVerbs.has(verb)) continue;
    const fullPath = `${prefix}${endpoint.path}`;
    const operations = paths.get(fullPath) ?? {};
    // What an app says about its endpoint is taken as it is.
    const isApps = isScriptHandler(endpoint.handler) && endpoint.openapi !== undefined;
    operations[verb] = isApps ? endpoint.openapi : generateOperation(endpoint, fullPath);
    paths.set(fullPath, operations);
  }
  return Object.fromEntries([...paths].toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

/** Makes the document; give it to `toSortedJson`. */
export function createOpenapiDocument(options: OpenapiOptions): Fields {
  const { table, transaction, prefix, schemas = {} } = options;
  const endpoints = table.list(transaction);
  const used = new Set(
    endpoints.flatMap((endpoint) =>
      endpoint.authnPolicies.flatMap((policy) =>
        typeof policy === "string" ? [policy] : policy.all_of,
      ),
    ),
  );
  const schemes = Object.entries(securitySchemes).filter(([name]) => used.has(name));
  return {
    openapi: "3.0.0",
    info: {
      title: options.title ?? "Empty title",
      description: options.description ?? "Empty description",
      version: options.version ?? "0.0.1",
    },
    servers: [],
    paths: createPaths(endpoints, prefix),
    components: {
      schemas: { ...schemas, CCFError: errorSchema },
      responses: {
        default: { description: "An error occurred", content: jsonContent("CCFError") },
      },
      ...(schemes.length > 0 ? { securitySchemes: Object.fromEntries(schemes) } : {}),
      "x-ccf-forwarding": Object.fromEntries(
        Object.entries(forwarding).map(([value, description]) => [value, { value, description }]),
      ),
    },
  };
}

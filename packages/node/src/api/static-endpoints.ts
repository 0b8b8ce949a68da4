/** Endpoints that are part of the program: a fixed table and a handler for each. */
import type {
  AppRequest,
  AppResponse,
  Endpoint,
  EndpointMatch,
  EndpointTable,
  ExecutionContext,
} from "@coco/runtime";
import type { Transaction } from "@coco/store";

type StaticHandler = (
  transaction: Transaction,
  request: AppRequest,
  context: ExecutionContext,
) => AppResponse;

interface QueryParameterFacts {
  readonly name: string;
  /** Name of a schema. */
  readonly schema: string;
  readonly isRequired: boolean;
}

export interface StaticEndpoint {
  readonly method: string;
  /** Template under the prefix. */
  readonly path: string;
  readonly handler: StaticHandler;
  readonly mode?: "readwrite" | "readonly";
  /** The response carries no transaction id. */
  readonly isStoreFree?: boolean;
  readonly isHidden?: boolean;
  /** Answered where it comes in, also by a node that is not primary. */
  readonly isLocal?: boolean;
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly QueryParameterFacts[];
  /** Name of the schema of the body of a 200; undefined: there is no body. */
  readonly responseSchema?: string;
}

/** A table that is the same for every transaction. */
export interface StaticTable extends EndpointTable {
  readonly endpoints: readonly Endpoint[];
}

/** @param isOpenBeforeService whether the endpoints answer before the service is open */
export function createStaticTable(
  endpoints: readonly StaticEndpoint[],
  isOpenBeforeService: boolean,
): StaticTable {
  const rows = endpoints.map((endpoint) => ({
    endpoint: toEndpoint(endpoint, isOpenBeforeService),
    segments: endpoint.path.split("/"),
  }));
  const exact = new Map<string, Endpoint>();
  for (const { endpoint } of rows) exact.set(`${endpoint.method} ${endpoint.path}`, endpoint);
  const all = rows.map(({ endpoint }) => endpoint);
  return {
    endpoints: all,
    find: (_transaction, method, path): EndpointMatch => {
      const direct = exact.get(`${method} ${path}`);
      if (direct !== undefined && !path.includes("{")) {
        return { kind: "found", endpoint: direct, params: {} };
      }
      const segments = path.split("/");
      const allowed = new Set<string>();
      const isExact = rows.some(({ endpoint }) => endpoint.path === path);
      for (const row of rows) {
        if (isExact && row.endpoint.path !== path) continue;
        const params = matchTemplate(row.segments, segments);
        if (params === undefined) continue;
        if (row.endpoint.method === method)
          return { kind: "found", endpoint: row.endpoint, params };
        allowed.add(row.endpoint.method);
      }
      if (allowed.size > 0) return { kind: "wrongMethod", allowed: [...allowed] };
      return { kind: "unknownPath" };
    },
    list: () => all,
  };
}

function toEndpoint(endpoint: StaticEndpoint, isOpenBeforeService: boolean): Endpoint {
  return {
    path: endpoint.path,
    method: endpoint.method,
    mode: endpoint.mode ?? "readonly",
    authnPolicies: ["no_auth"],
    forwardingRequired:
      endpoint.isLocal === true ? "never" : endpoint.mode === "readwrite" ? "always" : "sometimes",
    redirectionStrategy:
      endpoint.mode === "readwrite" && endpoint.isLocal !== true ? "to_primary" : "none",
    isOpenBeforeService,
    isStoreFree: endpoint.isStoreFree ?? false,
    isOpenapiHidden: endpoint.isHidden ?? false,
    handler: endpoint,
  };
}

/** Values of the `{name}` segments, or undefined when the path does not fit. */
function matchTemplate(
  template: readonly string[],
  segments: readonly string[],
): Record<string, string> | undefined {
  if (template.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of template.entries()) {
    const segment = segments[index]!;
    if (part.startsWith("{") && part.endsWith("}")) {
      if (segment === "") return undefined;
      params[part.slice(1, -1)] = segment;
    } else if (part !== segment) {
      return undefined;
    }
  }
  return params;
}

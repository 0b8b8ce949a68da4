/** Endpoint definitions as they stand in the endpoints table and in app bundles. */
import type {
  AuthPolicy,
  Endpoint,
  EndpointMode,
  ForwardingRequired,
  RedirectionStrategy,
} from "../application.ts";
import { requestErrors } from "../request-errors.ts";

/** What runs for an endpoint of an app bundle. */
export interface ScriptHandler {
  /** Absolute: `/logging.js`. */
  readonly moduleName: string;
  readonly functionName: string;
  /** Requests with the same key may share globals. */
  readonly interpreterReuseKey: string | undefined;
}

export function isScriptHandler(handler: unknown): handler is ScriptHandler {
  return isRecord(handler) && typeof handler["moduleName"] === "string";
}

/** CCF's JSON for one endpoint. */
export interface StoredEndpoint {
  readonly js_module: string;
  readonly js_function: string;
  readonly forwarding_required: ForwardingRequired;
  readonly redirection_strategy?: RedirectionStrategy;
  readonly authn_policies: readonly AuthPolicy[];
  readonly mode?: EndpointMode;
  readonly openapi?: unknown;
  readonly openapi_hidden?: boolean;
  readonly interpreter_reuse?: { readonly key: string };
  /** Coco's own: answer only when the transaction is committed. */
  readonly respond_after_commit?: boolean;
}

const forwardingKinds = ["sometimes", "always", "never"] as const;
const redirectionKinds = ["none", "to_primary", "to_backup"] as const;
const endpointModes = ["readwrite", "readonly", "historical"] as const;

/** Names the field that is wrong: `bundle.metadata.endpoints["/x"]["get"].mode`. */
type Fail = (field: string, wanted: string) => Error;

function checkEnum(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  kinds: readonly string[],
  fail: Fail,
): void {
  const isKind = kinds.some((kind) => kind === fields[name]);
  if (!isKind) throw fail(name, `one of ${kinds.join(", ")}`);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const policyCountMax = 16;

function checkPolicies(policies: unknown, fail: Fail): void {
  if (!Array.isArray(policies) || policies.length > policyCountMax) {
    throw fail("authn_policies", `an array of at most ${policyCountMax} policies`);
  }
  for (const [index, policy] of policies.entries() as Iterable<[number, unknown]>) {
    if (typeof policy === "string") continue;
    const parts = isRecord(policy) ? policy["all_of"] : undefined;
    const isList =
      Array.isArray(parts) &&
      parts.length <= policyCountMax &&
      parts.every((part) => typeof part === "string");
    if (!isList) throw fail(`authn_policies[${index}]`, "a string or {all_of: [string]}");
  }
}

/**
 * Checks the JSON value of one endpoint and gives it back unchanged, so that it is stored as the
 * author wrote it.
 * @param fail makes the error for a field
 */
export function readStoredEndpoint(value: unknown, fail: Fail): StoredEndpoint {
  if (!isRecord(value)) throw fail("", "an object");
  for (const name of ["js_module", "js_function"]) {
    if (typeof value[name] !== "string") throw fail(name, "a string");
  }
  checkEnum(value, "forwarding_required", forwardingKinds, fail);
  if (value["mode"] !== undefined) checkEnum(value, "mode", endpointModes, fail);
  if (value["redirection_strategy"] !== undefined) {
    checkEnum(value, "redirection_strategy", redirectionKinds, fail);
  }
  checkPolicies(value["authn_policies"], fail);
  const { openapi, openapi_hidden: isHidden, interpreter_reuse: reuse } = value;
  if (openapi !== undefined && !isRecord(openapi)) throw fail("openapi", "an object");
  if (isHidden !== undefined && typeof isHidden !== "boolean") {
    throw fail("openapi_hidden", "a boolean");
  }
  if (reuse !== undefined && !(isRecord(reuse) && typeof reuse["key"] === "string")) {
    throw fail("interpreter_reuse", "{key: string}");
  }
  const isLate = value["respond_after_commit"];
  if (isLate !== undefined && typeof isLate !== "boolean") {
    throw fail("respond_after_commit", "a boolean");
  }
  return value as unknown as StoredEndpoint;
}

/** The endpoint of a table row. CCF's defaults: readwrite, to_primary. */
export function storedToEndpoint(method: string, path: string, stored: StoredEndpoint): Endpoint {
  const handler: ScriptHandler = {
    moduleName: stored.js_module,
    functionName: stored.js_function,
    interpreterReuseKey: stored.interpreter_reuse?.key,
  };
  return {
    path,
    method,
    mode: stored.mode ?? "readwrite",
    authnPolicies: stored.authn_policies,
    forwardingRequired: stored.forwarding_required,
    redirectionStrategy: stored.redirection_strategy ?? "to_primary",
    ...(stored.respond_after_commit === undefined
      ? {}
      : { respondAfterCommit: stored.respond_after_commit }),
    ...(stored.openapi === undefined ? {} : { openapi: stored.openapi }),
    ...(stored.openapi_hidden === undefined ? {} : { isOpenapiHidden: stored.openapi_hidden }),
    handler,
  };
}

/** `GET /log/{id}` as method and path. @throws {CocoError} BadTableValue */
export function keyToMethodAndPath(key: string): readonly [method: string, path: string] {
  const space = key.indexOf(" ");
  if (space <= 0) throw requestErrors.create("BadTableValue", `endpoint key ${key.slice(0, 80)}`);
  return [key.slice(0, space), key.slice(space + 1)];
}

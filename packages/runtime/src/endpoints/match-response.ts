/** Answers to requests that no endpoint serves: OPTIONS, wrong verb, unknown path, ambiguity. */
import { isCocoError } from "@coco/base";
import type { Transaction } from "@coco/store";
import type { AppRequest, AppResponse, EndpointMatch, EndpointTable } from "../application.ts";
import { rpcErrorResponse } from "../rpc-errors.ts";

export type Routing =
  | Extract<EndpointMatch, { kind: "found" }>
  | { readonly kind: "answered"; readonly response: AppResponse };

function refuse(
  match: Exclude<EndpointMatch, { kind: "found" }>,
  { method, path }: AppRequest,
): AppResponse {
  if (match.kind === "unknownPath") {
    return rpcErrorResponse(404, "ResourceNotFound", `Unknown path: ${path}.`);
  }
  const allow = ["OPTIONS", ...match.allowed].join(", ");
  if (method === "OPTIONS") return { status: 204, headers: { allow }, body: "" };
  const message = `Allowed methods for '${path}' are: ${allow}.`;
  const response = rpcErrorResponse(405, "UnsupportedHttpVerb", message);
  return { ...response, headers: { ...response.headers, allow } };
}

/** Responses to HEAD have no body. */
function answer(response: AppResponse, request: AppRequest): Routing {
  const isHead = request.method === "HEAD";
  return { kind: "answered", response: isHead ? { ...response, body: "" } : response };
}

/** Finds the endpoint of a request, or the response that says why there is none. */
export function routeRequest(
  table: EndpointTable,
  transaction: Transaction,
  request: AppRequest,
): Routing {
  try {
    const match = table.find(transaction, request.method, request.path);
    if (match.kind === "found") return match;
    return answer(refuse(match, request), request);
  } catch (error) {
    if (!isCocoError(error) || error.code !== "AmbiguousPath") throw error;
    const templates = String(error.facts["templates"]).split(" ").join("\n  ");
    const message = `Multiple potential matches for path: ${request.path}\n  ${templates}`;
    return answer(rpcErrorResponse(500, "InternalError", message), request);
  }
}

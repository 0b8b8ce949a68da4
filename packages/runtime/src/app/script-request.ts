/** The request object that handlers get. */
import type { AppRequest, Caller } from "../application.ts";
import { bytesToBuffer, expectCount, hostFunctions } from "../ccf-api/host-function.ts";
import type { Invocation, InvocationSlot } from "../ccf-api/invocation.ts";
import { bytesToText } from "../ccf-api/text.ts";

/** `request.body`: reads the body of the request that runs, also when a program kept the object. */
export function createRequestBody(slot: InvocationSlot): object {
  const read = (args: readonly unknown[]) => {
    expectCount(args, 0);
    return slot.current().request.body;
  };
  return hostFunctions({
    text: (...args: unknown[]) => bytesToText(read(args)),
    json: (...args: unknown[]): unknown => JSON.parse(bytesToText(read(args))),
    arrayBuffer: (...args: unknown[]) => bytesToBuffer(read(args)),
  });
}

/**
 * The object is the handler's own: it may change it. Parts that most handlers never read are made
 * at the first use.
 */
export function createScriptRequest(invocation: Invocation, prefix: string, body: object): object {
  const { request, context } = invocation;
  const path = prefix + request.path;
  let headers: unknown;
  let caller: unknown;
  return {
    get headers() {
      headers ??= Object.fromEntries(request.headers.entries());
      return headers;
    },
    set headers(value: unknown) {
      headers = value;
    },
    query: request.query,
    path,
    method: request.method,
    hostname: request.headers.get("host") ?? null,
    route: prefix + context.endpoint.path,
    url: request.query === "" ? path : `${path}?${request.query}`,
    params: { ...context.params },
    body,
    get caller() {
      caller ??= callerToObject(context.caller);
      return caller;
    },
    set caller(value: unknown) {
      caller = value;
    },
  };
}

/** A fresh copy of JSON data. */
function copyData(data: unknown): unknown {
  return data === undefined ? null : JSON.parse(JSON.stringify(data));
}

function callerToObject(caller: Caller): Record<string, unknown> {
  if (Array.isArray(caller.policy)) {
    const { policy, parts } = caller as Extract<Caller, { parts: unknown }>;
    const entries = Object.entries(parts).map(([name, part]) => [name, callerToObject(part)]);
    return { ...Object.fromEntries(entries), policy: [...policy] };
  }
  const single = caller as Exclude<Caller, { parts: unknown }>;
  switch (single.policy) {
    case "no_auth":
      return { policy: single.policy };
    case "any_cert":
      return { policy: single.policy, cert: single.cert };
    case "jwt": {
      const { keyIssuer, header, payload } = single.jwt;
      const jwt = { keyIssuer, header: copyData(header), payload: copyData(payload) };
      return { policy: single.policy, jwt };
    }
    default: {
      const { policy, id, data, cert } = single;
      const common = { policy, id, data: copyData(data), cert };
      return "cose" in single
        ? { cose: { content: bytesToBuffer(single.cose.content) }, ...common }
        : common;
    }
  }
}

/** The URL that a log line may show: without the query, which may hold payloads. */
export function requestPlace(request: AppRequest): string {
  return `${request.method} ${request.path}`;
}

/** The request object that handlers get. */
import type { AppRequest, Caller, RequestHeaders } from "../application.ts";
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

/** The object is the handler's own: it may change it and everything in it. */
export function createScriptRequest(invocation: Invocation, prefix: string, body: object): object {
  const { request, context } = invocation;
  const path = prefix + request.path;
  return {
    headers: headersToObject(request.headers),
    query: request.query,
    path,
    method: request.method,
    hostname: request.headers.get("host") ?? null,
    route: prefix + context.endpoint.path,
    url: request.query === "" ? path : `${path}?${request.query}`,
    params: { ...context.params },
    body,
    caller: callerToObject(context.caller),
  };
}

function headersToObject(headers: RequestHeaders): Record<string, string> {
  const object: Record<string, string> = {};
  for (const [name, value] of headers.entries()) setOwn(object, name, value);
  return object;
}

/** An assignment to `__proto__` would change the object instead. */
function setOwn(object: object, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else {
    (object as Record<string, unknown>)[name] = value;
  }
}

/** A fresh copy of JSON data; absent data is null. */
function copyData(data: unknown): unknown {
  if (typeof data !== "object" || data === null) return data ?? null;
  if (Array.isArray(data)) return data.map(copyData);
  const copy = {};
  for (const [name, value] of Object.entries(data)) setOwn(copy, name, copyData(value));
  return copy;
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

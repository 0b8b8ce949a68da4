/**
 * Time of one execution of a handler like the one of CCF's logging sample, without network,
 * authentication and commit: `npx vitest bench packages/runtime/src/app`.
 */
import { utf8ToBytes } from "@coco/base";
import { bench, describe } from "vitest";
import type { ExecutionContext } from "../application.ts";
import { createTestHost, endpointOf } from "./script-application.testing.ts";

/** Real bundles have many handlers in a module, and a fresh program makes them all. */
const others = Array.from({ length: 24 }, (_, index) => `export function other${index}() {}`);

const source = `
  function parseQuery(request) {
    const fields = {};
    for (const part of request.query.split("&")) {
      const [name, value] = part.split("=");
      fields[name] = value;
    }
    return fields;
  }
  function records(kv, scope) {
    return scope === undefined ? kv["records"] : kv["records-" + scope];
  }
  export function write(request) {
    const { scope } = parseQuery(request);
    const { id, msg } = request.body.json();
    records(ccf.kv, scope).set(ccf.strToBuf(id.toString()), ccf.strToBuf(msg));
    return { body: true };
  }
  export function read(request) {
    const { id, scope } = parseQuery(request);
    const value = records(ccf.kv, scope).get(ccf.strToBuf(id));
    if (value === undefined) return { statusCode: 404 };
    return { body: { msg: ccf.bufToStr(value) } };
  }
  ${others.join("\n")}`;

const host = createTestHost();
host.install(
  {
    "/write": { post: endpointOf("a.js", "write", "readwrite", "key") },
    "/fresh/write": { post: endpointOf("a.js", "write") },
    "/read": { get: endpointOf("a.js", "read", "readonly", "key") },
  },
  { "a.js": source },
);
const body = utf8ToBytes(JSON.stringify({ id: 42, msg: "a message, 20 chars." }));

function prepare(method: string, path: string, query: string) {
  const match = host.application.endpoints.find(host.store.begin("node"), method, path);
  if (match.kind !== "found") throw new Error(path);
  const request = {
    method,
    url: path,
    path,
    query,
    headers: new Map([["host", "127.0.0.1:8000"]]),
    body,
    session: { id: 1, interfaceName: "i", certificate: undefined },
  };
  const context = {
    endpoint: match.endpoint,
    params: {},
    caller: { policy: "no_auth" },
  } as unknown as ExecutionContext;
  const access = method === "GET" ? "applicationReadOnly" : "application";
  return () => {
    const transaction = host.store.begin(access);
    const outcome = host.application.execute(transaction, { request }, context);
    transaction.discard();
    if (outcome.response.status !== 200) throw new Error("unexpected status");
  };
}

host.send("POST", "/write", { body: { id: 42, msg: "a message, 20 chars." } });

describe("one execution", () => {
  bench("write, program kept", prepare("POST", "/write", ""));
  bench("write, fresh program", prepare("POST", "/fresh/write", ""));
  bench("read, program kept", prepare("GET", "/read", "id=42"));
});

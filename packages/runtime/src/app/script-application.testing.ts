/** A small host for script applications in tests: store, bundle, requests. */
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { utf8ToBytes } from "@coco/base";
import { createStore, type Store } from "@coco/store";
import type {
  AppResponse,
  Caller,
  ExecutionContext,
  HistoricalAccess,
  HistoricalState,
} from "../application.ts";
import { parseBundle } from "../bundle/bundle.ts";
import { setJsApp } from "../bundle/installed-app.ts";
import type { AppCrypto } from "../ccf-api/app-crypto.ts";
import { createSesEngine } from "../ses/ses-engine.ts";
import { runtimeOptionsValue, type StoredRuntimeOptions } from "../tables.ts";
import { createScriptApplication } from "./script-application.ts";

/** Only what needs no keys. */
const testCrypto: AppCrypto = {
  ...({} as AppCrypto),
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  digest: (name, data) =>
    new Uint8Array(createHash(name.replace("-", "").toLowerCase()).update(data).digest()),
  isValidX509CertBundle: () => false,
  certificateToDer: (pem) => new Uint8Array(new X509Certificate(pem).raw),
};

interface TestRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | object;
  readonly caller?: Caller;
  readonly historicalState?: HistoricalState;
}

interface TestResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly json: unknown;
  readonly claimsDigest: Uint8Array | undefined;
}

const noHistory: HistoricalAccess = { range: () => undefined, drop: () => undefined };

export interface TestHost {
  readonly store: Store;
  readonly lines: string[];
  historical: HistoricalAccess;
  readonly application: ReturnType<typeof createScriptApplication>;
  install(endpoints: object, modules: Readonly<Record<string, string>>): void;
  setOptions(options: Partial<StoredRuntimeOptions>): void;
  send(method: string, url: string, request?: TestRequest): TestResponse;
}

export function createTestHost(crypto: AppCrypto = testCrypto): TestHost {
  const store = createStore();
  const lines: string[] = [];
  const nowMs = () => 1_700_000_000_000;
  const engine = createSesEngine({ rng: { bytes: crypto.randomBytes }, nowMs });
  const hash = { sha256: (data: Uint8Array) => crypto.digest("SHA-256", data) };
  const application = createScriptApplication({
    engine,
    api: { crypto, hash, nowMs },
    log: (level, message) => lines.push(`${level}: ${message}`),
  });
  const host: TestHost = {
    store,
    lines,
    historical: noHistory,
    application,
    install(endpoints, modules) {
      const list = Object.entries(modules).map(([name, module]) => ({ name, module }));
      const bundle = parseBundle({ metadata: { endpoints }, modules: list });
      const transaction = store.begin("node");
      setJsApp(transaction, bundle);
      store.commit(transaction);
    },
    setOptions(options) {
      const transaction = store.begin("node");
      const base = {
        max_heap_bytes: 104_857_600,
        max_stack_bytes: 1e6,
        max_execution_time_ms: 1000,
      };
      runtimeOptionsValue(transaction).set({ ...base, ...options });
      store.commit(transaction);
    },
    send: (method, url, request = {}) => send(host, method, url, request),
  };
  return host;
}

function toBytes(body: TestRequest["body"]): Uint8Array {
  if (body === undefined) return new Uint8Array(0);
  if (body instanceof Uint8Array) return body;
  return utf8ToBytes(typeof body === "string" ? body : JSON.stringify(body));
}

function send(host: TestHost, method: string, url: string, options: TestRequest): TestResponse {
  const { store, application } = host;
  const [path = "", query = ""] = url.split("?");
  const reading = store.begin("node");
  const match = application.endpoints.find(reading, method, path);
  reading.discard();
  if (match.kind !== "found") throw new Error(`no endpoint ${method} ${path}: ${match.kind}`);
  const { endpoint, params } = match;
  const headers = new Map(Object.entries(options.headers ?? {}));
  const request = {
    method,
    url: `/app${url}`,
    path,
    query,
    headers,
    body: toBytes(options.body),
    session: { id: 1, interfaceName: "test", certificate: undefined },
  };
  const context: ExecutionContext = {
    endpoint,
    params,
    caller: options.caller ?? { policy: "no_auth" },
    consensus: {
      view: 2,
      lastCommitted: () => ({ view: 2, seqno: store.seqno }),
      status: ({ seqno }) => (seqno <= store.seqno ? "Committed" : "Unknown"),
      viewOf: (seqno) => (seqno <= store.seqno ? 2 : undefined),
    },
    historical: host.historical,
    nowMs: 0,
    ...(options.historicalState === undefined ? {} : { historicalState: options.historicalState }),
  };
  const access = endpoint.mode === "readwrite" ? "application" : "applicationReadOnly";
  const transaction = store.begin(access);
  const outcome = application.execute(transaction, { request }, context);
  if (outcome.applyWrites) store.commit(transaction);
  else transaction.discard();
  return toTestResponse(outcome.response, outcome.claimsDigest);
}

function toTestResponse(response: AppResponse, claimsDigest: Uint8Array | undefined): TestResponse {
  const { status, headers, body } = response;
  const bytes = typeof body === "string" ? utf8ToBytes(body) : body;
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  const isJson = headers["content-type"] === "application/json";
  return {
    status,
    headers,
    text,
    bytes,
    json: isJson ? JSON.parse(text) : undefined,
    claimsDigest,
  };
}

/** An endpoint of a bundle without authentication. */
export function endpointOf(
  module: string,
  name: string,
  mode: "readwrite" | "readonly" | "historical" = "readwrite",
  reuseKey?: string,
): object {
  return {
    js_module: module,
    js_function: name,
    forwarding_required: "always",
    authn_policies: ["no_auth"],
    mode,
    openapi: {},
    ...(reuseKey === undefined ? {} : { interpreter_reuse: { key: reuseKey } }),
  };
}

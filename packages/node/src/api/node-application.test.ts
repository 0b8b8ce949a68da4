import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesToHex } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import type { AppResponse, Endpoint, ExecutionContext, TxStatus } from "@coco/runtime";
import {
  ChunkReader,
  createStore,
  decodeLedgerEntry,
  decodeWriteSet,
  orderLedgerFiles,
  type Store,
  writeSetToChanges,
} from "@coco/store";
import { describe, expect, it } from "vitest";
import { createNodeApplication, withCommonEndpoints } from "./node-application.ts";
import type { NodeApiPorts } from "./ports.ts";

const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const hasVectors = existsSync(join(vectors, "ccf-http"));
if (!hasVectors)
  console.warn(`no vectors in ${vectors}: recorded /node exchanges are not compared`);
const crypto = createNodeCrypto();
const nodeId = "8f7f78c12379ed5cf03960f9c5f49c094d94252ffa61fb75ded8c4b1abde24cc";

interface Exchange {
  readonly set: string;
  readonly note: string | null;
  readonly request: { readonly method: string; readonly path: string; readonly body?: string };
  readonly response: {
    readonly status: number;
    readonly rawHeaders: readonly string[];
    readonly body?: string;
  };
}

/** The public state of the recorded service after transaction `seqnoMax`. */
function replay(seqnoMax: number): Store {
  const directory = join(vectors, "ccf-ledgers/live_service/ledger");
  const files = readdirSync(directory).map((name) => {
    const bytes = readFileSync(join(directory, name));
    const read = (offset: number, lengthBytes: number) =>
      bytes.subarray(offset, offset + lengthBytes);
    return { name, sizeBytes: bytes.length, read };
  });
  const store = createStore();
  for (const { file } of orderLedgerFiles(files).chunks) {
    for (const { seqno, bytes } of new ChunkReader(file).entries()) {
      if (seqno > seqnoMax) return store;
      const entry = decodeLedgerEntry(bytes);
      const writeSet = decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset);
      store.apply(writeSetToChanges(writeSet));
    }
  }
  return store;
}

const details = {
  acks: {},
  configs: [{ idx: 1, nodes: { [nodeId]: { address: "127.0.0.1:8001" } }, rid: 1 }],
  current_view: 2,
  leadership_state: "Leader",
  membership_state: "Active",
  primary_id: nodeId,
  reconfiguration_type: "OneTransaction",
  ticking: true,
} as const;

function createPorts(selfSignedCertificate = "", isPrimary = true): NodeApiPorts {
  const committedSeqno = 21;
  const status = ({ view, seqno }: { view: number; seqno: number }): TxStatus => {
    if (view !== 2) return "Invalid";
    return seqno <= committedSeqno ? "Committed" : seqno <= 26 ? "Pending" : "Unknown";
  };
  return {
    node: {
      nodeId,
      state: "PartOfNetwork",
      startupSeqno: 0,
      isStopping: false,
      selfSignedCertificate,
      rpcInterfaces: {},
      nodeData: null,
    },
    consensus: {
      view: 2,
      isPrimary,
      primaryId: nodeId,
      lastCommitted: () => ({ view: 2, seqno: committedSeqno }),
      status,
      viewOf: (seqno) => (seqno <= 26 ? 2 : undefined),
      viewHistory: () => [
        { view: 1, seqno: 1 },
        { view: 2, seqno: 1 },
      ],
      details: () => details,
    },
    receipts: { find: () => ({ kind: "fetching" }) },
    metrics: {
      text: () => "coco_transactions_total 26\n",
      sessions: () => ({ active: 1, peak: 2, interfaces: {} }),
      memory: () => ({ currentBytes: 1, maxBytes: 2, peakBytes: 1 }),
      jwtRefresh: () => ({ attempts: 0, failures: 0, successes: 0 }),
    },
    version: "0.1.0",
    certificateToNodeId: (der) => bytesToHex(crypto.sha256(crypto.parse(der).publicKey)),
  };
}

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function ask(store: Store, ports: NodeApiPorts, asked: Asked) {
  const application = createNodeApplication(ports);
  const { method = "GET", path: url, headers = {} } = asked;
  const [path = "", query = ""] = url.slice("/node".length).split("?");
  const transaction = store.begin("node");
  const match = application.endpoints.find(transaction, method, path);
  if (match.kind !== "found") return { match };
  const request = {
    method,
    url,
    path,
    query,
    headers: { get: (name: string) => headers[name], entries: () => Object.entries(headers) },
    body: Buffer.from(asked.body ?? ""),
    session: { id: 1, interfaceName: "primary", certificate: undefined },
  };
  const context = { endpoint: match.endpoint, params: match.params } as unknown;
  const outcome = application.execute(transaction, { request }, context as ExecutionContext);
  if (outcome.applyWrites) store.commit(transaction);
  return { match, endpoint: match.endpoint, response: outcome.response, outcome };
}

function headerNames(endpoint: Endpoint, response: AppResponse): string[] {
  const names = new Set([...Object.keys(response.headers), "content-length"]);
  if (endpoint.isStoreFree !== true && response.status < 400) names.add("x-ms-ccf-transaction-id");
  return [...names].sort();
}

/** Recorded /node answers that this program gives in another way, and why. */
const deliberateDifferences: Readonly<Record<string, string>> = {
  "/node/version": "another software",
  "/node/memory": "another process",
  "/node/js_metrics": "no QuickJS byte code",
  "/node/api": "own descriptions; the paths are compared below",
  "/node/snapshot": "no snapshot is offered by these ports",
  "/node/receipt": "compared in the historical room",
};

describe.runIf(hasVectors)("the recorded /node exchanges", () => {
  const lines = readFileSync(join(vectors, "ccf-http/exchanges.jsonl"), "utf8").trim().split("\n");
  const exchanges = lines
    .map((line) => JSON.parse(line) as Exchange)
    .filter(({ set, request }) => set === "main" && request?.path.startsWith("/node/"))
    .filter(({ request }) => !["OPTIONS", "TRACE"].includes(request.method));
  const first = exchanges.findIndex(({ request }) => request.path === "/node/state");
  const selfSigned = exchanges.find(({ request }) =>
    request.path.endsWith("/self_signed_certificate"),
  );
  const { self_signed_certificate: certificate } = JSON.parse(selfSigned!.response.body!) as {
    self_signed_certificate: string;
  };
  const store = replay(26);
  const compared = exchanges
    .slice(first)
    .filter(({ request }) => !request.path.endsWith("/node/commit") || request.method !== "GET")
    .filter(({ request }) => deliberateDifferences[request.path.split("?")[0]!] === undefined)
    .map((exchange) => ({
      ...exchange,
      title: `${exchange.request.method} ${exchange.request.path}`,
    }));

  // Goal: over the recorded service's own state, every answer is byte for byte the recorded one.
  it.each(compared)("$title", ({ request, response: recorded }) => {
    const { endpoint, response } = ask(store, createPorts(certificate), request);
    expect(response?.status).toBe(recorded.status);
    expect(String(response?.body)).toBe(recorded.body ?? "");
    const names = recorded.rawHeaders.filter((_, index) => index % 2 === 0);
    expect(headerNames(endpoint!, response!)).toEqual(names);
  });

  // Goal: the comparison above is no empty one.
  it("compares at least 25 exchanges", () => {
    expect(compared.length).toBeGreaterThanOrEqual(25);
  });

  // Goal: what differs on purpose still has the recorded status and fields.
  it.each(["/node/version", "/node/memory", "/node/js_metrics"])("%s has its fields", (path) => {
    const recorded = exchanges.find(({ request }) => request.path === path)!.response;
    const { response } = ask(store, createPorts(), { path });
    expect(response?.status).toBe(recorded.status);
    const keys = (body: string) => Object.keys(JSON.parse(body) as object);
    expect(keys(String(response?.body))).toEqual(keys(recorded.body!));
  });
});

describe("createNodeApplication", () => {
  const store = createStore();

  // Goal: bad ids and ranges are refused with the codes of the dialect.
  it.each([
    ["/node/tx", 400, "InvalidQueryParameterValue"],
    ["/node/tx?transaction_id=2", 400, "InvalidQueryParameterValue"],
    ["/node/tx?transaction_id=0.0", 400, "InvalidQueryParameterValue"],
    ["/node/tx?transaction_id=2.99999999999999999999", 400, "InvalidQueryParameterValue"],
    ["/node/receipt", 404, "TransactionInvalid"],
    ["/node/receipt?transaction_id=2.30", 404, "TransactionPendingOrUnknown"],
    ["/node/receipt?transaction_id=9.2", 404, "TransactionInvalid"],
    ["/node/commit?view_history=maybe", 400, "InvalidQueryParameterValue"],
    ["/node/commit?view_history_since=x", 400, "InvalidQueryParameterValue"],
    ["/node/commit?view_history_since=0", 400, "InvalidQueryParameterValue"],
    ["/node/commit?view_history_since=3", 404, "InvalidQueryParameterValue"],
    ["/node/network/nodes?status=Sleeping", 400, "InvalidQueryParameterValue"],
    ["/node/network", 404, "ResourceNotFound"],
    ["/node/snapshot", 404, "ResourceNotFound"],
    ["/node/snapshot/..%2fkey.pem", 404, "ResourceNotFound"],
  ])("%s gives %i %s", (path, status, code) => {
    const { response } = ask(store, createPorts(), { path });
    expect(response?.status).toBe(status);
    expect(JSON.parse(String(response?.body))).toMatchObject({ error: { code } });
  });

  // Goal: a transaction that is still being read is a 202 that says when to ask again.
  it("answers 202 while a receipt is being made", () => {
    const { response } = ask(store, createPorts(), { path: "/node/receipt?transaction_id=2.17" });
    expect(response).toEqual({
      status: 202,
      headers: { "content-type": "text/plain", "retry-after": "3" },
      body: "Historical transaction 2.17 is not currently available.",
    });
  });

  // Goal: metrics are Prometheus text, and the dialect's JSON where that is asked for.
  it("gives metrics in two forms", () => {
    const path = "/node/metrics";
    const text = ask(store, createPorts(), { path });
    expect(text.response?.headers["content-type"]).toMatch(/^text\/plain; version=0.0.4/);
    expect(text.response?.body).toBe("coco_transactions_total 26\n");
    const json = ask(store, createPorts(), { path, headers: { accept: "application/json" } });
    expect(JSON.parse(String(json.response?.body))).toMatchObject({ sessions: { active: 1 } });
  });

  // Goal: ranges of snapshots are bounded and never leave the file.
  it("serves ranges of a snapshot", () => {
    const bytes = Buffer.from("0123456789");
    const name = "snapshot_15_16.committed";
    const snapshots = {
      latest: (since: number) => (since < 15 ? name : undefined),
      sizeBytes: (asked: string) => (asked === name ? bytes.length : undefined),
      read: (_: string, start: number, end: number) => bytes.subarray(start, end),
    };
    const ports = { ...createPorts(), snapshots };
    const path = `/node/snapshot/${name}`;
    const get = (range?: string) =>
      ask(store, ports, { path, headers: range === undefined ? {} : { range } }).response!;
    expect(String(get().body)).toBe("0123456789");
    expect(get().headers["content-range"]).toBe("bytes 0-10/10");
    expect(String(get("bytes=2-4").body)).toBe("23");
    expect(String(get("bytes=7-").body)).toBe("789");
    expect(String(get("bytes=-3").body)).toBe("789");
    expect(String(get("bytes=-300").body)).toBe("0123456789");
    for (const bad of [
      "lines=1-2",
      "bytes=1-2,3-4",
      "bytes=-",
      "bytes=5-2",
      "bytes=11-",
      "bytes=a-b",
    ]) {
      expect(get(bad).status, bad).toBe(400);
    }
    expect(ask(store, ports, { path: "/node/snapshot" }).response?.headers["location"]).toBe(path);
    expect(ask(store, ports, { path: "/node/snapshot?since=15" }).response?.status).toBe(404);
    expect(ask(store, ports, { path, method: "HEAD" }).response?.status).toBe(200);
  });

  // Goal: the right verbs are offered, and a fixed path wins over a template.
  it("knows paths and verbs", () => {
    expect(ask(store, createPorts(), { path: "/node/nosuch" }).match.kind).toBe("unknownPath");
    const wrong = ask(store, createPorts(), { path: "/node/network/nodes/abc", method: "PUT" });
    expect(wrong.match).toEqual({ kind: "wrongMethod", allowed: ["GET", "DELETE"] });
    const self = ask(store, createPorts(), { path: "/node/network/nodes/self", method: "DELETE" });
    expect(self.match).toEqual({ kind: "wrongMethod", allowed: ["GET"] });
  });

  // Goal: the document names the paths of the dialect and no schema is missing from it.
  it("describes itself in OpenAPI", () => {
    const { response } = ask(store, createPorts(), { path: "/node/api" });
    const text = String(response?.body);
    const document = JSON.parse(text) as {
      paths: Record<string, object>;
      components: { schemas: Record<string, unknown> };
    };
    expect(Object.keys(document.paths)).toContain("/node/network/nodes/{node_id}");
    expect(document.paths["/node/primary"]).toMatchObject({ get: {}, head: {} });
    for (const [, name] of text.matchAll(/#\/components\/schemas\/([A-Za-z0-9_]+)/g)) {
      expect(document.components.schemas, name).toHaveProperty(name!);
    }
  });

  // Goal: an application keeps its own endpoints and gains the common ones.
  it("adds the common endpoints to an application", () => {
    const own = createNodeApplication(createPorts());
    const joined = withCommonEndpoints({ ...own, name: "app", prefix: "/app" }, createPorts());
    const transaction = store.begin("node");
    const found = joined.endpoints.find(transaction, "GET", "/commit");
    expect(found.kind === "found" && found.endpoint.isOpenBeforeService).toBe(true);
    const empty = { find: () => ({ kind: "unknownPath" }) as const, list: () => [] };
    const bare = withCommonEndpoints({ ...own, prefix: "/app", endpoints: empty }, createPorts());
    const added = bare.endpoints.find(transaction, "GET", "/receipt");
    expect(added.kind === "found" && added.endpoint.isOpenBeforeService).toBe(false);
    expect(bare.endpoints.find(transaction, "POST", "/tx").kind).toBe("wrongMethod");
  });
});

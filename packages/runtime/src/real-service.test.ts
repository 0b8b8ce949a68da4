/** Routing, authentication and the stored app against a real service: its ledger, its answers. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { bytesToLatin1, pemToDer } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  auditLedger,
  type Changes,
  createStore,
  type Store,
  type TypedTable,
  writeSetToChanges,
} from "@coco/store";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type AppRequest,
  createAuthenticator,
  createOpenapiDocument,
  createStaticEndpointTable,
  createStoredEndpointTable,
  describeEndpoints,
  type Endpoint,
  endpointsTable,
  jwtIssuersTable,
  jwtSigningKeysTable,
  memberAcksTable,
  memberCertificatesTable,
  memberEncryptionKeysTable,
  memberInfoTable,
  modulesTable,
  parseBundle,
  refusalToResponse,
  routeRequest,
  rpcErrorStatuses,
  setJsApp,
  setJwtPublicSigningKeys,
  tableNames,
  toSortedJson,
  userCertificatesTable,
  userInfoTable,
} from "./index.ts";

const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const ledger = `${vectors}/ccf-ledgers/live_service`;
const isHere = existsSync(ledger);
const crypto = createNodeCrypto();

interface Exchange {
  readonly set: string;
  readonly note: string | null;
  readonly ts: string;
  readonly client: string | null;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string | number>>;
    readonly body_base64?: string;
    readonly body?: string;
  };
  readonly response: {
    readonly status: number;
    readonly rawHeaders: readonly string[];
    readonly body?: string;
  };
}

let exchanges: readonly Exchange[] = [];
let store: Store;
let history: Changes[] = [];
/** Table contents as the real service wrote them, for comparing bytes. */
const written = new Map<string, Map<string, string>>();

function readExchanges(): Exchange[] {
  return readFileSync(`${vectors}/ccf-http/exchanges.jsonl`, "utf8")
    .split("\n")
    .filter((line) => line.includes('"request"'))
    .map((line) => JSON.parse(line) as Exchange)
    .filter(({ set }) => set === "main" || set === "extra");
}

function replayLedger(): Store {
  const replayed = createStore();
  history = [];
  const files = readdirSync(`${ledger}/ledger`).map((name) => {
    const bytes = new Uint8Array(readFileSync(`${ledger}/ledger/${name}`));
    const read = (offset: number, lengthBytes: number) =>
      bytes.subarray(offset, offset + lengthBytes);
    return { name, sizeBytes: bytes.length, read };
  });
  auditLedger(files, {
    crypto,
    onTransaction: ({ writeSet }) => {
      const changes = writeSetToChanges(writeSet);
      history.push(changes);
      replayed.apply(changes);
      for (const map of writeSet.maps) {
        const rows = written.get(map.name) ?? new Map<string, string>();
        for (const [key, value] of map.writes) rows.set(bytesToLatin1(key), bytesToLatin1(value));
        written.set(map.name, rows);
      }
    },
  });
  return replayed;
}

function toRequest({ request, client }: Exchange, prefix: string): AppRequest {
  const [full = "", query = ""] = request.path.split("?", 2);
  const headers = new Map(Object.entries(request.headers).map(([key, value]) => [key, `${value}`]));
  const pem =
    client === null ? undefined : readFileSync(`${ledger}/common/${client}_cert.pem`, "latin1");
  const der = pem === undefined ? undefined : pemToDer(pem);
  return {
    method: request.method,
    url: request.path,
    path: full.startsWith(prefix) ? full.slice(prefix.length) : full,
    query,
    headers: { get: (name) => headers.get(name), entries: () => headers },
    body: new Uint8Array(Buffer.from(request.body_base64 ?? "", "base64")),
    session: {
      id: 1,
      interfaceName: "main",
      certificate:
        der === undefined || pem === undefined
          ? undefined
          : { der, pem, fingerprint: createHash("sha256").update(der).digest("hex") },
    },
  };
}

function find(note: string): Exchange {
  const exchange = exchanges.find((candidate) => candidate.note === note);
  if (exchange === undefined) throw new Error(`no exchange called ${note}`);
  return exchange;
}

function headerOf({ response }: Exchange, name: string): string | undefined {
  const at = response.rawHeaders.indexOf(name);
  return at < 0 ? undefined : response.rawHeaders[at + 1];
}

const builtIn: Endpoint[] = ["api", "commit", "tx", "receipt"].map((name) => ({
  path: `/${name}`,
  method: "GET",
  mode: "readonly",
  authnPolicies: [],
  forwardingRequired: "sometimes",
  redirectionStrategy: "none",
}));

describe.skipIf(!isHere)("against a real service", () => {
  beforeAll(() => {
    exchanges = readExchanges();
    store = replayLedger();
  });

  const routed = [
    "OPTIONS on app endpoint",
    "PUT on GET/POST/DELETE endpoint -> 405",
    "HEAD on GET endpoint",
    "app 404",
  ];
  it.each(routed)("answers as recorded: %s", (note) => {
    const exchange = find(note);
    const request = toRequest(exchange, "/app");
    const table = createStoredEndpointTable(builtIn);
    const routing = routeRequest(table, store.begin("application"), request);
    expect(routing.kind).toBe("answered");
    if (routing.kind !== "answered") return;
    expect(routing.response.status).toBe(exchange.response.status);
    expect(routing.response.body).toBe(exchange.response.body);
    expect(routing.response.headers["allow"]).toBe(headerOf(exchange, "allow"));
  });

  const elsewhere: readonly (readonly [note: string, prefix: string])[] = [
    ["OPTIONS /node/state", "/node"],
    ["TRACE /node/state", "/node"],
    ["node 404", "/node"],
    ["gov 404", "/gov"],
    ["root 404", "/app"],
  ];
  it.each(elsewhere)("answers as recorded outside the app: %s", (note, prefix) => {
    const exchange = find(note);
    const table = createStaticEndpointTable([{ ...builtIn[0]!, path: "/state" }]);
    const request = toRequest(exchange, prefix);
    const routing = routeRequest(table, store.begin("application"), request);
    if (routing.kind !== "answered") throw new Error("an endpoint was found");
    expect(routing.response.status).toBe(exchange.response.status);
    expect(routing.response.body).toBe(exchange.response.body ?? "");
    expect(routing.response.headers["allow"]).toBe(headerOf(exchange, "allow"));
  });

  it("routes every app request that the real service served", () => {
    const table = createStoredEndpointTable(builtIn);
    const served = exchanges.filter(
      ({ request, response }) => request.path.startsWith("/app/") && response.status === 200,
    );
    expect(served.length).toBeGreaterThan(10);
    for (const exchange of served) {
      const request = toRequest(exchange, "/app");
      const routing = routeRequest(table, store.begin("application"), request);
      expect(routing.kind, request.url).toBe("found");
    }
  });

  const denied = [
    "app read: member cert on a user endpoint -> 401",
    "JWT expired on /log/private",
    "JWT wrong issuer on /log/private",
    "JWT unknown kid on /log/private",
  ];
  it.each(denied)("refuses as recorded: %s", (note) => {
    const exchange = find(note);
    const request = toRequest(exchange, "/app");
    const authenticator = createAuthenticator({ verifier: crypto });
    const transaction = store.begin("application");
    const nowMs = Date.parse(exchange.ts);
    const result = authenticator.authenticate(["jwt", "user_cert"], {
      request,
      transaction,
      nowMs,
    });
    if (result.kind === "caller") throw new Error("it was let in");
    const response = refusalToResponse(result);
    expect(response.status).toBe(401);
    expect(response.body).toBe(exchange.response.body);
    expect(response.headers["www-authenticate"]).toBe(headerOf(exchange, "www-authenticate"));
  });

  it("refuses a malformed token with the same reason up to the parser's own words", () => {
    const exchange = find("app read: malformed JWT");
    const { body = "" } = exchange.response;
    const recorded = JSON.parse(body).error.details[0].message as string;
    const result = createAuthenticator({ verifier: crypto }).authenticate(["jwt"], {
      request: toRequest(exchange, "/app"),
      transaction: store.begin("application"),
      nowMs: Date.parse(exchange.ts),
    });
    const reason = result.kind === "refused" ? result.failures[0]?.message : undefined;
    expect(reason).toBe("JWT header or payload is not valid JSON");
    expect(recorded.startsWith(`${reason}: `)).toBe(true);
  });

  it("lets in the JWT and the signed request that the real service let in", () => {
    const authenticator = createAuthenticator({ verifier: crypto });
    const authenticate = (exchange: Exchange, policy: string) =>
      authenticator.authenticate([policy], {
        request: toRequest(exchange, "/app"),
        transaction: store.begin("application"),
        nowMs: Date.parse(exchange.ts),
      });
    const jwt = authenticate(find("JWT valid on /log/private"), "jwt");
    expect(jwt).toMatchObject({
      kind: "caller",
      caller: { policy: "jwt", jwt: { keyIssuer: "https://issuer.example.com" } },
    });
    // The second time comes from the cache of verified tokens.
    expect(authenticate(find("JWT valid on /log/private"), "jwt")).toEqual(jwt);
    const cose = authenticate(find("multi_auth with user COSE Sign1"), "user_cose_sign1");
    expect(cose.kind === "caller" && cose.caller.policy).toBe("user_cose_sign1");
  });

  it("judges every recorded governance request as the real service did", () => {
    const authenticator = createAuthenticator({ verifier: crypto });
    const types: readonly [RegExp, string, string][] = [
      [/proposals:create/, "active_member_cose_sign1", "proposal"],
      [/ballots\/.*:submit/, "active_member_cose_sign1", "ballot"],
      [/:withdraw/, "active_member_cose_sign1", "withdrawal"],
      [/:update/, "member_cose_sign1", "state_digest"],
      [/:ack/, "member_cose_sign1", "ack"],
    ];
    let count = 0;
    let latest = 0;
    const past = createStore();
    for (const exchange of exchanges) {
      const { request, response, note } = exchange;
      // The state in which the service judged: before the transaction of the answer, or where
      // the answers before it were when it has none.
      const [, text] = (headerOf(exchange, "x-ms-ccf-transaction-id") ?? "").split(".");
      const before = text === undefined ? latest : Number(text) - 1;
      latest = Math.max(latest, Number(text ?? 0));
      while (past.seqno < before) past.apply(history[past.seqno]!);
      const isSigned = request.headers["content-type"] === "application/cose";
      const type = types.find(([pattern]) => pattern.test(request.path));
      if (request.method !== "POST" || !isSigned || type === undefined) continue;
      const body = response.body ?? "";
      const isParsed = !/created_at in protected|not tagged|decode COSE|outer array/.test(body);
      const result = authenticator.authenticate([type[1]], {
        request: toRequest(exchange, "/gov"),
        transaction: past.begin("governanceReadOnly"),
        nowMs: Date.parse(exchange.ts),
        expectedMessageType: type[2],
      });
      count++;
      const isMissingVersion = body.includes("MissingApiVersion");
      if (response.status === 401 || !isParsed) {
        if (result.kind === "caller") throw new Error(`${note} was let in`);
        const ours = refusalToResponse(result, true);
        if (!isMissingVersion) expect(ours.body, note ?? "").toBe(body);
        expect(ours.headers["www-authenticate"]).toBe(headerOf(exchange, "www-authenticate"));
      } else {
        expect(result.kind, `${note} ${JSON.stringify(result)}`).toBe("caller");
      }
    }
    expect(count).toBeGreaterThan(40);
  });

  it("stores the app, byte for byte, as the real service did", () => {
    const proposals = [...written.get("public:ccf.gov.proposals")!.values()];
    const proposal = Buffer.from(proposals.find((text) => text.includes("set_js_app"))!, "latin1");
    const { actions } = JSON.parse(proposal.toString());
    const action = actions.find((item: { name: string }) => item.name === "set_js_app");
    const own = createStore();
    const transaction = own.begin("governanceApply");
    setJsApp(transaction, parseBundle(action.args.bundle));
    own.commit(transaction);
    for (const name of [tableNames.endpoints, tableNames.modules, tableNames.interpreterFlush]) {
      const rows = new Map<string, string>();
      own
        .begin("node")
        .table(name)
        .forEachText((value, key) => void rows.set(key, value));
      const sorted = (map: Map<string, string>) =>
        [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
      expect(sorted(rows), name).toEqual(sorted(written.get(name)!));
      expect(rows.size).toBeGreaterThan(0);
    }
    const described = describeEndpoints(own.begin("node"), "camel");
    const recorded = exchanges.find(({ request }) =>
      request.path.startsWith("/gov/service/javascript-app?api-version"),
    );
    expect(toSortedJson({ endpoints: described })).toBe(recorded?.response.body);
  });

  it("stores JWT keys, byte for byte, as the real service did", () => {
    const theirs = written.get(tableNames.jwtSigningKeys)!;
    const line = readFileSync(`${vectors}/ccf-http/exchanges.jsonl`, "utf8")
      .split("\n")
      .find((text) => text.includes("proposal set_jwt_issuer + keys"));
    const body = Buffer.from(JSON.parse(line!).request.body_base64, "base64").toString("latin1");
    const text = body.slice(body.indexOf('{"actions"'), body.lastIndexOf("}") + 1);
    const { issuer, jwks } = JSON.parse(text).actions[1].args;
    const own = createStore();
    const transaction = own.begin("governanceApply");
    const changes = setJwtPublicSigningKeys(transaction, issuer, jwks, crypto);
    expect(changes).toEqual({ written: ["k1"], removed: [] });
    expect(transaction.table(tableNames.jwtSigningKeys).getText("k1")).toBe(theirs.get("k1"));
    expect(setJwtPublicSigningKeys(transaction, issuer, jwks, crypto).written).toEqual([]);
    expect(jwtSigningKeysTable(transaction).get("k1")).toHaveLength(1);
  });

  it("describes the app in OpenAPI as the real service did", () => {
    const exchange = exchanges.find(({ request }) => request.path === "/app/api")!;
    const theirs = JSON.parse(exchange.response.body!);
    const ours = createOpenapiDocument({
      table: createStoredEndpointTable(builtIn),
      transaction: store.begin("application"),
      prefix: "/app",
    }) as typeof theirs;
    expect(Object.keys(ours.paths)).toEqual(Object.keys(theirs.paths));
    for (const path of Object.keys(theirs.paths)) {
      if (["/app/api", "/app/commit", "/app/tx", "/app/receipt"].includes(path)) {
        expect(ours.paths[path].get.operationId).toBe(theirs.paths[path].get.operationId);
      } else {
        expect(ours.paths[path], path).toEqual(theirs.paths[path]);
      }
    }
    expect(ours.info).toEqual(theirs.info);
    expect(ours.openapi).toBe(theirs.openapi);
  });

  it("reads every built-in table, and writes the same bytes again", () => {
    const transaction = store.begin("node");
    const tables = [
      memberCertificatesTable(transaction),
      memberEncryptionKeysTable(transaction),
      memberInfoTable(transaction),
      memberAcksTable(transaction),
      userCertificatesTable(transaction),
      userInfoTable(transaction),
      jwtIssuersTable(transaction),
      jwtSigningKeysTable(transaction),
      endpointsTable(transaction),
      modulesTable(transaction),
    ];
    for (const typed of tables) {
      const table: TypedTable<string, unknown> = typed;
      const raw = transaction.table(table.name);
      const before = [...raw.rangeText()];
      expect(before.length, table.name).toBeGreaterThan(0);
      for (const [key, value] of [...table.entries()]) table.set(key, value);
      expect([...raw.rangeText()], table.name).toEqual(before);
    }
  });

  it("knows every error code that the real service sent", () => {
    const codes = new Set<string>();
    for (const { response } of exchanges) {
      if (response.status < 400 || !response.body?.startsWith('{"error"')) continue;
      codes.add(JSON.parse(response.body).error.code);
    }
    expect(codes.size).toBeGreaterThan(10);
    for (const code of codes) expect(Object.keys(rpcErrorStatuses)).toContain(code);
  });
});

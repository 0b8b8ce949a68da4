import { storeErrors } from "@coco/store";
import { expect, test } from "vitest";
import { createTestHost, endpointOf, type TestHost } from "./script-application.testing.ts";

/** A host with one module; each exported function `name` is the endpoint `/name`. */
function hostOf(source: string, mode?: "readonly", reuseKey?: string): TestHost {
  const host = createTestHost();
  const names = [...source.matchAll(/export (?:async )?function (\w+)/g)].map((match) => match[1]!);
  const endpoints = names.map((name) => [
    `/${name}`,
    { post: endpointOf("main.js", name, mode ?? "readwrite", reuseKey) },
  ]);
  host.install(Object.fromEntries(endpoints), { "main.js": source });
  return host;
}

test("request object: every part, as JSON and by reading", () => {
  const host = createTestHost();
  host.install(
    { "/log/{id}": { put: endpointOf("a.js", "f") } },
    {
      "a.js": `export function f(request) {
        return { body: [JSON.stringify(request), request.body.text(), request.body.json(),
          request.body.arrayBuffer().byteLength, "x-a" in request.headers] };
      }`,
    },
  );
  const response = host.send("PUT", "/log/7?a=1&b", {
    headers: { host: "h:1", "x-a": "b" },
    body: { ä: 1 },
  });
  const [json, text, parsed, length, hasHeader] = response.json as [string, ...unknown[]];
  expect(JSON.parse(json)).toEqual({
    headers: { host: "h:1", "x-a": "b" },
    query: "a=1&b",
    path: "/app/log/7",
    method: "PUT",
    hostname: "h:1",
    route: "/app/log/{id}",
    url: "/app/log/7?a=1&b",
    params: { id: "7" },
    body: {},
    caller: { policy: "no_auth" },
  });
  expect([text, parsed, length, hasHeader]).toEqual(['{"ä":1}', { ä: 1 }, 8, true]);
});

test("responses: content types, status, headers", () => {
  const host = hostOf(`
    export function nothing() { return {}; }
    export function text() { return { body: "t", statusCode: 201, headers: { "X-A": 5 } }; }
    export function buffer() { return { body: new Uint8Array([0, 1, 2, 3]).subarray(1, 3) }; }
    export function plain() { return { body: new ArrayBuffer(2) }; }
    export function json() { return { body: { b: 1, a: [true, null] } }; }
    export function isTrue() { return { body: true }; }
    export function isNull() { return { body: null, statusCode: null }; }
    export function own() { return { body: "<a>", headers: { "content-type": "text/html" } }; }
    export async function later() { return { body: await Promise.resolve("later") }; }
  `);
  const send = (name: string) => host.send("POST", `/${name}`);
  expect(send("nothing")).toMatchObject({ status: 200, headers: {}, text: "" });
  expect(send("text")).toMatchObject({
    status: 201,
    headers: { "content-type": "text/plain", "x-a": "5" },
    text: "t",
  });
  expect(send("buffer").bytes).toEqual(new Uint8Array([1, 2]));
  expect(send("plain").headers).toEqual({ "content-type": "application/octet-stream" });
  expect(send("json").text).toBe('{"b":1,"a":[true,null]}');
  expect(send("isTrue").text).toBe("true");
  expect(send("isNull").text).toBe("null");
  expect(send("own").headers["content-type"]).toBe("text/html");
  expect(send("later").text).toBe("later");
});

test("return values that cannot be answered are errors with CCF's messages", () => {
  const host = hostOf(`
    export function none() {}
    export function status() { return { statusCode: "200" }; }
    export function low() { return { statusCode: 7 }; }
    export function circular() { const a = {}; a.a = a; return { body: a }; }
    export function symbol() { return { body: Symbol("x") }; }
    export function header() { return { headers: { "a b": "c" } }; }
    export function value() { return { headers: { a: "c\\r\\nd: e" } }; }
    export function never() { return new Promise(() => {}); }
    export function frame() { return { headers: { "content-length": "999" } }; }
  `);
  const message = (name: string) => {
    const { status, json } = host.send("POST", `/${name}`);
    expect(status).toBe(500);
    return (json as { error: { code: string; message: string } }).error.message;
  };
  const prefix = "Invalid endpoint function return value";
  expect(message("none")).toBe(`${prefix} (not an object).`);
  expect(message("status")).toBe(`${prefix} (status code type).`);
  expect(message("low")).toBe(`${prefix} (status code type).`);
  expect(message("circular")).toBe(`${prefix} (error during JSON conversion of body).`);
  expect(message("symbol")).toBe(`${prefix} (error during JSON conversion of body).`);
  expect(message("header")).toBe(`${prefix} (header type).`);
  expect(message("value")).toBe(`${prefix} (header value type).`);
  expect(message("never")).toBe("Exception thrown while executing.");
  expect(host.send("POST", "/frame").headers).toEqual({});
});

test("exceptions: details only when asked for; writes are discarded", () => {
  const host = hostOf(`export function f() {
    ccf.kv["public:t"].set(ccf.strToBuf("k"), ccf.strToBuf("v"));
    ccf.rpc.setApplyWrites(true);
    throw new TypeError("bad thing");
  }`);
  const seqno = host.store.seqno;
  expect(host.send("POST", "/f").json).toEqual({
    error: { code: "InternalError", message: "Exception thrown while executing." },
  });
  expect(host.store.seqno).toBe(seqno);
  expect(host.lines).toEqual([]);
  host.setOptions({ return_exception_details: true, log_exception_details: true });
  expect(host.send("POST", "/f").json).toEqual({
    error: {
      code: "InternalError",
      message: "Exception thrown while executing.",
      details: [
        {
          code: "JSException",
          message: "TypeError: bad thing",
          trace: "    at f (/main.js:4:11)\n",
        },
      ],
    },
  });
  expect(host.lines[0]).toContain("TypeError: bad thing");
});

function expectUse(host: TestHost): void {
  expect(host.send("POST", "/use").json).toEqual({
    seen: [
      ["a", "va", true],
      ["ab", "vab", true],
      ["b", "vb", true],
    ],
    size: 3,
    has: true,
    keys: ["a", "ab", "b"],
    values: ["va", "vab", "vb"],
    entries: 3,
    prefix: ["a", "ab"],
    part: ["ab"],
    reverse: ["b", "ab", "a"],
    same: true,
  });
  expect(host.send("POST", "/again").json).toEqual({ version: host.store.seqno - 1, size: 0 });
}

test("kv: maps, order and ranges", () => {
  const host = hostOf(`
    const s = (b) => b === undefined ? b : ccf.bufToStr(b), b = (t) => ccf.strToBuf(t);
    export function use() {
      const t = ccf.kv["public:t"];
      for (const k of ["b", "a", "c", "ab"]) t.set(b(k), b("v" + k));
      t.delete(b("c"));
      const seen = [];
      t.forEach((v, k, m) => seen.push([s(k), s(v), m === t]));
      seen.sort();
      return { body: { seen, size: t.size, has: t.has(b("a")), get: s(t.get(b("none"))),
        version: t.getVersionOfPreviousWrite(b("a")), keys: [...t.keys()].map(s),
        values: Array.from(t.values(), s), entries: [...t.entries()].length,
        prefix: [...t.range({ prefix: b("a") })].map(([k]) => s(k)),
        part: [...t.range({ from: b("ab"), to: b("z"), limit: 1 })].map(([k]) => s(k)),
        reverse: [...t.range({ reverse: true })].map(([k]) => s(k)),
        same: t.set(b("a"), b("1")) === t } };
    }
    export function again() {
      const t = ccf.kv["public:t"];
      const version = t.getVersionOfPreviousWrite(b("a"));
      t.clear();
      return { body: { version, size: t.size } };
    }
  `);
  expectUse(host);
});

test("kv and ccf: wrong arguments and tables", () => {
  const host = hostOf(`
    const b = (t) => ccf.strToBuf(t);
    export function wrong() {
      const t = ccf.kv["public:t"], errors = [];
      const attempts = [
        () => t.set(b("a"), "v"), () => t.get("a"), () => t.get(), () => t.has(1, 2),
        () => t.forEach(1), () => t.get({ __proto__: ArrayBuffer.prototype }),
        () => ccf.kv["public:ccf.gov.users.info"].set(b("a"), b("b")),
        () => ccf.kv["ccf.other"].get(b("a")), () => ccf.strToBuf(1), () => ccf.bufToStr("a"),
        () => ccf.rpc.setClaimsDigest(new ArrayBuffer(3)), () => ccf.crypto.generateAesKey(1),
        () => ccf.bufToJsonCompatible(b("{")), () => ccf.jsonCompatibleToBuf(undefined),
        () => ccf.consensus.getViewForSeqno(-1), () => ccf.pemToId("nothing"),
        () => ccf.crypto.digest("MD5", b("a")), () => { ccf.kv.x = 1 }, () => { ccf.kv = 1 },
        () => snp_attestation.verifySnpAttestation(b("a"), b("b"))];
      for (const f of attempts) {
        try { f(); errors.push("none"); } catch (e) { errors.push(e.name + ": " + e.message); }
      }
      return { body: errors };
    }
  `);
  expect(host.send("POST", "/wrong").json).toEqual([
    "TypeError: Arguments must be ArrayBuffers",
    "TypeError: Argument must be an ArrayBuffer",
    "TypeError: Passed 0 arguments, but expected 1",
    "TypeError: Passed 2 arguments, but expected 1",
    "TypeError: Argument must be a function",
    "TypeError: Argument must be an ArrayBuffer",
    "TypeError: Cannot call set on table named public:ccf.gov.users.info. " +
      "This table is read-only here.",
    "TypeError: Cannot call get on table named ccf.other. This table is inaccessible here.",
    "TypeError: Argument must be a string",
    "TypeError: Argument must be an ArrayBuffer",
    "TypeError: Argument must be an ArrayBuffer of the right size: 32",
    "RangeError: invalid key size (not one of 128, 192, 256)",
    expect.stringContaining("SyntaxError: "),
    "TypeError: Argument must be a string",
    "RangeError: Invalid seqno: cannot be negative",
    expect.stringContaining("Error: Failed to parse PEM: "),
    "RangeError: unsupported digest algorithm, supported: SHA-256, SHA-384, SHA-512",
    expect.stringContaining("TypeError: "),
    expect.stringContaining("TypeError: "),
    "Error: This node cannot verify AMD SEV-SNP attestations",
  ]);
});

test("a read-only endpoint may not write", () => {
  const host = hostOf(
    `export function f() {
      try {
        ccf.kv["t"].set(ccf.strToBuf("k"), ccf.strToBuf("v"));
      } catch (e) {
        return { body: e.message };
      }
    }`,
    "readonly",
  );
  expect(host.send("POST", "/f").text).toBe(
    "Cannot call set on table named t. This table is read-only here.",
  );
});

test("writes are applied for 2xx only, unless the handler says otherwise", () => {
  const host = hostOf(`
    export function put(request) {
      const { value, statusCode, apply } = request.body.json();
      ccf.kv["public:t"].set(ccf.strToBuf("k"), ccf.strToBuf(value));
      if (apply !== undefined) ccf.rpc.setApplyWrites(apply);
      return { statusCode };
    }
    export function get() {
      return { body: ccf.bufToStr(ccf.kv["public:t"].get(ccf.strToBuf("k"))) };
    }
  `);
  const put = (value: string, statusCode: number, apply?: boolean) => {
    host.send("POST", "/put", { body: { value, statusCode, apply } });
    return host.send("POST", "/get").text;
  };
  expect(put("a", 200)).toBe("a");
  expect(put("b", 202)).toBe("b");
  expect(put("c", 302)).toBe("b");
  expect(put("d", 404)).toBe("b");
  expect(put("e", 200, false)).toBe("b");
  expect(put("f", 500, true)).toBe("f");
});

test("reuse: programs are kept by key, bounded, and flushed when the app changes", () => {
  const host = createTestHost();
  const source = (version: number) =>
    `let n = 0; export function f() { return { body: [${version}, ++n] } }`;
  const endpoints = {
    "/fresh": { get: endpointOf("a.js", "f", "readonly") },
    "/a": { get: endpointOf("a.js", "f", "readonly", "a") },
    "/a2": { get: endpointOf("a.js", "f", "readonly", "a") },
    "/b": { get: endpointOf("a.js", "f", "readonly", "b") },
  };
  const get = (path: string) => host.send("GET", path).json;
  host.install(endpoints, { "a.js": source(1) });
  expect([get("/fresh"), get("/fresh")]).toEqual([
    [1, 1],
    [1, 1],
  ]);
  expect([get("/a"), get("/a"), get("/b"), get("/a2")]).toEqual([
    [1, 1],
    [1, 2],
    [1, 1],
    [1, 3],
  ]);
  host.setOptions({ max_cached_interpreters: 1 });
  expect([get("/a"), get("/b"), get("/b"), get("/a")]).toEqual([
    [1, 4],
    [1, 1],
    [1, 2],
    [1, 1],
  ]);
  host.install(endpoints, { "a.js": source(2) });
  expect([get("/a"), get("/fresh"), get("/a")]).toEqual([
    [2, 1],
    [2, 1],
    [2, 2],
  ]);
  host.application.flush();
  expect(get("/a")).toEqual([2, 1]);
});

test("what a program keeps works on the request of the moment, and not between requests", () => {
  const host = hostOf(
    `export function f(request) {
      globalThis.kept ??= { body: request.body, table: ccf.kv["public:t"] };
      kept.table.set(ccf.strToBuf("k"), ccf.strToBuf(kept.body.text()));
      return { body: ccf.bufToStr(ccf.kv["public:t"].get(ccf.strToBuf("k"))) };
    }`,
    undefined,
    "key",
  );
  expect(host.send("POST", "/f", { body: "one" }).text).toBe("one");
  expect(host.send("POST", "/f", { body: "two" }).text).toBe("two");
});

test("claims, consensus, console, dates, random numbers", () => {
  const host = hostOf(`
    export function claims() {
      ccf.rpc.setClaimsDigest(ccf.crypto.digest("SHA-256", ccf.strToBuf("x")));
      return {};
    }
    export function facts() {
      const { view, seqno } = ccf.consensus.getLastCommittedTxId();
      console.log("a %s %d", "b", 2, { c: [1, { d: "e" }] }, new Map([["k", 1n]]));
      console.group("g"); console.warn("w"); console.groupEnd(); console.error("e");
      const switches = [ccf.enableUntrustedDateTime(true), ccf.enableUntrustedDateTime(false)];
      ccf.enableMetricsLogging(true);
      return { body: [view, seqno > 0, ccf.consensus.getStatusForTxId(2, 1),
        ccf.consensus.getViewForSeqno(1), ccf.consensus.getViewForSeqno(1e6), switches,
        Date.now(), Math.random() !== Math.random(), typeof ccf.historicalState] };
    }
  `);
  expect(host.send("POST", "/claims").claimsDigest).toHaveLength(32);
  expect(host.send("POST", "/facts").json).toEqual([
    2,
    true,
    "Committed",
    2,
    null,
    [false, true],
    1_700_000_000_000,
    true,
    "undefined",
  ]);
  expect(host.lines).toEqual([
    'info: a b 2 { c: [ 1, { d: "e" } ] } Map(1) { "k" => 1n }',
    "info: g",
    "warn:   w",
    "error: e",
    "info: JS execution complete",
  ]);
});

test("indexes: the transactions that wrote a key, null while the index is made", () => {
  const host = createTestHost();
  host.install(
    { "/i": { get: endpointOf("a.js", "f", "readonly") } },
    {
      "a.js": `export function f() {
        const ask = (...rest) => ccf.historical.getSeqnosForKey("t", ccf.strToBuf("k"), ...rest);
        let error;
        try { ask(-1, 2) } catch (e) { error = e.message }
        return { body: { all: ask(1, 9), some: ask(1, 9, 1), none: ask(1, 99), error } };
      }`,
    },
  );
  host.historical = {
    range: () => undefined,
    drop: () => undefined,
    seqnosOf: (table, key, first, last, countMax) => {
      expect([table, ...key, first]).toEqual(["t", 107, 1]);
      return last > 9 ? undefined : [2, 5, 7].slice(0, countMax);
    },
  };
  expect(host.send("GET", "/i").json).toEqual({
    all: [2, 5, 7],
    some: [2],
    none: null,
    error: "Invalid seqno or count: cannot be negative",
  });
});

test("past states: one for the endpoint, ranges on demand, read-only", () => {
  const host = createTestHost();
  host.install(
    { "/h": { get: endpointOf("a.js", "f", "historical") } },
    {
      "a.js": `export function f() {
        const { transactionId, receipt, kv } = ccf.historicalState;
        delete receipt.leaf_components.claims_digest;
        let error;
        try { kv["t"].set(ccf.strToBuf("k"), ccf.strToBuf("v")) } catch (e) { error = e.message }
        const range = ccf.historical.getStateRange(1, 2, 3, 10);
        return { body: { transactionId, receipt: ccf.historicalState.receipt, error,
          none: ccf.historical.getStateRange(9, 2, 3, 10), range: range.length,
          dropped: ccf.historical.dropCachedStates(1) } };
      }`,
    },
  );
  const state = () => ({
    txId: { view: 2, seqno: 5 },
    receipt: Object.freeze({ leaf_components: { claims_digest: "00", write_set_digest: "11" } }),
    transaction: host.store.begin("applicationReadOnly"),
  });
  host.historical = {
    range: (handle) => (handle === 9 ? undefined : [state(), state()]),
    drop: () => undefined,
  };
  expect(host.send("GET", "/h", { historicalState: state() }).json).toEqual({
    transactionId: "2.5",
    receipt: { leaf_components: { write_set_digest: "11" } },
    error: "Cannot call set on table named t. This table is read-only here.",
    none: null,
    range: 2,
    dropped: true,
  });
});

test("a caller of each policy is a fresh object of CCF's shape", () => {
  const host = hostOf("export function f(r) { r.caller.mark = 1; return { body: r.caller } }");
  const user = { policy: "user_cert" as const, id: "ab", data: { a: 1 }, cert: "PEM" };
  const jwt = {
    policy: "jwt" as const,
    jwt: { keyIssuer: "i", header: { alg: "RS256" }, payload: { sub: "s" } },
  };
  const send = (caller: never) => host.send("POST", "/f", { caller }).json;
  expect(send(user as never)).toEqual({ ...user, mark: 1 });
  expect(send(jwt as never)).toEqual({ ...jwt, mark: 1 });
  const both = { policy: ["user_cert", "jwt"], parts: { user_cert: user, jwt } };
  expect(send(both as never)).toEqual({
    policy: ["user_cert", "jwt"],
    user_cert: user,
    jwt,
    mark: 1,
  });
});

test("a module that failed to load is loaded anew by the next request", () => {
  const host = createTestHost();
  host.install(
    { "/f": { get: endpointOf("a.js", "f", "readwrite", "key") } },
    {
      "a.js": 'import { n } from "./b.js"; export function f() { return { body: n } }',
      "b.js": `
        if (ccf.kv["public:t"].size === 0) throw new Error("not yet");
        export const n = ccf.kv["public:t"].size;`,
    },
  );
  expect(host.send("GET", "/f").status).toBe(500);
  const transaction = host.store.begin("node");
  transaction.table("public:t").setText("k", "v");
  host.store.commit(transaction);
  expect(host.send("GET", "/f").json).toBe(1);
});

test("a conflict runs through a handler that catches everything", () => {
  const host = hostOf(`export function f() {
    const t = ccf.kv["public:t"];
    try { return { body: t.get(ccf.strToBuf("k")) ?? "none" } } catch { return { body: "caught" } }
  }`);
  // The store finds that what the transaction reads has changed since it began.
  const conflict = storeErrors.create("TransactionConflict");
  const { application } = host;
  const match = application.endpoints.find(host.store.begin("node"), "POST", "/f");
  if (match.kind !== "found") throw new Error("no endpoint");
  const transaction = host.store.begin("application");
  const table = transaction.table("public:t");
  table.getText = () => {
    throw conflict;
  };
  const request = {
    method: "POST",
    url: "/app/f",
    path: "/f",
    query: "",
    headers: new Map<string, string>(),
    body: new Uint8Array(0),
    session: { id: 1, interfaceName: "test", certificate: undefined },
  };
  const context = { endpoint: match.endpoint, params: {}, caller: { policy: "no_auth" } };
  expect(() => application.execute(transaction, { request }, context as never)).toThrow(conflict);
});

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { TestNode } from "./node.testing.ts";

/** Threads that were started, so that a test can kill one. */
const threads = vi.hoisted((): { worker: Worker; name: string | undefined }[] => []);
vi.mock("node:worker_threads", async (importOriginal) => {
  const original = await importOriginal<typeof import("node:worker_threads")>();
  class KnownWorker extends original.Worker {
    constructor(...args: ConstructorParameters<typeof original.Worker>) {
      super(...args);
      threads.push({ worker: this, name: args[1]?.name });
    }
  }
  return { ...original, Worker: KnownWorker };
});

function executors(): Worker[] {
  const isExecutor = (name: string | undefined) => name?.startsWith("coco-executor") === true;
  return threads.filter(({ name }) => isExecutor(name)).map(({ worker }) => worker);
}

const source = `
  const text = (bytes) => ccf.bufToStr(bytes);
  const table = () => ccf.kv["records"];
  export function put(request) {
    const { key, value } = request.body.json();
    table().set(ccf.strToBuf(key), ccf.strToBuf(value));
    return { body: true };
  }
  export function putPublic(request) {
    const { key, value } = request.body.json();
    ccf.kv["public:records"].set(ccf.strToBuf(key), ccf.strToBuf(value));
    return { body: true };
  }
  export function get(request) {
    const value = table().get(ccf.strToBuf(request.query.split("=")[1]));
    return value === undefined ? { statusCode: 404 } : { body: text(value) };
  }
  export function loop() {
    table().set(ccf.strToBuf("half"), ccf.strToBuf("done"));
    try { for (;;) {} } catch { return { body: "caught" }; } finally { table().clear(); }
  }
  export function strings() {
    table().set(ccf.strToBuf("half"), ccf.strToBuf("done"));
    const all = [];
    for (let index = 0; ; index++) all.push("x".repeat(1000) + index);
  }
  export function buffers() {
    table().set(ccf.strToBuf("half"), ccf.strToBuf("done"));
    const all = [];
    for (;;) all.push(new Uint8Array(1 << 20).fill(1));
  }
  export function recursion() {
    table().set(ccf.strToBuf("half"), ccf.strToBuf("done"));
    const deeper = () => deeper() + 1;
    return { body: deeper() };
  }`;

const endpoint = (name: string, mode = "readwrite") => ({
  js_module: "app.js",
  js_function: name,
  mode,
  authn_policies: ["no_auth"],
  forwarding_required: "sometimes",
  interpreter_reuse: { key: "app" },
});
const app = {
  metadata: {
    endpoints: {
      "/put": { post: endpoint("put") },
      "/put_public": { post: endpoint("putPublic") },
      "/get": { get: endpoint("get", "readonly") },
      "/loop": { post: endpoint("loop") },
      "/strings": { post: endpoint("strings") },
      "/buffers": { post: endpoint("buffers") },
      "/recursion": { post: endpoint("recursion") },
    },
  },
  modules: [{ name: "app.js", module: source }],
};

function timeLimit(timeMs: number) {
  return {
    name: "set_js_runtime_options",
    args: {
      max_heap_bytes: 100 * 1024 * 1024,
      max_stack_bytes: 1024 * 1024,
      max_execution_time_ms: timeMs,
    },
  };
}

async function until(check: () => Promise<boolean>, timeoutMs: number): Promise<number> {
  const startMs = performance.now();
  while (!(await check().catch(() => false))) {
    if (performance.now() - startMs > timeoutMs) throw new Error("it took too long");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return performance.now() - startMs;
}

describe("an app that misbehaves", () => {
  const node = new TestNode();
  beforeAll(async () => {
    await node.start();
    await node.open(app);
    await node.propose([timeLimit(300)]);
    await node.post("/app/put", { key: "kept", value: "safe" });
  });
  afterAll(() => node.stop());

  async function expectServing(): Promise<void> {
    expect((await node.get("/app/get?key=kept")).body).toBe("safe");
    expect((await node.get("/app/get?key=half")).status).toBe(404);
    expect((await node.post("/app/put", { key: "again", value: "yes" })).status).toBe(200);
  }

  test("goal: an endless loop ends in a clear 500 within the time, without effect", async () => {
    const startMs = performance.now();
    const others = Array.from({ length: 20 }, () => node.get("/app/get?key=kept"));
    const looped = await node.post("/app/loop", {});
    expect(looped.status).toBe(500);
    expect(looped.json().error.message).toContain("execution time");
    expect(performance.now() - startMs).toBeLessThan(3000);
    for (const other of await Promise.all(others)) expect(other.body).toBe("safe");
    await expectServing();
  });

  test("goal: many loops at once are ended one after the other", async () => {
    const loops = await Promise.all(Array.from({ length: 4 }, () => node.post("/app/loop", {})));
    for (const { status } of loops) expect(status).toBe(500);
    await expectServing();
  });

  test("goal: endless recursion is an exception of the handler", async () => {
    expect((await node.post("/app/recursion", {})).status).toBe(500);
    await expectServing();
  });

  test("goal: allocation bombs change nothing, and the node serves again within 5 s", async () => {
    await node.propose([timeLimit(20_000)]);
    for (const path of ["/app/strings", "/app/buffers"]) {
      const status = await node.post(path, {}).then((response) => response.status);
      expect(status).toBeGreaterThanOrEqual(500);
      const isServing = async () => (await node.get("/app/get?key=kept")).body === "safe";
      expect(await until(isServing, 5000)).toBeLessThan(5000);
      await expectServing();
    }
  });
});

describe("what the disk holds", () => {
  test("goal: a private canary is nowhere on disk, a public one is", async () => {
    const node = new TestNode();
    await node.start();
    await node.open(app);
    const secret = "canary-3b1f9d5e77a04c0d8a6e2f";
    const shown = "canary-public-91ce";
    await node.post("/app/put", { key: secret, value: `${secret}-value` });
    await node.post("/app/put_public", { key: "k", value: shown });
    await node.stop();
    const files = readdirSync(node.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
    const forms = (text: string) => {
      const bytes = Buffer.from(text);
      // Base64 depends on the position of the text: these are the parts that do not.
      const base64 = [0, 1, 2].map((shift) =>
        Buffer.concat([Buffer.alloc(shift), bytes])
          .toString("base64")
          .slice(4, -4),
      );
      return [text, bytes.toString("hex"), Buffer.from(text, "utf16le"), ...base64];
    };
    const isFound = (text: string) =>
      forms(text).some((form) => files.some((file) => file.includes(form)));
    expect(isFound(shown)).toBe(true);
    expect(isFound(secret)).toBe(false);
    expect(node.logLines.join("\n")).not.toContain(secret);
  });
});

describe("an executor that dies", () => {
  const node = new TestNode();
  beforeAll(async () => {
    await node.start();
    await node.open(app);
  });
  afterAll(() => node.stop());

  test("goal: what was committed stays, and a new view begins", async () => {
    const written = await node.request("POST", "/app/put", {
      body: JSON.stringify({ key: "kept", value: "committed" }),
      headers: { "x-coco-wait": "committed" },
    });
    const txId = String(written.headers["x-ms-ccf-transaction-id"]);
    const late = node.post("/app/put", { key: "late", value: "perhaps" });
    await Promise.all(executors().map((worker) => worker.terminate()));
    expect([200, 503]).toContain((await late).status);
    const isServing = async () => (await node.get("/app/get?key=kept")).body === "committed";
    await until(isServing, 5000);
    const status = await node.get(`/node/tx?transaction_id=${txId}`);
    expect(status.json().status).toBe("Committed");
    const next = await node.request("POST", "/app/put", {
      body: JSON.stringify({ key: "next", value: "v" }),
      headers: { "x-coco-wait": "committed" },
    });
    expect(String(next.headers["x-ms-ccf-transaction-id"])).toMatch(/^[3-9]\./);
    const late2 = (await late).headers["x-ms-ccf-transaction-id"];
    if (late2 !== undefined) {
      const lateStatus = await node.get(`/node/tx?transaction_id=${String(late2)}`);
      expect(["Committed", "Invalid"]).toContain(lateStatus.json().status);
    }
  });

  test("goal: the ledger of both executors is one ledger, and passes the audit", async () => {
    const certificate = node.node.serviceCertificatePem;
    await node.stop();
    const report = node.audit(certificate);
    expect(report.transactions).toBeGreaterThan(7);
    expect(report.lastTxId).toMatch(/^[3-9]\./);
  });
});

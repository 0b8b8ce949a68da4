import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestNode } from "./node.testing.ts";

const app = {
  metadata: {
    endpoints: {
      "/log/private": {
        post: {
          js_module: "app.js",
          js_function: "write",
          mode: "readwrite",
          authn_policies: ["user_cert"],
          forwarding_required: "always",
          interpreter_reuse: { key: "app" },
        },
        put: {
          js_module: "app.js",
          js_function: "write",
          mode: "readwrite",
          authn_policies: ["user_cert"],
          forwarding_required: "always",
          respond_after_commit: true,
        },
        get: {
          js_module: "app.js",
          js_function: "read",
          mode: "readonly",
          authn_policies: ["user_cert"],
          forwarding_required: "sometimes",
          interpreter_reuse: { key: "app" },
        },
      },
    },
  },
  modules: [
    {
      name: "app.js",
      module: `
        export function write(request) {
          const { id, msg } = request.body.json();
          ccf.kv["records"].set(ccf.strToBuf(String(id)), ccf.strToBuf(msg));
          return { body: true };
        }
        export function read(request) {
          const id = request.query.split("=")[1];
          const value = ccf.kv["records"].get(ccf.strToBuf(id));
          if (value === undefined) return { statusCode: 404, body: { error: "none" } };
          return { body: { msg: ccf.bufToStr(value) } };
        }`,
    },
  ],
};

describe("one node", () => {
  const node = new TestNode();
  beforeAll(async () => {
    await node.start();
    await node.open(app);
  });
  afterAll(() => node.stop());

  test("goal: a write is answered with its transaction id and can be read back", async () => {
    const written = await node.post("/app/log/private", { id: 1, msg: "hello" });
    expect(written.body).toBe("true");
    expect(written.headers["x-ms-ccf-transaction-id"]).toMatch(/^2\.\d+$/);
    const read = await node.get("/app/log/private?id=1", node.user);
    expect(read.json()).toEqual({ msg: "hello" });
  });

  test("goal: an endpoint can answer only when its transaction is committed", async () => {
    const body = JSON.stringify({ id: 3, msg: "late" });
    const written = await node.request("PUT", "/app/log/private", { body, as: node.user });
    const txId = written.headers["x-ms-ccf-transaction-id"];
    const status = await node.get(`/node/tx?transaction_id=${txId}`);
    expect(status.json().status).toBe("Committed");
  });

  test("goal: an answer can wait for commit and bring the receipt", async () => {
    const written = await node.request("POST", "/app/log/private", {
      body: JSON.stringify({ id: 2, msg: "wait" }),
      headers: { "content-type": "application/json", "x-coco-wait": "receipt" },
      as: node.user,
    });
    expect(written.status).toBe(200);
    const txId = written.headers["x-ms-ccf-transaction-id"];
    const status = await node.get(`/node/tx?transaction_id=${txId}`);
    expect(status.json().status).toBe("Committed");
    const text = String(written.headers["x-coco-receipt"]);
    const receipt = JSON.parse(Buffer.from(text, "base64url").toString());
    expect(receipt.leaf_components.commit_evidence).toContain(`ce:${txId}:`);
  });
});

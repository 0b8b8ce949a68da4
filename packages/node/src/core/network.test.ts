import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NetworkNode, TestNetwork } from "./network.testing.ts";

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
        },
        get: {
          js_module: "app.js",
          js_function: "read",
          mode: "readonly",
          authn_policies: ["user_cert"],
          forwarding_required: "sometimes",
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

const network = new TestNetwork();
let first: NetworkNode;

beforeAll(async () => {
  first = await network.begin();
  await network.join("node1", first);
  await network.join("node2", first);
  await first.client.open(app);
}, 60_000);
afterAll(() => network.stop());

async function write(node: NetworkNode, id: number, msg: string): Promise<string> {
  const answer = await node.client.request("POST", "/app/log/private", {
    body: JSON.stringify({ id, msg }),
    headers: { "content-type": "application/json", "x-coco-wait": "committed" },
    as: network.user,
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  return String(answer.headers["x-ms-ccf-transaction-id"]);
}

async function read(node: NetworkNode, id: number): Promise<unknown> {
  const answer = await node.client.get(`/app/log/private?id=${id}`, network.user);
  return answer.status === 200 ? answer.json().msg : answer.status;
}

const everywhere = (id: number, msg: string) =>
  network.until(async () => {
    const all = await Promise.all(network.nodes.map((node) => read(node, id)));
    return all.every((value) => value === msg);
  }, `${msg} on every node`);

describe("three nodes", () => {
  test("goal: all are trusted, one is primary, and they say so of each other", async () => {
    for (const { client, nodeId } of network.nodes) {
      await network.until(async () => {
        const { nodes } = (await client.get("/node/network/nodes?status=Trusted")).json();
        return nodes.length === 3;
      }, "all nodes known to each");
      const { details } = (await client.get("/node/consensus")).json();
      expect(details.primary_id).toBe(first.nodeId);
      expect(Object.keys(details.configs.at(-1).nodes)).toHaveLength(3);
      const isPrimary = nodeId === first.nodeId;
      expect(details.leadership_state).toBe(isPrimary ? "Leader" : "Follower");
      expect((await client.get("/node/primary")).status).toBe(isPrimary ? 200 : 404);
      expect((await client.get("/node/backup")).status).toBe(isPrimary ? 404 : 200);
    }
  });

  test("goal: a write through any node is committed and can be read at every node", async () => {
    for (const [id, node] of network.nodes.entries()) {
      const txId = await write(node, id, `by ${node.name}`);
      await everywhere(id, `by ${node.name}`);
      for (const other of network.nodes) {
        await network.until(async () => {
          const status = await other.client.get(`/node/tx?transaction_id=${txId}`);
          return status.json().status === "Committed";
        }, `${txId} committed at ${other.name}`);
      }
    }
  });
});

describe("a lost primary", () => {
  test("goal: clients go on after the primary was killed, and nothing committed is lost", async () => {
    await write(first, 10, "before");
    await network.kill(first);
    const startMs = performance.now();
    const [backup] = network.nodes;
    // A request that comes while there is no primary is held until there is one.
    await network.until(async () => {
      await write(backup!, 11, "after");
      return true;
    }, "a write without the first primary");
    console.log(`first committed write ${Math.round(performance.now() - startMs)} ms after`);
    await everywhere(10, "before");
    await everywhere(11, "after");
  });

  test("goal: another node joins the open service by vote, under an identity of its own", async () => {
    const primary = await network.primary();
    const joining = network.join("node3", primary);
    let pending: string | undefined;
    await network.until(async () => {
      const { nodes } = (await primary.client.get("/node/network/nodes?status=Pending")).json();
      pending = nodes[0]?.node_id;
      return pending !== undefined;
    }, "a pending node");
    const validFrom = new Date(Date.now() - 60_000).toISOString();
    const vote = await primary.client.propose([
      { name: "transition_node_to_trusted", args: { node_id: pending, valid_from: validFrom } },
      { name: "remove_node", args: { node_id: first.nodeId } },
    ]);
    expect(vote.json().proposalState).toBe("Accepted");
    const joined = await joining;
    expect(joined.nodeId).toBe(pending);
    await everywhere(10, "before");
    await write(joined, 12, "by the new node");
    await everywhere(12, "by the new node");
  });

  test("goal: the dead node is retired, can be removed, and is gone", async () => {
    const primary = await network.primary();
    await network.until(async () => {
      const { nodes } = (await primary.client.get("/node/network/removable_nodes")).json();
      return nodes.length === 1 && nodes[0].node_id === first.nodeId;
    }, "a removable node");
    const removed = await primary.client.request("DELETE", `/node/network/nodes/${first.nodeId}`);
    expect([removed.status, removed.body]).toEqual([200, "true"]);
    const gone = await primary.client.get(`/node/network/nodes/${first.nodeId}`);
    expect(gone.status).toBe(404);
  });
});

describe("ledgers", () => {
  test("goal: committed chunks are the same bytes on every node", async () => {
    const primary = await network.primary();
    for (let id = 100; id < 140; id++) await write(primary, id, "x".repeat(2000));
    await everywhere(139, "x".repeat(2000));
    const chunks = new Map<string, Buffer>();
    let comparedCount = 0;
    for (const { directory } of network.nodes) {
      const ledger = join(directory, "ledger");
      for (const name of readdirSync(ledger)) {
        if (!name.endsWith(".committed")) continue;
        const bytes = readFileSync(join(ledger, name));
        const other = chunks.get(name);
        if (other !== undefined) {
          expect(bytes.equals(other)).toBe(true);
          comparedCount++;
        }
        chunks.set(name, bytes);
      }
    }
    expect(comparedCount).toBeGreaterThan(1);
  });
});

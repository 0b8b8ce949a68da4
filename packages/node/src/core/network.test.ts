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
  test("goal: clients go on after the primary was killed; nothing committed is lost", async () => {
    await write(first, 10, "before");
    await network.kill(first);
    const startMs = performance.now();
    const [backup] = network.nodes;
    // A request that comes while there is no primary is held until there is one.
    await network.until(async () => {
      await write(backup!, 11, "after");
      return true;
    }, "a write without the first primary");
    // Elections begin after 2 s at most; the rest is for machines that are busy.
    expect(performance.now() - startMs).toBeLessThan(10_000);
    await everywhere(10, "before");
    await everywhere(11, "after");
  });

  test("goal: another node joins the open service by vote, with its own identity", async () => {
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

describe("joining is refused", () => {
  const info = (address: string) => ({
    node_info_network: {
      node_to_node_interface: { bind_address: address },
      rpc_interfaces: { primary: { bind_address: "127.0.0.1:1" } },
    },
    quote_info: { format: "Insecure_Virtual", quote: "", endorsements: "" },
    public_encryption_key: network.user.encryption.publicPem,
  });
  const join = async (body: unknown, node?: NetworkNode) => {
    const target = node ?? (await network.primary());
    const answer = await target.client.post("/node/join", body);
    return [answer.status, answer.json().error?.code];
  };

  test("goal: without a fresh challenge, also with evidence of a trusted node", async () => {
    const primary = await network.primary();
    expect(await join(info("127.0.0.1:9"))).toEqual([401, "InvalidQuote"]);
    const { attestations } = (await primary.client.get("/node/attestations")).json();
    const { format, raw, endorsements } = attestations[0];
    const { challenge } = (await primary.client.get("/node/join/challenge")).json();
    const quote_info = { format, quote: raw, endorsements };
    const copied = { ...info("127.0.0.1:9"), quote_info, challenge };
    expect(await join(copied)).toEqual([401, "InvalidQuote"]);
  });

  test("goal: with an address that another node has, without its fields, at a backup", async () => {
    const primary = await network.primary();
    const { details } = (await primary.client.get("/node/consensus")).json();
    const taken = Object.values<{ address: string }>(details.configs.at(-1).nodes)[0]!.address;
    expect(await join(info(taken))).toEqual([400, "NodeAlreadyExists"]);
    expect(await join({})).toEqual([400, "InvalidInput"]);
    const backup = network.nodes.find((node) => node !== primary)!;
    expect(await join(info("127.0.0.1:9"), backup)).toEqual([308, "NodeCannotHandleRequest"]);
  });
});

describe("a planned stop", () => {
  test("goal: the primary hands over before it ends, and the others go on", async () => {
    const primary = await network.primary();
    await network.kill(primary, "SIGTERM");
    expect(primary.log()).not.toContain('"level":"error"');
    const next = await network.primary();
    expect(next).not.toBe(primary);
    await write(next, 13, "after the stop");
    await everywhere(13, "after the stop");
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

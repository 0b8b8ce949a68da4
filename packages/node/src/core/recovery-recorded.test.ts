import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestNode } from "./node.testing.ts";
import {
  copyRealLedger,
  createRecoveryNode,
  readIdentities,
  readRealService,
  realLedgers,
  submitShares,
  voteOpen,
} from "./recovery.testing.ts";

interface Exchange {
  readonly set: string;
  readonly note: string;
  readonly client: string | null;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly response: { readonly status: number; readonly body?: string };
}

const file = join(realLedgers, "../ccf-http/exchanges.jsonl");
const hasExchanges = existsSync(file);
if (!hasExchanges) console.warn(`skipped: there is no ${file}`);

/** The reads that were recorded while a real service was recovered, answered at last. */
const reads = (hasExchanges ? readFileSync(file, "utf8").trim().split("\n") : [])
  .map((line) => JSON.parse(line) as Exchange)
  .filter(({ set, request, response }) => {
    return set === "recovery" && request.method === "GET" && response.status !== 202;
  });
const openVote = reads.findIndex(({ note }) => note === "rec network after open vote");
const opened = reads.findIndex(({ note }) => note === "rec network Open again");

/** Fields that are another node's, another key's or another moment's. */
const foreign = new Set([
  "certificate",
  "encryptedShare",
  "last_signed_seqno",
  "node_data",
  "primary_id",
  "rpc_interfaces",
  "service_certificate",
]);

function normalise(body: string | undefined, former: ReadonlySet<string>): unknown {
  if (!body?.startsWith("{")) return body ?? "";
  return JSON.parse(body, (name: string, value: unknown) => {
    if (foreign.has(name)) return undefined;
    if (name === "service_endorsements") return (value as readonly unknown[]).length;
    // In order of the nodes' random ids.
    if (name === "nodes") return new Set(value as readonly unknown[]);
    if (name === "node_id") return former.has(String(value)) ? value : "new";
    // The commit moves on; that it is of the recovered service has to stay.
    if (name === "transaction_id") return /^4\./.test(String(value)) ? "4." : value;
    return value;
  });
}

function withoutEndorsements(body: string): string {
  if (!body.startsWith("{")) return body;
  return JSON.stringify(JSON.parse(body), (name, value: unknown) =>
    name === "service_endorsements" ? undefined : value,
  );
}

describe.skipIf(!hasExchanges)("the recovery of a real service, as its own software did it", () => {
  const service = readRealService("live_service");
  const [user] = readIdentities(join(realLedgers, "live_service", "common"), "user");
  let node: TestNode;
  let former: ReadonlySet<string>;

  beforeAll(async () => {
    const directory = copyRealLedger(service.name);
    const { members, certificate } = service;
    node = createRecoveryNode(directory, certificate, { members, user: user! });
    await node.start();
    const { nodes } = (await node.get("/node/network/nodes")).json();
    const retired = nodes.filter(({ status }: { status: string }) => status === "Retired");
    former = new Set(retired.map(({ node_id: nodeId }: { node_id: string }) => nodeId));
  });
  afterAll(() => node.stop());

  async function replay(exchanges: readonly Exchange[]): Promise<void> {
    expect(exchanges.length).toBeGreaterThan(2);
    for (const { note, request, response, client } of exchanges) {
      const { method, path, headers } = request;
      const as = client === null ? {} : { as: user! };
      let answer = await node.request(method, path, { headers, ...as });
      while (answer.status === 202) answer = await node.request(method, path, { headers, ...as });
      // Receipts given to applications have endorsements too, which the real service leaves out.
      const body = path.startsWith("/app") ? withoutEndorsements(answer.body) : answer.body;
      const found = [note, answer.status, normalise(body, former)];
      expect(found).toEqual([note, response.status, normalise(response.body, former)]);
    }
  }

  // Goal: a closed service answers as the real one did: states, ids, history, proposals, refusals.
  test("before the vote", () => replay(reads.slice(0, openVote)));

  // Goal: the vote changes what it changed there, and members can fetch their shares.
  test("while it waits for shares", async () => {
    await voteOpen(node, service.certificate);
    await replay(reads.slice(openVote, opened));
  });

  // Goal: the private record, the receipt of before and the historical query of the real service.
  test("when it is open", async () => {
    await submitShares(node);
    await replay(reads.slice(opened));
  });
});

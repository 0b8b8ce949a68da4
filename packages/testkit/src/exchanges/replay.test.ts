import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultConstitution } from "@coco/governance";
import { type RunningNode, startNode } from "@coco/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deliberateDifferences, judgeDifferences } from "./deliberate-differences.ts";
import { type ReplayedExchange, replayRecording } from "./replay.ts";

const vectors = process.env["COCO_VECTORS"] ?? "../shared/vectors";
const hasVectors = existsSync(join(vectors, "ccf-http"));
if (!hasVectors) console.warn(`SKIPPED: no recorded exchanges in ${vectors} (set COCO_VECTORS)`);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

/** A node of the recorded members; its service is created, not open. */
async function startRecordedNode(directory: string): Promise<RunningNode> {
  const common = join(vectors, "ccf-ledgers/live_service/common");
  const constitution = join(directory, "constitution.js");
  writeFileSync(constitution, defaultConstitution);
  const members = [0, 1, 2].map((index) => ({
    certificate_file: join(common, `member${index}_cert.pem`),
    encryption_public_key_file: join(common, `member${index}_enc_pubk.pem`),
  }));
  const address = `127.0.0.1:${await freePort()}`;
  const rpcInterface = {
    bind_address: address,
    max_open_sessions_soft: 2000,
    max_open_sessions_hard: 2010,
    enabled_operator_features: ["SnapshotRead"],
  };
  const start = {
    constitution_files: [constitution],
    members,
    service_configuration: { recovery_threshold: 1 },
  };
  return startNode(
    {
      network: {
        node_to_node_interface: { bind_address: "127.0.0.1:0" },
        rpc_interfaces: { primary_rpc_interface: rpcInterface },
      },
      command: {
        type: "Start",
        service_certificate_file: join(directory, "service_cert.pem"),
        start,
      },
      ledger: { directory: join(directory, "ledger") },
      output_files: {
        node_certificate_file: join(directory, "node_cert.pem"),
        pid_file: join(directory, "node.pid"),
      },
    },
    { log: () => {} },
  );
}

describe.runIf(hasVectors)("the recorded exchanges of a live service, on our node", () => {
  const directory = mkdtempSync(join(tmpdir(), "coco-exchanges-"));
  let node: RunningNode | undefined;
  let replayed: readonly ReplayedExchange[] = [];

  beforeAll(async () => {
    node = await startRecordedNode(directory);
    const { url, serviceCertificatePem: serviceCertificate } = node;
    replayed = await replayRecording({ url, vectors, serviceCertificate });
  }, 120_000);

  afterAll(async () => {
    await node?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  // Goal: status, header set and body shape are the recorded ones, but for the decided differences.
  it("answers as recorded", () => {
    expect(judgeDifferences(replayed).unexpected).toEqual([]);
    expect(replayed.length).toBeGreaterThan(210);
  });

  // Goal: most answers do not differ at all, so that the comparison means something.
  it("differs in few exchanges", () => {
    const differing = replayed.filter(({ differences }) => differences.length > 0);
    expect(differing.length).toBeLessThan(30);
  });

  // Goal: no decision outlives its difference, except those that depend on time.
  it("has no decision without a difference", () => {
    const timing = [23, 29, 42];
    const stale = judgeDifferences(replayed).unused.filter(
      ({ lines }) => !lines.some((line) => timing.includes(line)),
    );
    expect(stale).toEqual([]);
    expect(deliberateDifferences.every(({ reason }) => reason.length > 0)).toBe(true);
  });
});

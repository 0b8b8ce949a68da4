import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectNode } from "@coco/client/node";
import { afterAll, describe, expect, test } from "vitest";
import { coco, createTestDirectory } from "../run.testing.ts";
import { startChildSandbox } from "../sandbox/child.ts";
import type { SandboxFacts } from "../sandbox/facts.ts";

const temporary = createTestDirectory();
const entry = fileURLToPath(new URL("../../bin/coco.js", import.meta.url));
const never = new AbortController().signal;
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill();
});

function connectUser(facts: SandboxFacts) {
  const user = facts.users[0]!;
  return connectNode({
    url: facts.url,
    serviceCertificate: readFileSync(facts.serviceCert, "utf8"),
    identity: {
      certificate: readFileSync(user.cert, "utf8"),
      key: readFileSync(user.key, "utf8"),
    },
  });
}

async function write(facts: SandboxFacts, id: number, msg: string): Promise<void> {
  const user = connectUser(facts);
  const { txId } = await user.submit("/app/log/private", { body: { id, msg } });
  await user.waitForCommit(txId);
  await user.close();
}

async function read(facts: SandboxFacts, id: number): Promise<unknown> {
  const user = connectUser(facts);
  const answer = await user.request(`/app/log/private?id=${id}`);
  await user.close();
  return answer.json();
}

function runRecovery(argv: readonly string[]): Promise<Record<string, string>> {
  const child = spawn(process.execPath, [entry, "node", "recover", "--json", ...argv], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8");
      if (out.includes("\n")) resolve(JSON.parse(out.split("\n", 1)[0]!));
    });
    child.once("exit", (code) => reject(new Error(`the node ended with code ${code}`)));
  });
}

describe("recovery", () => {
  const data = join(temporary, "sandbox");

  // Goal: a sandbox that was killed comes back with its data when it is started again.
  test("a killed sandbox keeps its data", { timeout: 60_000 }, async () => {
    const line = ["--port", "0", "--members", "2", "--data", data];
    const first = await startChildSandbox(line, never);
    await write(first.facts, 1, "kept");
    const certificate = readFileSync(first.facts.serviceCert, "utf8");
    process.kill(Number(readFileSync(join(data, "node.pid"), "utf8")), "SIGKILL");
    await first.stop();
    const second = await startChildSandbox(["--port", "0", "--data", data], never);
    expect(second.facts.members).toHaveLength(2);
    expect(await read(second.facts, 1)).toEqual({ msg: "kept" });
    expect(readFileSync(second.facts.serviceCert, "utf8")).not.toBe(certificate);
    await write(second.facts, 2, "new");
    await second.stop();
  });

  // Goal: operator and members bring the service back with the commands of docs/recovery.md.
  test("node recover, vote, shares", { timeout: 60_000 }, async () => {
    const directory = join(temporary, "recovered");
    cpSync(join(data, "ledger"), join(directory, "ledger"), { recursive: true });
    const config = {
      network: {
        node_to_node_interface: { bind_address: "127.0.0.1:0" },
        rpc_interfaces: { main: { bind_address: "127.0.0.1:0" } },
      },
      command: { service_certificate_file: join(directory, "service_cert.pem") },
      output_files: {
        node_certificate_file: join(directory, "node_cert.pem"),
        pid_file: join(directory, "node.pid"),
      },
    };
    const file = join(temporary, "recover.json");
    writeFileSync(file, JSON.stringify(config));
    const previous = ["--previous-service-cert", join(data, "service_cert.pem")];
    const ledger = ["--ledger", join(directory, "ledger")];
    const started = await runRecovery(["--config", file, ...ledger, ...previous]);
    expect(existsSync(started["openProposal"]!)).toBe(true);
    const service = ["--url", started["url"]!, "--service-cert", started["serviceCert"]!, "--json"];
    const member = (index: number) => {
      const path = (suffix: string) => join(data, `member${index}_${suffix}.pem`);
      return ["--member-cert", path("cert"), "--member-key", path("privk"), ...service];
    };
    const shown = await coco(["gov", "recovery-share", "show", ...member(0)]);
    expect(shown.json()).toMatchObject({ hasShare: true, serviceStatus: "Recovering" });
    const proposal = await coco(["gov", "propose", started["openProposal"]!, ...member(0)]);
    expect([proposal.talk, proposal.json()]).toMatchObject(["", { proposalState: "Accepted" }]);
    for (const index of [0, 1]) {
      const key = ["--encryption-key", join(data, `member${index}_enc_privk.pem`)];
      const submit = ["gov", "recovery-share", "submit", ...key, ...member(index)];
      const { json } = await coco(submit);
      expect(json()).toMatchObject({ submittedCount: index + 1, recoveryThreshold: 2 });
    }
    const connection = connectNode({
      url: started["url"]!,
      serviceCertificate: readFileSync(started["serviceCert"]!, "utf8"),
    });
    while ((await connection.request("/node/ready/app")).status !== 204) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const { recoveryCount, status } = await connection.governance.serviceInfo();
    expect([status, recoveryCount]).toEqual(["Open", 2]);
    await connection.close();
  });

  // Goal: what is missing is said before anything starts.
  test("wrong command lines", async () => {
    const file = join(temporary, "empty.json");
    writeFileSync(file, "{}");
    const without = await coco(["node", "recover", "--config", file]);
    expect([without.code, without.talk]).toEqual([
      2,
      expect.stringContaining("--previous-service-cert"),
    ]);
    const share = await coco(["gov", "recovery-share", "submit", "--sandbox", temporary]);
    expect(share.talk).toContain("COCO-9040");
  });
});

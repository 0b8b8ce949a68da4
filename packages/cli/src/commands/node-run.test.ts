import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectNode } from "@coco/client/node";
import { afterAll, describe, expect, test } from "vitest";
import { createIdentity } from "../identity.ts";
import { coco, createTestDirectory } from "../run.testing.ts";

const temporary = createTestDirectory();
const entry = fileURLToPath(new URL("../../bin/coco.js", import.meta.url));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill();
});

/** Starts `coco node run --json` and gives its first line. */
function startNode(file: string): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [entry, "node", "run", "--config", file, "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8");
      if (out.includes("\n")) resolve({ child, url: JSON.parse(out.split("\n", 1)[0]!).url });
    });
    child.once("exit", (code) => reject(new Error(`the node ended with code ${code}`)));
  });
}

describe("node run", () => {
  // Goal: a configuration in CCF's form starts a node, which waits for its members, and stops.
  test("starts a service from a configuration file", async () => {
    const identity = { directory: temporary, name: "member0", validityDays: 1 };
    const member = await createIdentity({ ...identity, hasEncryptionKey: true });
    const constitution = join(temporary, "constitution.js");
    const { defaultConstitution } = await import("@coco/governance");
    writeFileSync(constitution, defaultConstitution);
    const config = {
      network: {
        node_to_node_interface: { bind_address: "127.0.0.1:0" },
        rpc_interfaces: { main: { bind_address: "127.0.0.1:0" } },
      },
      command: {
        type: "Start",
        service_certificate_file: join(temporary, "service_cert.pem"),
        start: {
          constitution_files: [constitution],
          members: [
            {
              certificate_file: member.cert,
              encryption_public_key_file: member.encryptionPublicKey,
            },
          ],
        },
      },
      output_files: {
        node_certificate_file: join(temporary, "node_cert.pem"),
        pid_file: join(temporary, "node.pid"),
      },
      ledger: { directory: join(temporary, "ledger") },
      snapshots: { directory: join(temporary, "snapshots") },
    };
    const file = join(temporary, "node.json");
    writeFileSync(file, JSON.stringify(config));
    const { child, url } = await startNode(file);
    const serviceCertificate = readFileSync(join(temporary, "service_cert.pem"), "utf8");
    const connection = connectNode({ url, serviceCertificate });
    expect((await connection.governance.serviceInfo()).status).toBe("Opening");
    expect(await connection.governance.members()).toMatchObject([{ status: "Accepted" }]);
    await connection.close();
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    const ledger = ["ledger", "verify", join(temporary, "ledger")];
    expect((await coco(ledger)).code).toBe(0);
  }, 60_000);

  // Goal: mistakes in the file are named with their place; nothing starts.
  test("wrong configurations", async () => {
    const file = join(temporary, "wrong.json");
    const run = async (text: string) => {
      writeFileSync(file, text);
      return coco(["node", "run", "--config", file]);
    };
    const misspelt = await run('{"netwrok": {}}');
    expect(misspelt.code).toBe(1);
    expect(misspelt.talk).toMatch(/^COCO-7\d{3} .*netwrok/);
    expect((await run('{"network": ')).talk).toMatch(/^COCO-7\d{3} .*wrong\.json/);
    expect((await coco(["node", "run"])).code).toBe(2);
    const missing = await coco(["node", "run", "--config", join(temporary, "none.json")]);
    expect(missing.talk).toContain("COCO-9001");
    const schema = await coco(["node", "run", "--print-schema"]);
    expect(JSON.parse(schema.out)).toHaveProperty("properties.network");
  });
});

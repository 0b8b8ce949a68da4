/** Further nodes of a sandbox, each a process of its own that joins the first node's service. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cliErrors } from "../errors.ts";
import { writeFile } from "../files.ts";

export interface MoreNodesOptions {
  /** Of the sandbox; each node has a directory in it. */
  readonly directory: string;
  readonly host: string;
  /** Nodes beside the first one. */
  readonly count: number;
  /** `host:port` of the first node. */
  readonly targetAddress: string;
  readonly serviceCertificateFile: string;
}

interface SandboxPeer {
  readonly url: string;
  readonly pid: number;
  readonly ledgerDir: string;
}

export interface MoreNodes {
  readonly peers: readonly SandboxPeer[];
  stop(): Promise<void>;
}

const entry = fileURLToPath(new URL("../../bin/coco.js", import.meta.url));
const isPrepared = import.meta.url.endsWith(".js");

/** Starts them one after the other. @throws {CocoError} SandboxFailed */
export async function startMoreNodes(options: MoreNodesOptions): Promise<MoreNodes> {
  const children: ChildProcess[] = [];
  const peers: SandboxPeer[] = [];
  const stop = () => stopAll(children);
  try {
    for (let index = 1; index <= options.count; index++) {
      const directory = join(options.directory, `node${index}`);
      // A node that starts again is another node: it takes the ledger from the others.
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory, { recursive: true });
      const file = join(directory, "node.json");
      const config = await toConfig(options, directory);
      writeFile(file, `${JSON.stringify(config, undefined, 2)}\n`);
      const child = spawn(process.execPath, [entry, "node", "run", "--json", "--config", file], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...(isPrepared && { COCO_PREPARED: "1" }) },
      });
      children.push(child);
      child.stderr.pipe(createWriteStream(join(directory, "node.log")));
      const url = await readUrl(child, directory);
      peers.push({ url, pid: child.pid ?? 0, ledgerDir: join(directory, "ledger") });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { peers, stop };
}

async function stopAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map((child) => {
      if (child.exitCode !== null || child.signalCode !== null) return undefined;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      return ended;
    }),
  );
}

function readUrl(child: ChildProcess, directory: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (data: Buffer) => {
      out += data.toString("utf8");
      if (!out.includes("\n")) return;
      const { url } = JSON.parse(out.slice(0, out.indexOf("\n"))) as { url?: string };
      if (url !== undefined) resolve(url);
    });
    child.once("exit", (code) => {
      const detail = `a node ended with code ${code}: see ${join(directory, "node.log")}`;
      reject(cliErrors.create("SandboxFailed", detail));
    });
  });
}

async function toConfig(options: MoreNodesOptions, directory: string): Promise<object> {
  const { host, targetAddress, serviceCertificateFile } = options;
  return {
    network: {
      node_to_node_interface: { bind_address: `${host}:${await findFreePort(host)}` },
      rpc_interfaces: { primary: { bind_address: `${host}:${await findFreePort(host)}` } },
    },
    command: {
      type: "Join",
      service_certificate_file: serviceCertificateFile,
      join: { target_rpc_address: targetAddress, retry_timeout: "100ms" },
    },
    node_certificate: {
      subject_alt_names: [`iPAddress:${host}`, "dNSName:localhost"],
      initial_validity_days: 90,
    },
    output_files: {
      node_certificate_file: join(directory, "node_cert.pem"),
      pid_file: join(directory, "node.pid"),
    },
    ledger: { directory: join(directory, "ledger") },
    snapshots: { directory: join(directory, "snapshots") },
  };
}

/** A port that nothing listens on now. */
export function findFreePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

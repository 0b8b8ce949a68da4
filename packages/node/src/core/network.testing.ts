/** A network of nodes for tests, each a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIdentity, NodeClient, type TestIdentity } from "./node.testing.ts";

const entry = new URL("../../dist/index.js", import.meta.url).href;
/** Starts the node that a configuration file describes, and says where it is. */
const program = `
  const { readFileSync } = await import("node:fs");
  const { startNode } = await import(${JSON.stringify(entry)});
  const config = JSON.parse(readFileSync(process.argv[1], "utf8"));
  const node = await startNode(config, { isSandbox: true, onFailed: () => process.exit(3) });
  process.once("SIGTERM", () => node.stop().then(() => process.exit(0)));
  const { url, nodeId, serviceCertificatePem } = node;
  console.log(JSON.stringify({ url, nodeId, serviceCertificatePem }));
`;

/** Short times, so that tests are. */
const times = { message_timeout: "100ms", election_timeout: "2s" };

async function findPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

class NetworkClient extends NodeClient {
  readonly members: readonly TestIdentity[];
  readonly user: TestIdentity;
  protected readonly target: Facts;

  constructor(target: Facts, members: readonly TestIdentity[], user: TestIdentity) {
    super();
    this.target = target;
    this.members = members;
    this.user = user;
  }
}

export interface NetworkNode {
  readonly name: string;
  readonly directory: string;
  readonly process: ChildProcess;
  readonly client: NetworkClient;
  readonly nodeId: string;
  readonly rpcAddress: string;
  /** What it wrote to its log. */
  log(): string;
}

export interface NetworkOptions {
  readonly memberCount?: number;
  /** Merged into the configuration of every node. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  readonly redirections?: object;
}

export class TestNetwork {
  readonly directory = mkdtempSync(join(tmpdir(), "coco-network-"));
  readonly members: readonly TestIdentity[];
  readonly user = createIdentity("user0");
  readonly nodes: NetworkNode[] = [];
  readonly #options: NetworkOptions;
  serviceCertificate = "";

  constructor(options: NetworkOptions = {}) {
    this.#options = options;
    const count = options.memberCount ?? 1;
    this.members = Array.from({ length: count }, (_, index) => createIdentity(`member${index}`));
  }

  get serviceCertificateFile(): string {
    return join(this.directory, "service_cert.pem");
  }

  /** The first node of a new service. */
  async begin(): Promise<NetworkNode> {
    const members = this.members.map(({ certificate, encryption }, index) => {
      const certificateFile = join(this.directory, `member${index}_cert.pem`);
      const keyFile = join(this.directory, `member${index}_enc_pubk.pem`);
      writeFileSync(certificateFile, certificate);
      writeFileSync(keyFile, encryption.publicPem);
      return { certificate_file: certificateFile, encryption_public_key_file: keyFile };
    });
    return this.spawn("node0", {
      type: "Start",
      service_certificate_file: this.serviceCertificateFile,
      start: { constitution_files: [], members },
    });
  }

  /** A node that joins at `target`; resolves when the service trusts it and it serves. */
  join(name: string, target: NetworkNode, overrides: object = {}): Promise<NetworkNode> {
    return this.spawn(name, {
      type: "Join",
      service_certificate_file: this.serviceCertificateFile,
      join: { target_rpc_address: target.rpcAddress, retry_timeout: "50ms", ...overrides },
    });
  }

  async spawn(name: string, command: object): Promise<NetworkNode> {
    const directory = join(this.directory, name);
    const rpcAddress = `127.0.0.1:${await findPort()}`;
    const file = join(this.directory, `${name}.json`);
    const config = {
      network: {
        node_to_node_interface: { bind_address: `127.0.0.1:${await findPort()}` },
        rpc_interfaces: {
          primary: {
            bind_address: rpcAddress,
            ...(this.#options.redirections && { redirections: this.#options.redirections }),
          },
        },
      },
      command,
      consensus: times,
      ledger: { directory: join(directory, "ledger"), chunk_size: "50KB" },
      snapshots: { directory: join(directory, "snapshots") },
      output_files: {
        node_certificate_file: join(directory, "node_cert.pem"),
        pid_file: join(directory, "node.pid"),
      },
      ...this.#options.configuration,
    };
    writeFileSync(file, JSON.stringify(config));
    const child = spawn(process.execPath, ["--input-type=module", "-e", program, file], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    child.stderr.on("data", (data: Buffer) => {
      log += data.toString("utf8");
    });
    const facts = await readFacts(child, () => log);
    this.serviceCertificate ||= facts.serviceCertificatePem;
    const client = new NetworkClient(facts, this.members, this.user);
    const { nodeId } = facts;
    const node = { name, directory, process: child, client, nodeId, rpcAddress, log: () => log };
    this.nodes.push(node);
    return node;
  }

  /** Ends a node at once, as a crash does. */
  async kill(node: NetworkNode, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const ended = new Promise((resolve) => node.process.once("exit", resolve));
    node.client.close();
    node.process.kill(signal);
    await ended;
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  async stop(): Promise<void> {
    for (const node of [...this.nodes].reverse()) await this.kill(node, "SIGTERM");
  }

  /** Asks `node` until it says what is wanted. */
  async until(isDone: () => Promise<boolean>, what: string, timeoutMs = 15_000): Promise<void> {
    const endMs = Date.now() + timeoutMs;
    while (!(await isDone().catch(() => false))) {
      if (Date.now() > endMs) {
        const logs = this.nodes.map(({ name, log }) => `${name}: ${log().slice(-1500)}`);
        throw new Error(`not in time: ${what}\n${logs.join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The node that is primary now. */
  async primary(): Promise<NetworkNode> {
    let found: NetworkNode | undefined;
    await this.until(async () => {
      for (const node of this.nodes) {
        const answer = await node.client.get("/node/primary").catch(() => undefined);
        if (answer?.status === 200) found = node;
      }
      return found !== undefined;
    }, "a primary");
    return found!;
  }
}

interface Facts {
  readonly url: string;
  readonly nodeId: string;
  readonly serviceCertificatePem: string;
}

function readFacts(child: ChildProcess, log: () => string): Promise<Facts> {
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (data: Buffer) => {
      out += data.toString("utf8");
      if (out.includes("\n")) resolve(JSON.parse(out) as Facts);
    });
    child.once("exit", (code) => reject(new Error(`the node ended with ${code}: ${log()}`)));
  });
}

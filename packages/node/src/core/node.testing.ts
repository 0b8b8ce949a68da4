/** A running node for tests: members, users, signed governance messages, plain HTTPS. */
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificate, keyIdToBytes, signCoseSign1, utf8ToBytes } from "@coco/base";
import {
  createNodeCrypto,
  generateEncryptionKey,
  generateSigningKey,
  type SigningKey,
} from "@coco/base/node";
import { type AuditReport, auditLedger } from "@coco/store";
import { type RunningNode, startNode } from "./start-node.ts";

const crypto = createNodeCrypto();
const dayMs = 86_400_000;

export interface TestIdentity {
  readonly key: SigningKey;
  /** PEM. */
  readonly certificate: string;
  /** Hex SHA-256 of the certificate. */
  readonly id: string;
  readonly encryption: { readonly publicPem: string; readonly privatePem: string };
}

export function createIdentity(name: string): TestIdentity {
  const key = generateSigningKey("secp256r1");
  const certificate = createCertificate({
    subject: `CN=${name}`,
    publicKey: key.publicKey,
    signer: key,
    notBeforeMs: Date.now() - dayMs,
    notAfterMs: Date.now() + dayMs,
    serial: crypto.bytes(16),
    isAuthority: false,
    hash: crypto,
  });
  const id = createHash("sha256").update(new X509Certificate(certificate).raw).digest("hex");
  return { key, certificate, id, encryption: generateEncryptionKey() };
}

export interface TestResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of JSON they expect.
  json(): any;
}

export interface TestNodeOptions {
  readonly memberCount?: number;
  readonly configuration?: Readonly<Record<string, unknown>>;
  readonly isSandbox?: boolean;
  readonly snapshotTxCount?: number;
  /** Members with keys that exist already. */
  readonly members?: readonly TestIdentity[];
  readonly user?: TestIdentity;
  /** Where a ledger may be; a new one by default. */
  readonly directory?: string;
  /** Default: start a new service. */
  readonly command?: Readonly<Record<string, unknown>>;
}

/** Talks to a node as its clients and its members do. */
export abstract class NodeClient {
  readonly #agents = new Map<TestIdentity | undefined, Agent>();
  abstract readonly members: readonly TestIdentity[];
  abstract readonly user: TestIdentity;
  protected abstract readonly target: Pick<RunningNode, "url" | "serviceCertificatePem">;

  /** Ends the connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  request(
    method: string,
    path: string,
    options: {
      readonly body?: string | Uint8Array;
      readonly headers?: Readonly<Record<string, string>>;
      readonly as?: TestIdentity;
    } = {},
  ): Promise<TestResponse> {
    const { body, headers, as } = options;
    return new Promise((resolve, reject) => {
      const call = httpsRequest(
        new URL(path, this.target.url),
        { method, agent: this.#agentOf(as), headers: headers ?? {} },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("end", () => {
            const text = Buffer.concat(parts).toString("utf8");
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: text,
              json: () => JSON.parse(text),
            });
          });
        },
      );
      call.on("error", reject);
      call.end(body);
    });
  }

  get(path: string, as?: TestIdentity): Promise<TestResponse> {
    return this.request("GET", path, as === undefined ? {} : { as });
  }

  post(path: string, value: unknown, as: TestIdentity = this.user): Promise<TestResponse> {
    const headers = { "content-type": "application/json" };
    return this.request("POST", path, { body: JSON.stringify(value), headers, as });
  }

  /** A signed governance message of a member. */
  govern(
    member: TestIdentity,
    path: string,
    type: string,
    payload: unknown,
    proposalId?: string,
  ): Promise<TestResponse> {
    const headers = new Map<number | string, Uint8Array | string | number>([
      [4, keyIdToBytes(member.id)],
      ["ccf.gov.msg.type", type],
      ["ccf.gov.msg.created_at", Math.floor(Date.now() / 1000)],
    ]);
    if (proposalId !== undefined) headers.set("ccf.gov.msg.proposal_id", proposalId);
    const text = payload === undefined ? "" : JSON.stringify(payload);
    const body = signCoseSign1({ signer: member.key, headers, payload: utf8ToBytes(text) });
    return this.request("POST", `/gov/${path}?api-version=2024-07-01`, {
      body,
      headers: { "content-type": "application/cose" },
    });
  }

  propose(actions: readonly unknown[], member = this.members[0]!): Promise<TestResponse> {
    return this.govern(member, "members/proposals:create", "proposal", { actions });
  }

  /** Activates the members, adds the user, deploys `app`, opens the service. */
  async open(app?: unknown): Promise<void> {
    for (const member of this.members) {
      const path = `members/state-digests/${member.id}`;
      const digest = await this.govern(member, `${path}:update`, "state_digest", undefined);
      const ack = await this.govern(member, `${path}:ack`, "ack", {
        stateDigest: digest.json().stateDigest,
      });
      if (ack.status !== 204) throw new Error(`ack: ${ack.status} ${ack.body}`);
    }
    const service = this.target.serviceCertificatePem;
    const proposal = await this.propose([
      { name: "set_user", args: { cert: this.user.certificate } },
      ...(app === undefined ? [] : [{ name: "set_js_app", args: { bundle: app } }]),
      { name: "transition_service_to_open", args: { next_service_identity: service } },
    ]);
    if (proposal.status !== 200 || proposal.json().proposalState !== "Accepted") {
      throw new Error(`opening: ${proposal.status} ${proposal.body}`);
    }
  }

  #agentOf(identity: TestIdentity | undefined): Agent {
    let agent = this.#agents.get(identity);
    if (agent === undefined) {
      agent = new Agent({
        keepAlive: true,
        ca: this.target.serviceCertificatePem,
        ...(identity && { cert: identity.certificate, key: identity.key.toPem() }),
      });
      this.#agents.set(identity, agent);
    }
    return agent;
  }
}

export class TestNode extends NodeClient {
  readonly directory: string;
  readonly members: readonly TestIdentity[];
  readonly user: TestIdentity;
  readonly logLines: string[] = [];
  readonly #options: TestNodeOptions;
  #node: RunningNode | undefined;

  constructor(options: TestNodeOptions = {}) {
    super();
    this.#options = options;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "coco-node-"));
    const count = options.memberCount ?? 1;
    this.members =
      options.members ??
      Array.from({ length: count }, (_, index) => createIdentity(`member${index}`));
    this.user = options.user ?? createIdentity("user0");
  }

  get node(): RunningNode {
    if (this.#node === undefined) throw new Error("the node is not running");
    return this.#node;
  }

  protected get target(): RunningNode {
    return this.node;
  }

  get ledgerDirectory(): string {
    return join(this.directory, "ledger");
  }

  get snapshotDirectory(): string {
    return join(this.directory, "snapshots");
  }

  async start(): Promise<void> {
    const members = this.members.map(({ certificate, encryption }, index) => {
      const certificateFile = join(this.directory, `member${index}_cert.pem`);
      const keyFile = join(this.directory, `member${index}_enc_pubk.pem`);
      writeFileSync(certificateFile, certificate);
      writeFileSync(keyFile, encryption.publicPem);
      return { certificate_file: certificateFile, encryption_public_key_file: keyFile };
    });
    const config = {
      network: {
        node_to_node_interface: { bind_address: "127.0.0.1:0" },
        rpc_interfaces: { primary: { bind_address: "127.0.0.1:0" } },
      },
      command: {
        type: "Start",
        service_certificate_file: join(this.directory, "service_cert.pem"),
        start: { constitution_files: [], members },
        ...this.#options.command,
      },
      ledger: { directory: this.ledgerDirectory },
      snapshots: {
        directory: this.snapshotDirectory,
        tx_count: this.#options.snapshotTxCount ?? 10_000,
      },
      output_files: {
        node_certificate_file: join(this.directory, "node_cert.pem"),
        pid_file: join(this.directory, "node.pid"),
      },
      ...this.#options.configuration,
    };
    this.#node = await startNode(config, {
      log: (line) => this.logLines.push(line),
      isSandbox: this.#options.isSandbox ?? true,
    });
  }

  async stop(): Promise<void> {
    this.close();
    await this.#node?.stop();
    this.#node = undefined;
  }

  /** Audits the ledger on disk as anybody would. */
  audit(serviceCertificate: string): AuditReport {
    const files = readdirSync(this.ledgerDirectory).map((name) => {
      const bytes = readFileSync(join(this.ledgerDirectory, name));
      const read = (offset: number, lengthBytes: number) =>
        new Uint8Array(bytes.subarray(offset, offset + lengthBytes));
      return { name, sizeBytes: bytes.length, read };
    });
    return auditLedger(files, { crypto, serviceCertificate });
  }
}

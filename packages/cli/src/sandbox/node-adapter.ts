/** The one place where the command line touches @coco/node. */
import { createWriteStream, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "../files.ts";
import { sandboxConstitutionFile, sandboxPidFile } from "./facts.ts";
import type { Workspace } from "./workspace.ts";

export interface SandboxNodeOptions {
  readonly workspace: Workspace;
  readonly host: string;
  readonly port: number;
  /** Files of the constitution; empty: the sandbox constitution. */
  readonly constitutionFiles: readonly string[];
  /** PEM of the service whose ledger is in the workspace and is to be recovered. */
  readonly previousService: string | undefined;
  /** Port of the debugger of the thread that runs the app; undefined: none. */
  readonly inspectPort: number | undefined;
  /** Receives each line of the node's log, besides the file. */
  onLogLine(line: string): void;
  /** The node cannot go on. */
  onFailed(error: Error): void;
}

/** A node that answers. */
export interface SandboxNode {
  readonly url: string;
  /** PEM. */
  readonly serviceCertificate: string;
  readonly ledgerDirectory: string;
  /** For the debugger; undefined without `inspectPort`. */
  readonly inspectUrl: string | undefined;
  stop(): Promise<void>;
}

/** Starts a node that creates a service for the members of the workspace, or recovers theirs. */
export async function startSandboxNode(options: SandboxNodeOptions): Promise<SandboxNode> {
  const { workspace, inspectPort } = options;
  const config = toNodeConfig(options, await findConstitution(options));
  writeFile(join(workspace.directory, "node.json"), `${JSON.stringify(config, undefined, 2)}\n`);
  const { startNode } = await import("@coco/node");
  const log = createWriteStream(workspace.logFile);
  const node = await startNode(config, {
    log: (line) => {
      log.write(`${line}\n`);
      options.onLogLine(line);
    },
    isSandbox: true,
    onFailed: options.onFailed,
    ...(inspectPort !== undefined && { inspectPort }),
  });
  return {
    url: node.url,
    serviceCertificate: node.serviceCertificatePem,
    ledgerDirectory: node.ledgerDirectory,
    inspectUrl: node.inspectUrl,
    stop: async () => {
      await node.stop();
      rmSync(join(workspace.directory, sandboxPidFile), { force: true });
      await new Promise<void>((resolve) => log.end(() => resolve()));
    },
  };
}

/** The given files, or the sandbox constitution, which is written beside the keys to be read. */
async function findConstitution(options: SandboxNodeOptions): Promise<readonly string[]> {
  if (options.constitutionFiles.length > 0) return options.constitutionFiles;
  const { sandboxConstitution } = await import("@coco/governance");
  const path = join(options.workspace.directory, sandboxConstitutionFile);
  writeFile(path, sandboxConstitution);
  return [path];
}

/** CCF's configuration of a first node. */
function toNodeConfig(options: SandboxNodeOptions, constitutionFiles: readonly string[]): object {
  const { workspace, host, port } = options;
  const address = `${host}:${port}`;
  return {
    network: {
      node_to_node_interface: { bind_address: `${host}:0` },
      rpc_interfaces: { primary: { bind_address: address, published_address: address } },
    },
    command: {
      service_certificate_file: join(workspace.directory, "service_cert.pem"),
      ...toCommand(options, constitutionFiles),
    },
    node_certificate: {
      subject_alt_names: [`iPAddress:${host}`, "dNSName:localhost"],
      initial_validity_days: 90,
    },
    output_files: {
      node_certificate_file: join(workspace.directory, "node_cert.pem"),
      pid_file: join(workspace.directory, sandboxPidFile),
    },
    ledger: { directory: workspace.ledger },
    snapshots: { directory: workspace.snapshots },
  };
}

const validityDays = 90;

function toCommand(options: SandboxNodeOptions, constitutionFiles: readonly string[]): object {
  const { workspace, previousService } = options;
  if (previousService !== undefined) {
    const file = join(workspace.directory, "previous_service_cert.pem");
    writeFile(file, previousService);
    const recover = {
      previous_service_identity_file: file,
      initial_service_certificate_validity_days: validityDays,
    };
    return { type: "Recover", recover };
  }
  const { members } = workspace;
  const start = {
    constitution_files: constitutionFiles,
    members: members.map(({ cert, encryptionKey }) => ({
      certificate_file: cert,
      encryption_public_key_file: encryptionKey.replace("_enc_privk", "_enc_pubk"),
    })),
    service_configuration: { recovery_threshold: Math.floor(members.length / 2) + 1 },
    initial_service_certificate_validity_days: validityDays,
  };
  return { type: "Start", start };
}

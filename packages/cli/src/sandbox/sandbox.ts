/** A one-node network for development: keys, node, opening, app. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { createNodeCrypto } from "@coco/base/node";
import { buildApp } from "../app/build.ts";
import type { AppBundle } from "../app/bundle.ts";
import { templateDirectory } from "../app/templates.ts";
import { cliErrors } from "../errors.ts";
import { writeFile } from "../files.ts";
import type { SandboxFacts } from "./facts.ts";
import { findFreePort, type MoreNodes, startMoreNodes } from "./more-nodes.ts";
import { createNetwork, type Network } from "./network.ts";
import { type SandboxNode, startSandboxNode } from "./node-adapter.ts";
import { checkPort } from "./preflight.ts";
import {
  checkWorkspace,
  countIdentities,
  createWorkspace,
  type Workspace,
  type WorkspaceOptions,
} from "./workspace.ts";

export interface SandboxOptions {
  /** Default: the logging sample. */
  readonly app: string | undefined;
  /** 0: any free port. */
  readonly port: number;
  readonly memberCount: number;
  readonly userCount: number;
  readonly nodeCount: number;
  readonly constitutionFiles: readonly string[];
  readonly directory: string;
  readonly isFresh: boolean;
  readonly inspectPort: number | undefined;
  readonly isColored: boolean;
  /** Receives each line of the node's log, besides the file. */
  onLogLine(line: string): void;
  /** The node cannot go on. */
  onFailed(error: Error): void;
}

export interface Sandbox {
  readonly facts: SandboxFacts;
  readonly workspace: Workspace;
  readonly inspectUrl: string | undefined;
  readonly appDirectory: string;
  readonly bundle: AppBundle;
  /** Remarks of the app's build. */
  readonly notes: readonly string[];
  /** The ledger of the last run goes on, under a new service certificate. */
  readonly isRecovered: boolean;
  deploy(bundle: AppBundle): Promise<unknown>;
  stop(): Promise<void>;
}

const host = "127.0.0.1";
const pendingCheckMs = 100;

/** Starts the sandbox; when it cannot, nothing keeps running. @throws {CocoError} */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  if (options.memberCount < 1) throw cliErrors.create("Usage", "--members has to be at least 1");
  checkWorkspace(options.directory);
  await checkPort(host, options.port);
  const appDirectory = options.app ?? templateDirectory("logging");
  const building = buildApp(appDirectory, {
    hasSourceMaps: true,
    // The sample is checked by this project's own tests.
    isChecked: options.app !== undefined,
    isColored: options.isColored,
  });
  // A failed build is reported below, also when the workspace fails first.
  building.catch(() => undefined);
  // The node's code loads while the keys are made.
  const loading = import("@coco/node");
  const previousService = options.isFresh ? undefined : await findPreviousService(options);
  const workspace = await createWorkspace(toWorkspaceOptions(options, previousService));
  await loading;
  // Other nodes are told where it is, so the system cannot choose late.
  const isChosen = options.port !== 0 || options.nodeCount <= 1;
  const port = isChosen ? options.port : await findFreePort(host);
  const node = await startSandboxNode({ ...options, port, workspace, host, previousService });
  let network: Network | undefined;
  let more: MoreNodes | undefined;
  try {
    const built = await building;
    const { notes } = built;
    network = createNetwork({ ...node, members: workspace.members });
    let { bundle } = built;
    if (previousService === undefined) {
      await network.activateMembers();
      await network.open(workspace.users, bundle);
    } else {
      await network.recover(previousService, workspace.users);
      if (options.app !== undefined) await network.deploy(bundle);
      else bundle = await network.bundle();
    }
    more = await joinMoreNodes(options, workspace, node, network);
    const facts = writeFacts(workspace, node, more);
    const isRecovered = previousService !== undefined;
    const { deploy } = network;
    const stop = () => stopAll(network, node, more);
    const { inspectUrl } = node;
    return { facts, workspace, inspectUrl, appDirectory, bundle, notes, isRecovered, deploy, stop };
  } catch (error) {
    await stopAll(network, node, more);
    throw error;
  }
}

/** The members vote for each node that asks. */
async function joinMoreNodes(
  { nodeCount }: SandboxOptions,
  workspace: Workspace,
  node: SandboxNode,
  network: Network,
): Promise<MoreNodes | undefined> {
  if (nodeCount <= 1) return undefined;
  const { directory } = workspace;
  const serviceCertificateFile = join(directory, "service_cert.pem");
  writeFile(serviceCertificateFile, node.serviceCertificate);
  const starting = startMoreNodes({
    directory,
    host,
    count: nodeCount - 1,
    targetAddress: new URL(node.url).host,
    serviceCertificateFile,
  });
  let isStarted = false;
  const noteEnd = () => {
    isStarted = true;
  };
  starting.then(noteEnd, noteEnd);
  while (!isStarted) {
    await network.trustPendingNodes();
    await new Promise((resolve) => setTimeout(resolve, pendingCheckMs));
  }
  return starting;
}

/** PEM of the service that the last run left, when its members' keys are there too. */
async function findPreviousService({ directory }: SandboxOptions): Promise<string | undefined> {
  const ledger = join(resolve(directory), "ledger");
  if (!existsSync(ledger) || countIdentities(directory, "member") === 0) return undefined;
  const { readLedgerIdentity } = await import("@coco/node");
  const identity = readLedgerIdentity(ledger, createNodeCrypto());
  // A service that never opened has no recovery shares yet.
  return identity?.serviceStatus === "Open" ? identity.serviceCertificate : undefined;
}

/** The members of a service that goes on are those of its ledger. */
function toWorkspaceOptions(
  options: SandboxOptions,
  previousService: string | undefined,
): WorkspaceOptions {
  if (previousService === undefined) return { ...options, keepsLedger: false };
  const { directory, userCount } = options;
  return {
    directory,
    isFresh: false,
    keepsLedger: true,
    memberCount: countIdentities(directory, "member"),
    userCount: Math.max(userCount, countIdentities(directory, "user")),
  };
}

async function stopAll(
  network: Network | undefined,
  node: SandboxNode,
  more: MoreNodes | undefined,
): Promise<void> {
  await network?.close();
  await more?.stop();
  await node.stop();
}

function writeFacts(
  workspace: Workspace,
  node: SandboxNode,
  more: MoreNodes | undefined,
): SandboxFacts {
  const serviceCert = join(workspace.directory, "service_cert.pem");
  writeFile(serviceCert, node.serviceCertificate);
  const facts: SandboxFacts = {
    url: node.url,
    serviceCert,
    ledgerDir: node.ledgerDirectory,
    members: workspace.members,
    users: workspace.users,
    ...(more && { nodes: more.peers }),
  };
  writeFile(workspace.factsFile, `${JSON.stringify(facts, undefined, 2)}\n`);
  return facts;
}

/** Starts a node of this process from its configuration. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { url as inspectorUrl, open as openInspector } from "node:inspector";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Rng } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  concatenateConstitution,
  defaultConstitution,
  type GenesisInfo,
  type NewMember,
  sandboxConstitution,
} from "@coco/governance";
import { parseChunkName } from "@coco/store";
import type {
  CommandConfiguration,
  NodeConfiguration,
  RpcInterfaceConfiguration,
  StartConfiguration,
} from "../config/configuration.ts";
import { parseConfiguration } from "../config/load-configuration.ts";
import type { FrontInterfaceOptions, FrontLimits } from "../front/front-options.ts";
import { defaultFrontLimits } from "../front/front-options.ts";
import { createLog } from "../log.ts";
import { softwareVersion } from "../version.ts";
import { nodeErrors } from "./errors.ts";
import type { ExecutorSettings, ExecutorStart } from "./executor-messages.ts";
import type { ForwardingRules } from "./forwarding.ts";
import { joinNetwork } from "./join-client.ts";
import { generateNodeSecrets, type HeldLedgerSecret } from "./node-secrets.ts";
import { Supervisor } from "./supervisor.ts";

/** A whole head may be this many times as large as one header. */
const headShare = 16;

export interface StartNodeOptions {
  /** Receives one JSON object per line; default: standard error. */
  readonly log?: (line: string) => void;
  /** Opens a debugger for the threads of this process. */
  readonly inspectPort?: number;
  /** Handlers print to the log, and failures show their details: for development. */
  readonly isSandbox?: boolean;
  /** ES modules whose default export is a `CreateIndexStrategy`; loaded where the store is. */
  readonly indexModules?: readonly string[];
  /** Ends the waiting of a node that joins. */
  readonly signal?: AbortSignal;
  /** The node stopped because it could not go on. */
  readonly onFailed?: (error: Error) => void;
}

export interface RunningNode {
  /** Of the first RPC interface. */
  readonly url: string;
  /** By interface name. */
  readonly urls: Readonly<Record<string, string>>;
  readonly nodeId: string;
  readonly serviceCertificatePem: string;
  readonly ledgerDirectory: string;
  /** Of the debugger. */
  readonly inspectUrl: string | undefined;
  /** Answers what is in flight, signs and writes everything, ends the threads. */
  stop(): Promise<void>;
}

/**
 * @param config the configuration as JSON (docs/node.md); relative paths are taken from the
 *   working directory
 * @throws {CocoError} of the configuration; LedgerDirectoryInUse, StartFailed
 */
export async function startNode(
  config: unknown,
  options: StartNodeOptions = {},
): Promise<RunningNode> {
  const { configuration } = parseConfiguration(JSON.stringify(config), "configuration");
  const log = createLog({
    level: configuration.logging.level,
    thread: "node",
    write: options.log,
  });
  const { command } = configuration;
  const ledgerDirectory = resolve(configuration.ledger.directory);
  if (command.type !== "Recover") checkLedgerDirectory(ledgerDirectory);
  const isSandbox = options.isSandbox ?? false;
  const inspectUrl = openDebugger(options.inspectPort);
  const crypto = createNodeCrypto();
  const curve = configuration.nodeCertificate.curve === "P-256" ? "secp256r1" : "secp384r1";
  const settings = {
    ...toSettings(configuration, command, ledgerDirectory, isSandbox),
    indexModules: (options.indexModules ?? []).map((path) => pathToFileURL(path).href),
  };
  const secrets = generateNodeSecrets(curve, toFirstSecrets(command, crypto));
  const beginning =
    command.type === "Join"
      ? await joinNetwork({
          crypto,
          settings,
          secrets,
          serviceCertificate: readText(command.serviceCertificateFile),
          targetAddress: command.targetRpcAddress,
          retryTimeoutMs: command.retryTimeoutMs,
          isRedirectFollowed: command.followRedirect,
          log,
          signal: options.signal,
        })
      : { secrets, start: toExecutorStart(command, isSandbox) };
  const supervisor = new Supervisor({
    settings,
    ...beginning,
    interfaces: configuration.network.rpcInterfaces.map(toFrontInterface),
    frontLimits: toFrontLimits(configuration),
    frontCount: configuration.front.workerCount,
    isDebugged: inspectUrl !== undefined,
    executorHeapSizeBytes: configuration.execution.memorySizeBytes,
    log,
    onFailed: (error) => {
      log("error", error.message, { code: "NodeFailed" });
      options.onFailed?.(error);
    },
  });
  try {
    await supervisor.start();
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  const urls = toUrls(configuration, supervisor.addresses);
  writeOutputFiles(configuration, command, supervisor, urls);
  log("info", "node started", { nodeId: supervisor.nodeId, attestation: "virtual (insecure)" });
  return {
    url: Object.values(urls)[0] ?? "",
    urls,
    nodeId: supervisor.nodeId,
    serviceCertificatePem: supervisor.certificates.serviceCertificate,
    ledgerDirectory,
    inspectUrl,
    stop: () => supervisor.stop(),
  };
}

type StartCommand = Extract<CommandConfiguration, { readonly type: "Start" | "Recover" }>;

function toExecutorStart(command: StartCommand, isSandbox: boolean): ExecutorStart {
  if (command.type === "Start") {
    return { kind: "genesis", genesis: toGenesis(command, isSandbox) };
  }
  const previousServiceCertificate = readText(command.previousServiceIdentityFile);
  return { kind: "recover", previousServiceCertificate };
}

function toFirstSecrets(command: CommandConfiguration, crypto: Rng): readonly HeldLedgerSecret[] {
  if (command.type !== "Start") return [];
  return [{ version: 1, secret: crypto.bytes(32), previousStoredVersion: undefined }];
}

function checkLedgerDirectory(directory: string): void {
  if (!existsSync(directory)) return;
  const chunk = readdirSync(directory).find((name) => parseChunkName(name) !== undefined);
  if (chunk !== undefined) {
    throw nodeErrors.create("LedgerDirectoryInUse", `${directory} has ${chunk}`, { directory });
  }
}

/** Debuggers attach to the threads through the main thread. */
function openDebugger(port: number | undefined): string | undefined {
  if (port === undefined) return undefined;
  openInspector(port, "127.0.0.1");
  return inspectorUrl();
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw nodeErrors.create("StartFailed", `cannot read ${path}`, { path }, cause);
  }
}

function readJson(path: string | undefined): unknown {
  if (path === undefined) return undefined;
  try {
    return JSON.parse(readText(path));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw nodeErrors.create("StartFailed", `${path} is not JSON`, { path }, cause);
  }
}

/** Without files of its own a service has our default constitution, a sandbox the sandbox one. */
function toConstitution(files: readonly string[], isSandbox: boolean): string {
  if (files.length > 0) return concatenateConstitution(files.map(readText));
  return isSandbox ? sandboxConstitution : defaultConstitution;
}

function toGenesis(command: StartConfiguration, isSandbox: boolean): GenesisInfo {
  const members = command.members.map((member): NewMember => {
    const key = member.encryptionPublicKeyFile;
    const data = readJson(member.dataJsonFile);
    return {
      certificate: readText(member.certificateFile),
      ...(key === undefined ? {} : { encryptionPublicKey: readText(key) }),
      ...(data === undefined ? {} : { memberData: data }),
      ...(member.recoveryRole === undefined ? {} : { recoveryRole: member.recoveryRole }),
    };
  });
  const { serviceConfiguration } = command;
  const { recentCoseProposalsWindowSize, serviceCertificateValidityDaysMax } = serviceConfiguration;
  const recoverers = members.filter(({ encryptionPublicKey, recoveryRole }) => {
    return encryptionPublicKey !== undefined && recoveryRole !== "Owner";
  }).length;
  return {
    members,
    constitution: toConstitution(command.constitutionFiles, isSandbox),
    configuration: {
      maximum_node_certificate_validity_days: serviceConfiguration.nodeCertificateValidityDaysMax,
      // As CCF, what has its default is not written.
      ...(serviceCertificateValidityDaysMax === 365
        ? {}
        : { maximum_service_certificate_validity_days: serviceCertificateValidityDaysMax }),
      ...(recentCoseProposalsWindowSize === 100
        ? {}
        : { recent_cose_proposals_window_size: recentCoseProposalsWindowSize }),
      recovery_threshold: serviceConfiguration.recoveryThreshold || Math.max(1, recoverers),
    },
  };
}

function toSettings(
  configuration: NodeConfiguration,
  command: CommandConfiguration,
  ledgerDirectory: string,
  isSandbox: boolean,
): ExecutorSettings {
  const { nodeCertificate, ledger, snapshots, ledgerSignatures, consensus, network } =
    configuration;
  const hosts = network.rpcInterfaces.map(({ publishedAddress }) =>
    publishedAddress.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""),
  );
  const { nodeToNodeInterface } = network;
  const { host, port } = nodeToNodeInterface.bindAddress;
  return {
    ledgerDirectory,
    ledgerReadOnlyDirectories: ledger.readOnlyDirectories.map((path) => resolve(path)),
    snapshotDirectory: resolve(snapshots.directory),
    snapshotReadOnlyDirectories:
      snapshots.readOnlyDirectory === undefined ? [] : [resolve(snapshots.readOnlyDirectory)],
    snapshotTxCount: snapshots.txCount,
    ledgerSync: ledger.sync,
    chunkSizeBytes: ledger.chunkSizeBytes,
    messageTimeoutMs: consensus.messageTimeoutMs,
    electionTimeoutMs: consensus.electionTimeoutMs,
    signatureDelayMs: ledgerSignatures.delayMs,
    signatureCountMax: ledgerSignatures.txCount,
    uncommittedCountMax: consensus.uncommittedTxCountMax || Number.MAX_SAFE_INTEGER,
    historicalCacheSizeBytes: configuration.historicalCacheSoftLimitBytes,
    coseIssuer: command.type === "Start" ? command.coseSignatures : undefined,
    serviceSubject: command.type === "Start" ? command.serviceSubjectName : undefined,
    serviceValidityDays:
      command.type === "Join" ? 0 : command.initialServiceCertificateValidityDays,
    nodeSubject: nodeCertificate.subjectName,
    nodeValidityDays: nodeCertificate.initialValidityDays,
    subjectAltNames:
      nodeCertificate.subjectAltNames.length > 0 ? nodeCertificate.subjectAltNames : hosts,
    rpcInterfaces: Object.fromEntries(network.rpcInterfaces.map(toInterfaceRow)),
    forwarding: Object.fromEntries(network.rpcInterfaces.map(toForwardingRules)),
    nodeToNodeInterface: {
      bind_address: `${host}:${port}`,
      published_address: nodeToNodeInterface.publishedAddress,
    },
    nodeData: readJson(configuration.nodeDataJsonFile),
    serviceData: readJson(configuration.serviceDataJsonFile),
    startTimeMs: Date.now(),
    softwareVersion,
    handlerTimeoutMs: configuration.execution.handlerTimeoutMs,
    memorySizeBytes: configuration.execution.memorySizeBytes,
    isSandbox,
  };
}

function toForwardingRules(rpc: RpcInterfaceConfiguration): [string, ForwardingRules] {
  const { toPrimary } = rpc.redirections;
  return [
    rpc.name,
    {
      timeoutMs: rpc.forwardingTimeoutMs,
      redirectsToPrimary: toPrimary !== undefined,
      ...(toPrimary?.kind === "StaticAddress" && { redirectAddress: toPrimary.address }),
    },
  ];
}

function toInterfaceRow(rpc: RpcInterfaceConfiguration): [string, Record<string, unknown>] {
  const { host, port } = rpc.bindAddress;
  return [
    rpc.name,
    {
      bind_address: `${host}:${port}`,
      ...(rpc.enabledOperatorFeatures.length > 0
        ? { enabled_operator_features: rpc.enabledOperatorFeatures }
        : {}),
      max_open_sessions_hard: rpc.openSessionsHardMax,
      max_open_sessions_soft: rpc.openSessionsSoftMax,
      published_address: rpc.publishedAddress,
    },
  ];
}

function toFrontInterface(rpc: RpcInterfaceConfiguration): FrontInterfaceOptions {
  return {
    name: rpc.name,
    host: rpc.bindAddress.host,
    port: rpc.bindAddress.port,
    authority: rpc.authority,
    sessionsSoftMax: rpc.openSessionsSoftMax,
    sessionsHardMax: rpc.openSessionsHardMax,
    requestLimits: { ...rpc.http, headSizeBytesMax: headShare * rpc.http.headerSizeBytesMax },
    acceptedEndpoints: rpc.acceptedEndpoints,
  };
}

function toFrontLimits({ front, idleConnectionTimeoutMs }: NodeConfiguration): FrontLimits {
  return {
    ...defaultFrontLimits,
    idleTimeoutMs: idleConnectionTimeoutMs,
    handshakeTimeoutMs: front.handshakeTimeoutMs,
    headTimeoutMs: front.headTimeoutMs,
    bodyTimeoutMs: front.bodyTimeoutMs,
    pipelineCountMax: front.pipelineCountMax,
    inFlightCountMax: front.inFlightCountMax,
    inFlightSizeBytesMax: front.inFlightSizeBytesMax,
  };
}

function toUrls(
  configuration: NodeConfiguration,
  addresses: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    configuration.network.rpcInterfaces.map(({ name, authority }) => [
      name,
      `${authority === "Unsecured" ? "http" : "https"}://${addresses[name] ?? ""}`,
    ]),
  );
}

function writeOutput(path: string | undefined, content: string): void {
  if (path === undefined || path === "") return;
  mkdirSync(dirname(resolve(path)), { recursive: true });
  writeFileSync(path, content);
}

function writeOutputFiles(
  { outputFiles }: NodeConfiguration,
  command: CommandConfiguration,
  supervisor: Supervisor,
  urls: Readonly<Record<string, string>>,
): void {
  if (command.type !== "Join") {
    writeOutput(command.serviceCertificateFile, supervisor.certificates.serviceCertificate);
  }
  writeOutput(outputFiles.nodeCertificateFile, supervisor.certificates.selfSignedCertificate);
  writeOutput(outputFiles.pidFile, `${process.pid}`);
  const addresses = Object.entries(urls).map(([name, url]) => [name, url.replace(/^\w+:\/\//, "")]);
  writeOutput(outputFiles.rpcAddressesFile, JSON.stringify(Object.fromEntries(addresses)));
}

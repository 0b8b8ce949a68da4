/** The applications of an executor, and what they need from the node. */
import { bytesToLatin1, type Log } from "@coco/base";
import {
  createConstitution,
  createGovernanceApplication,
  governanceTables,
} from "@coco/governance";
import {
  type Application,
  type AppRequest,
  createAuthenticator,
  createGovernanceGlobals,
  createScriptApplication,
  createSesEngine,
  type Endpoint,
  readRuntimeOptions,
  refusalToResponse,
  tableNames,
} from "@coco/runtime";
import {
  type AppendedTransaction,
  type Changes,
  ledgerTable,
  singletonKey,
  type Transaction,
} from "@coco/store";
import { createNodeApplication, withCommonEndpoints } from "../api/node-application.ts";
import type { NodeApiPorts } from "../api/ports.ts";
import { createAppCrypto } from "../app-crypto.ts";
import { createVmGuard } from "../guard.ts";
import { HistoricalCache } from "../historical/historical-cache.ts";
import { lookUpHistoricalState } from "../historical/historical-lookup.ts";
import { installIndexModules } from "../historical/index-modules.ts";
import { createCommittedSource } from "../historical/indexing.ts";
import { LedgerEntries } from "../historical/ledger-entries.ts";
import { CertificateServices } from "./certificate-services.ts";
import type { ExecutorConsensus } from "./consensus-port.ts";
import type { Authentication, Dispatcher, HistoricalLookup } from "./dispatcher.ts";
import type { RunLimits } from "./execution-watch.ts";
import type { ExecutorData, ExecutorReport } from "./executor-messages.ts";
import { createExecutorMetrics } from "./executor-metrics.ts";
import { keyToId } from "./identities.ts";
import type { LedgerDisk } from "./ledger-disk.ts";
import type { LedgerPipeline } from "./ledger-pipeline.ts";
import { CoreNodeServices } from "./node-services.ts";
import type { ServiceState } from "./service-state.ts";
import type { SnapshotDirectory } from "./snapshot-directory.ts";

export interface ApplicationsOptions {
  readonly data: ExecutorData;
  readonly state: ServiceState;
  readonly consensus: ExecutorConsensus;
  readonly pipeline: LedgerPipeline;
  readonly disk: LedgerDisk;
  readonly snapshotDirectory: SnapshotDirectory;
  /** A vote wants a snapshot. */
  readonly onSnapshotRequested: () => void;
  readonly log: Log;
  readonly report: (report: ExecutorReport) => void;
  readonly onCertificatesChanged: () => void;
  readonly dispatcherStats: () => Dispatcher<never>["stats"];
  readonly commitWaiterCount: () => number;
}

export interface ExecutorApplications {
  readonly list: readonly Application[];
  readonly historical: HistoricalCache;
  /** PEM, as renewed last. */
  serviceCertificate(): string;
  nodeCertificate(): string;
  authenticate(endpoint: Endpoint, request: AppRequest, transaction: Transaction): Authentication;
  lookUpHistorical(request: AppRequest): HistoricalLookup;
  isServiceOpen(transaction: Transaction): boolean;
  runLimits(): RunLimits;
  onAppended(appended: AppendedTransaction, changes: Changes): void;
  onCommitted(seqno: number): void;
  stop(): void;
}

/** What of the service's tables the node keeps at hand; followed as transactions are appended. */
interface CurrentCertificates {
  service: string;
  node: string;
}

const tickMs = 1000;
const singletonText = bytesToLatin1(singletonKey);

function createHistorical({ data, state, consensus, log }: ApplicationsOptions): HistoricalCache {
  const { ledgerDirectory, ledgerReadOnlyDirectories, historicalCacheSizeBytes } = data.settings;
  return new HistoricalCache({
    decoder: { crypto: state.crypto, secrets: () => state.secrets, consensus },
    // What is committed is on disk, so nothing has to be kept for readers.
    entries: new LedgerEntries({
      directories: [ledgerDirectory, ...ledgerReadOnlyDirectories],
      recent: () => undefined,
    }),
    consensus,
    nowMs: () => Date.now(),
    softLimitBytes: historicalCacheSizeBytes,
    log,
  });
}

function createNodeApiPorts(
  options: ApplicationsOptions,
  historical: HistoricalCache,
): NodeApiPorts {
  const { data, state, consensus } = options;
  const { crypto, nodeId, selfSignedCertificate } = state;
  return {
    node: {
      nodeId,
      state: "PartOfNetwork",
      startupSeqno: state.startupSeqno,
      isStopping: false,
      selfSignedCertificate,
      rpcInterfaces: data.settings.rpcInterfaces,
      nodeData: data.settings.nodeData,
    },
    consensus,
    receipts: historical,
    snapshots: options.snapshotDirectory,
    indexes: () => historical.indexes.facts(),
    metrics: createExecutorMetrics(options),
    version: data.settings.softwareVersion,
    certificateToNodeId: (der) => keyToId(crypto, crypto.parse(der).publicKey),
  };
}

function createNodeServices(
  { data, state, report, onSnapshotRequested }: ApplicationsOptions,
  certificates: CurrentCertificates,
): CoreNodeServices {
  const { crypto, secrets, serviceKey, writer } = state;
  return new CoreNodeServices({
    crypto,
    secrets,
    writer: () => writer,
    serviceKey,
    certificates: new CertificateServices(crypto, {
      key: serviceKey,
      subject: data.settings.serviceSubject,
      certificate: () => certificates.service,
    }),
    nowMs: () => Date.now(),
    onSecretsChanged: () => {
      const held = secrets.all().map(({ version, key, previousSecretStoredVersion }) => ({
        version,
        secret: key,
        previousStoredVersion: previousSecretStoredVersion,
      }));
      report({ kind: "secrets", ledgerSecrets: held });
    },
    onSnapshotRequested,
  });
}

/** Whether the service is open, read again only when its row has changed. */
function createOpenCheck(): (transaction: Transaction) => boolean {
  let lastText: string | undefined;
  let isOpen = false;
  return (transaction) => {
    const text = transaction.table(ledgerTable.service).getText(singletonText);
    if (text !== lastText) {
      isOpen = governanceTables.serviceInfo.get(transaction)?.status === "Open";
      lastText = text;
    }
    return isOpen;
  };
}

/** The voted limits of handlers, read again only when their row has changed. */
function createRunLimits({ store }: ServiceState): () => RunLimits {
  let lastText: string | undefined;
  let limits: RunLimits | undefined;
  return () => {
    const transaction = store.begin("node");
    const text = transaction.table(tableNames.runtimeOptions).getText(singletonText);
    if (limits === undefined || text !== lastText) {
      const { max_execution_time_ms: timeMs, max_heap_bytes: growthBytesMax } =
        readRuntimeOptions(transaction);
      limits = { timeMs, growthBytesMax };
      lastText = text;
    }
    transaction.discard();
    return limits;
  };
}

/** Keeps up with certificates that proposals renew. @returns whether one changed */
function followCertificates(
  changes: Changes,
  nodeId: string,
  certificates: CurrentCertificates,
): boolean {
  const { node, service } = certificates;
  for (const { name, writes } of changes) {
    if (name === ledgerTable.endorsedCertificates) {
      certificates.node = writes.get(nodeId) ?? certificates.node;
    } else if (name === ledgerTable.service) {
      const text = writes.get(singletonText);
      if (text !== undefined) certificates.service = (JSON.parse(text) as { cert: string }).cert;
    }
  }
  return certificates.node !== node || certificates.service !== service;
}

export function createApplications(options: ApplicationsOptions): ExecutorApplications {
  const { state, consensus } = options;
  const { crypto, store } = state;
  const certificates = { service: state.serviceCertificate, node: state.nodeCertificate };
  const historical = createHistorical(options);
  void installIndexModules(options.data.settings.indexModules ?? [], historical.indexes, {
    source: createCommittedSource(historical),
    log: options.log,
  });
  const guard = createVmGuard();
  const ports = createNodeApiPorts(options, historical);
  const engine = createSesEngine({ rng: crypto, nowMs: () => Date.now() });
  const services = createNodeServices(options, certificates);
  const api = { crypto: createAppCrypto(), hash: crypto, nowMs: () => Date.now() };
  const script = createScriptApplication({ engine, api, log: options.log });
  const constitution = createConstitution({
    engine,
    guard,
    services,
    verifier: crypto,
    repairStore: () => store.repair(),
    createCommonGlobals: createGovernanceGlobals({
      ...api,
      console: (level, line) => options.log(level, line, { source: "constitution" }),
    }),
  });
  const governance = createGovernanceApplication({
    hash: crypto,
    constitution,
    rootAtReadVersion: (transaction) => {
      const { writer } = state;
      if (writer.lastTxId.seqno !== transaction.readVersion) return undefined;
      return writer.tree.root();
    },
    services,
    recovery: services,
  });
  const authenticator = createAuthenticator({ verifier: crypto });
  const timer = setInterval(() => historical.tick(), tickMs);
  return {
    list: [
      withCommonEndpoints(script, ports),
      withCommonEndpoints(governance, ports),
      createNodeApplication(ports),
    ],
    historical,
    serviceCertificate: () => certificates.service,
    nodeCertificate: () => certificates.node,
    authenticate: (endpoint, request, transaction): Authentication => {
      const input = { request, transaction, nowMs: Date.now() };
      const result = authenticator.authenticate(endpoint.authnPolicies, input);
      if (result.kind === "caller") return { kind: "passed", caller: result.caller };
      return { kind: "refused", response: refusalToResponse(result) };
    },
    lookUpHistorical: (request) => {
      return lookUpHistoricalState(historical, consensus, store.begin("node"), request);
    },
    isServiceOpen: createOpenCheck(),
    runLimits: createRunLimits(state),
    onAppended: (_, changes) => {
      if (followCertificates(changes, state.nodeId, certificates)) options.onCertificatesChanged();
    },
    onCommitted: () => historical.indexes.wake(),
    stop: () => clearInterval(timer),
  };
}

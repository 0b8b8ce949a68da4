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
import { FormerServices } from "./former-services.ts";
import { keyToId } from "./identities.ts";
import { JoinService } from "./join-service.ts";
import type { LedgerDisk } from "./ledger-disk.ts";
import type { LedgerPipeline } from "./ledger-pipeline.ts";
import { toHeldSecrets } from "./node-secrets.ts";
import { CoreNodeServices } from "./node-services.ts";
import { createRecoveryOpening } from "./recovery-opening.ts";
import type { ServiceRecovery } from "./service-recovery.ts";
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
  /** Something that the supervisor has to know has changed beside the ledger. */
  readonly onProgress: () => void;
  readonly dispatcherStats: () => Dispatcher<never>["stats"];
  readonly commitWaiterCount: () => number;
}

export interface ExecutorApplications {
  /** The service was recovered and its new files are not under their final names yet. */
  readonly isRecovering: boolean;
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
  /** The store went back: what was read from it before may not hold. */
  onRolledBack(): void;
  stop(): void;
}

/** What of the service's tables the node keeps at hand; followed as transactions are appended. */
interface CurrentCertificates {
  service: string;
  node: string;
}

const tickMs = 1000;
/**
 * One handler may take this share of the executor's heap at most, whatever the vote allows: V8 can
 * end the whole process, not only the thread, when a heap runs full too fast.
 */
const growthShareMax = 0.25;
const singletonText = bytesToLatin1(singletonKey);

function createHistorical(
  { data, state, consensus, log }: ApplicationsOptions,
  certificates: CurrentCertificates,
): HistoricalCache {
  const { crypto, serviceKey, history } = state;
  const former = new FormerServices({
    crypto,
    serviceKey,
    serviceCertificate: () => certificates.service,
    identities: history.identities,
  });
  const { ledgerDirectory, ledgerReadOnlyDirectories, historicalCacheSizeBytes } = data.settings;
  return new HistoricalCache({
    decoder: {
      crypto,
      secrets: () => state.secrets,
      consensus,
      serviceEndorsements: (certificate, txId) => former.endorsementsOf(certificate, txId),
    },
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
  recovery: ServiceRecovery,
  certificates: CurrentCertificates,
): NodeApiPorts {
  const { data, state, consensus, log } = options;
  const { crypto, nodeId, selfSignedCertificate } = state;
  return {
    node: {
      nodeId,
      get state() {
        return recovery.nodeState;
      },
      get recovery() {
        return recovery.progress;
      },
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
    join: new JoinService({
      state,
      consensus,
      serviceKeyPem: data.secrets.serviceKeyPem,
      nodeValidityDays: data.settings.nodeValidityDays,
      serviceCertificate: () => certificates.service,
      isPartOfNetwork: () => recovery.nodeState === "PartOfNetwork",
      startupSeqno: () => 0,
      nowMs: () => Date.now(),
      log,
    }),
  };
}

function createNodeServices(
  { state, report, onSnapshotRequested }: ApplicationsOptions,
  certificates: CurrentCertificates,
  recovery: () => ServiceRecovery,
): CoreNodeServices {
  const { crypto, secrets, serviceKey, writer } = state;
  return new CoreNodeServices({
    crypto,
    secrets,
    writer: () => writer,
    serviceKey,
    certificates: new CertificateServices(crypto, {
      key: serviceKey,
      subject: state.names.serviceSubject,
      certificate: () => certificates.service,
    }),
    recovery,
    nowMs: () => Date.now(),
    onSecretsChanged: () => report({ kind: "secrets", ledgerSecrets: toHeldSecrets(secrets) }),
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
function createRunLimits({ data, state }: ApplicationsOptions): () => RunLimits {
  const { store } = state;
  let lastText: string | undefined;
  let limits: RunLimits | undefined;
  return () => {
    const transaction = store.begin("node");
    const text = transaction.table(tableNames.runtimeOptions).getText(singletonText);
    if (limits === undefined || text !== lastText) {
      const { max_execution_time_ms: timeMs, max_heap_bytes: growthBytesMax } =
        readRuntimeOptions(transaction);
      const { handlerTimeoutMs, memorySizeBytes } = data.settings;
      limits = {
        timeMs: text === undefined ? handlerTimeoutMs : timeMs,
        growthBytesMax: Math.min(growthBytesMax, memorySizeBytes * growthShareMax),
      };
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

/** As the store has them now. @returns whether one changed */
function readCertificates({ store, nodeId }: ServiceState, current: CurrentCertificates): boolean {
  const { service, node } = current;
  const transaction = store.begin("node");
  current.service = governanceTables.serviceInfo.get(transaction)?.cert ?? service;
  const endorsed = governanceTables.nodeEndorsedCertificates.of(transaction);
  current.node = endorsed.get(nodeId) ?? node;
  transaction.discard();
  return current.service !== service || current.node !== node;
}

function createAuthenticate({ crypto }: ServiceState): ExecutorApplications["authenticate"] {
  const authenticator = createAuthenticator({ verifier: crypto });
  return (endpoint, request, transaction): Authentication => {
    const input = { request, transaction, nowMs: Date.now() };
    const result = authenticator.authenticate(endpoint.authnPolicies, input);
    if (result.kind === "caller") return { kind: "passed", caller: result.caller };
    return { kind: "refused", response: refusalToResponse(result) };
  };
}

export function createApplications(options: ApplicationsOptions): ExecutorApplications {
  const { state, consensus } = options;
  const { crypto, store } = state;
  const certificates = { service: state.serviceCertificate, node: state.nodeCertificate };
  const historical = createHistorical(options, certificates);
  const { indexModules = [] } = options.data.settings;
  const source = createCommittedSource(historical);
  void installIndexModules(indexModules, historical.indexes, { source, log: options.log });
  const guard = createVmGuard();
  const engine = createSesEngine({ rng: crypto, nowMs: () => Date.now() });
  const opening = createRecoveryOpening(options, () => services);
  const { recovery } = opening;
  const services = createNodeServices(options, certificates, () => recovery);
  const ports = createNodeApiPorts(options, historical, recovery, certificates);
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
    rootAtReadVersion: ({ readVersion }) =>
      state.writer.lastTxId.seqno === readVersion ? state.writer.tree.root() : undefined,
    services,
    recovery: services,
  });
  const timer = setInterval(() => historical.tick(), tickMs);
  return {
    get isRecovering() {
      return opening.isRecovering;
    },
    list: [
      withCommonEndpoints(script, ports),
      withCommonEndpoints(governance, ports),
      createNodeApplication(ports),
    ],
    historical,
    serviceCertificate: () => certificates.service,
    nodeCertificate: () => certificates.node,
    authenticate: createAuthenticate(state),
    lookUpHistorical: (request) => {
      return lookUpHistoricalState(historical, consensus, store.begin("node"), request);
    },
    isServiceOpen: createOpenCheck(),
    runLimits: createRunLimits(options),
    onAppended: (_, changes) => {
      if (followCertificates(changes, state.nodeId, certificates)) options.onCertificatesChanged();
    },
    onCommitted: (seqno) => {
      opening.onCommitted(seqno);
      historical.indexes.wake();
    },
    onRolledBack: () => {
      script.flush();
      if (readCertificates(state, certificates)) options.onCertificatesChanged();
    },
    stop: () => clearInterval(timer),
  };
}

/**
 * How the executor comes by its state: a new service, the ledger of a dead predecessor, or the
 * ledger of a service that is to be recovered.
 */
import {
  assert,
  bytesToHex,
  type Crypto,
  type Log,
  parseCertificate,
  utf8ToBytes,
} from "@coco/base";
import { createNodeCrypto, pemToSigningKey, type SigningKey } from "@coco/base/node";
import { createRaftEngine, type Engine, type EngineStart } from "@coco/consensus";
import { createGenesis, type GenesisInfo, type NodeInfo } from "@coco/governance";
import {
  type AuditReport,
  type Changes,
  createMerkleTree,
  createStore,
  LedgerSecrets,
  LedgerWriter,
  type Store,
  type TxId,
  txIdToText,
} from "@coco/store";
import { createVirtualEvidence, evidenceToQuoteInfo, virtualMeasurement } from "@coco/tee";
import { nodeErrors } from "./errors.ts";
import type {
  ExecutorData,
  ExecutorSettings,
  ExecutorStart,
  Progress,
} from "./executor-messages.ts";
import {
  createNodeRequest,
  createSelfSignedNodeCertificate,
  createServiceCertificate,
  endorseNode,
  keyToId,
  toSubjectAltNames,
} from "./identities.ts";
import { listLedgerFiles, sealOpenChunk } from "./ledger-files.ts";
import { LedgerHistory } from "./ledger-history.ts";
import { type ReplayStart, replayLedger } from "./ledger-replay.ts";
import { Membership, trustedIds } from "./membership.ts";
import { recoverPublicLedger } from "./public-recovery.ts";
import { findServiceNames, type ServiceNames } from "./service-names.ts";
import { loadLatestSnapshot } from "./snapshot-loading.ts";

export interface ServiceState {
  readonly crypto: Crypto;
  readonly store: Store;
  readonly engine: Engine;
  readonly writer: LedgerWriter;
  readonly secrets: LedgerSecrets;
  readonly nodeKey: SigningKey;
  readonly serviceKey: SigningKey;
  readonly nodeId: string;
  readonly selfSignedCertificate: string;
  /** PEM, as at the start; proposals may renew them. */
  readonly serviceCertificate: string;
  readonly nodeCertificate: string;
  /** The transaction that creates the service, when it has to go to the ledger yet. */
  readonly genesis: Changes | undefined;
  /** Its seqno, also when it is in the ledger already; 1 unless the service was recovered. */
  readonly createSeqno: number;
  /** Root over the transactions before it, which a recovery reads again. */
  readonly formerRoot: Uint8Array;
  /** Whether the store holds private tables from before `createSeqno`. */
  readonly isPrivateRead: boolean;
  readonly history: LedgerHistory;
  readonly names: ServiceNames;
  /** Seqno of the snapshot from which the state was made; 0 without one. */
  readonly startupSeqno: number;
  /** What was found in the ledger of a service that is recovered now. */
  readonly audit?: AuditReport;
}

/** Certificates begin a little in the past, for clients whose clocks are late. */
const clockToleranceMs = 60_000;

/** @throws {CocoError} of the ledger, when it is resumed */
export function createServiceState(data: ExecutorData, log: Log): ServiceState {
  const crypto = createNodeCrypto();
  const nodeKey = pemToSigningKey(data.secrets.nodeKeyPem);
  const serviceKey = pemToSigningKey(data.secrets.serviceKeyPem);
  const secrets = new LedgerSecrets(
    crypto,
    data.secrets.ledgerSecrets.map(({ version, secret, previousStoredVersion }) => ({
      version,
      key: secret,
      previousSecretStoredVersion: previousStoredVersion,
    })),
  );
  const identity = {
    crypto,
    nodeKey,
    serviceKey,
    secrets,
    nodeId: keyToId(crypto, nodeKey.publicKey),
    selfSignedCertificate: createSelfSignedNodeCertificate(
      crypto,
      nodeKey,
      data.settings.nodeSubject,
      toSubjectAltNames(data.settings.subjectAltNames),
      { notBeforeMs: data.settings.startTimeMs - clockToleranceMs, validityDays: 365 },
    ),
  };
  switch (data.start.kind) {
    case "genesis":
      return beginService(data, identity, data.start.genesis);
    case "recover":
      return recoverService(data, identity, data.start.previousServiceCertificate);
    case "join":
      return joinService(data, identity, data.start);
    case "resume":
      return resumeService(data, identity, data.start.progress, log);
  }
}

type CreatedService = Pick<
  ServiceState,
  "serviceCertificate" | "nodeCertificate" | "genesis" | "createSeqno" | "names"
>;

type Identity = Pick<
  ServiceState,
  "crypto" | "nodeKey" | "serviceKey" | "secrets" | "nodeId" | "selfSignedCertificate"
>;

function beginService(data: ExecutorData, identity: Identity, genesis: GenesisInfo): ServiceState {
  const { crypto, secrets } = identity;
  const store = createStore();
  const engine = createEngine(data, identity);
  const { chunkSizeBytes } = data.settings;
  const writer = new LedgerWriter({ crypto, secrets, chunkSizeBytes });
  const formerRoot = writer.tree.root();
  const history = new LedgerHistory();
  const base = { ...identity, store, engine, writer, formerRoot, history };
  const state = { ...base, isPrivateRead: true, startupSeqno: 0 };
  return { ...state, ...createService(data, identity, store, engine, { genesis }) };
}

/** An empty ledger, which the primary fills. */
function joinService(
  data: ExecutorData,
  identity: Identity,
  start: Extract<ExecutorStart, { readonly kind: "join" }>,
): ServiceState {
  const { crypto, secrets } = identity;
  const { serviceCertificate, nodeCertificate, serviceSubject, coseIssuer, createSeqno } = start;
  const engine = createEngine(data, identity, {
    viewFirstSeqnos: [],
    lastSeqno: 0,
    lastSignatureSeqno: 0,
    committedSeqno: 0,
    configurations: [],
  });
  const { chunkSizeBytes } = data.settings;
  const writer = new LedgerWriter({ crypto, secrets, chunkSizeBytes });
  return {
    ...identity,
    store: createStore(),
    engine,
    writer,
    serviceCertificate,
    nodeCertificate,
    genesis: undefined,
    createSeqno,
    formerRoot: writer.tree.root(),
    isPrivateRead: true,
    history: new LedgerHistory(),
    names: { serviceSubject, coseIssuer },
    startupSeqno: 0,
  };
}

/** What this node confirmed to others and what it voted is lost: it may not go on as the same. */
function refuseResumeBesideOthers(store: Store): void {
  const membership = new Membership();
  membership.load(store);
  if (trustedIds(membership.nodes).length <= 1) return;
  const detail = "its executor died beside other nodes; join again as a new node";
  throw nodeErrors.create("NodeFailed", detail);
}

/** A recovered service goes on this many views after the last one. @source CCF */
const viewsOfRecovery = 2;

/** @throws {CocoError} of the audit of the ledger, when it is not what it should be */
function recoverService(
  data: ExecutorData,
  identity: Identity,
  previousServiceCertificate: string,
): ServiceState {
  const { crypto, secrets } = identity;
  const { settings } = data;
  const recovered = recoverPublicLedger({
    directories: toLedgerDirectories(settings),
    crypto,
    previousServiceCertificate,
  });
  const { store, tree, lastTxId, history, audit } = recovered;
  const engine = continueEngine(data, identity, history, lastTxId, lastTxId.view + viewsOfRecovery);
  const formerRoot = tree.root();
  // The secrets of the service are known only by their shares; what follows has a new one.
  secrets.add({ version: lastTxId.seqno + 1, key: crypto.bytes(32) });
  const { chunkSizeBytes } = settings;
  const writer = new LedgerWriter({ crypto, secrets, lastTxId, tree, chunkSizeBytes });
  const state = {
    ...identity,
    store,
    engine,
    writer,
    formerRoot,
    history,
    audit,
    isPrivateRead: false,
    startupSeqno: 0,
  };
  const service = { genesis: undefined, previousCreateTxId: findCreateTxId(history) };
  return { ...state, ...createService(data, identity, store, engine, service) };
}

/** Where the ledger first names the key of its last service; renewals keep the key. */
function findCreateTxId({ identities }: LedgerHistory): string | undefined {
  const keyOf = (pem: string) => bytesToHex(parseCertificate(pem).publicKey);
  const last = identities.at(-1);
  if (last === undefined) return undefined;
  const key = keyOf(last.certificate);
  const first = identities.find(({ certificate }) => keyOf(certificate) === key);
  return first && txIdToText(first.txId);
}

function toLedgerDirectories(settings: ExecutorSettings): readonly string[] {
  return [settings.ledgerDirectory, ...settings.ledgerReadOnlyDirectories];
}

/** An engine that goes on after `lastTxId`, which is signed, in `view` at least. */
function continueEngine(
  data: ExecutorData,
  identity: Identity,
  history: LedgerHistory,
  lastTxId: TxId,
  viewMin: number,
): Engine {
  return createEngine(data, identity, {
    viewFirstSeqnos: history.toViewFirstSeqnos(),
    // It goes on above this one.
    view: viewMin - 1,
    lastSeqno: lastTxId.seqno,
    lastSignatureSeqno: lastTxId.seqno,
    committedSeqno: lastTxId.seqno,
    configurations: [{ kind: "configuration", seqno: 1, nodes: [identity.nodeId] }],
  });
}

/** Milliseconds of one tick of the engine. */
const tickMs = 10;

export function createEngine(
  { settings }: ExecutorData,
  { crypto, nodeId }: Pick<Identity, "crypto" | "nodeId">,
  start?: EngineStart,
): Engine {
  return createRaftEngine({
    nodeId,
    rng: crypto,
    // The dispatcher refuses what would be too much before it is executed.
    pendingCountMax: Number.MAX_SAFE_INTEGER,
    heartbeatTicks: Math.max(1, Math.round(settings.messageTimeoutMs / tickMs)),
    electionTicks: Math.max(2, Math.round(settings.electionTimeoutMs / tickMs)),
    ...(start && { start }),
  });
}

/** Writes the first transaction of a new or of a recovered service. */
function createService(
  data: ExecutorData,
  identity: Identity,
  store: Store,
  engine: Engine,
  origin: {
    readonly genesis: GenesisInfo | undefined;
    readonly previousCreateTxId?: string | undefined;
  },
): CreatedService {
  const { settings } = data;
  const { genesis, previousCreateTxId } = origin;
  const { crypto, nodeKey, serviceKey, nodeId } = identity;
  const names = findServiceNames(settings, store);
  const notBeforeMs = settings.startTimeMs - clockToleranceMs;
  const serviceCertificate = createServiceCertificate(crypto, serviceKey, names.serviceSubject, {
    notBeforeMs,
    validityDays: settings.serviceValidityDays,
  });
  const altNames = toSubjectAltNames(settings.subjectAltNames);
  const request = createNodeRequest(nodeKey, settings.nodeSubject, altNames);
  const nodeCertificate = endorseNode(
    crypto,
    request,
    { key: serviceKey, certificate: serviceCertificate },
    { notBeforeMs, validityDays: settings.nodeValidityDays },
  );
  const createSeqno = store.seqno + 1;
  const transaction = store.begin("node");
  // Virtual nodes of one version say the same of themselves, so that they can form a network.
  const hostData = crypto.sha256(utf8ToBytes(`coco ${settings.softwareVersion}`));
  createGenesis(transaction, crypto, {
    nodeId,
    nodeInfo: createNodeInfo(data, identity, request, hostData),
    nodeCertificate,
    serviceCertificate,
    serviceData: settings.serviceData,
    createTxId: `${engine.view}.${createSeqno}`,
    platform: {
      format: "Insecure_Virtual",
      measurement: virtualMeasurement,
      hostData: bytesToHex(hostData),
    },
    ...(genesis && { genesis }),
    ...(previousCreateTxId !== undefined && { previousCreateTxId }),
  });
  const result = store.commit(transaction);
  assert(result.kind === "committed" && result.seqno === createSeqno, "nothing else runs yet");
  return { serviceCertificate, nodeCertificate, genesis: result.changes, createSeqno, names };
}

function createNodeInfo(
  data: ExecutorData,
  { crypto, nodeKey }: Identity,
  request: string,
  hostData: Uint8Array,
): NodeInfo {
  const { settings, secrets } = data;
  const reportData = crypto.sha256(nodeKey.publicKey);
  const evidence = createVirtualEvidence({ reportData, hostData });
  return {
    certificate_signing_request: request,
    code_digest: Buffer.from(virtualMeasurement, "utf8").toString("hex"),
    encryption_pub_key: secrets.nodeEncryptionPublicPem,
    ...(settings.nodeData === undefined ? {} : { node_data: settings.nodeData }),
    node_to_node_interface: settings.nodeToNodeInterface,
    public_key: nodeKey.publicPem,
    quote_info: evidenceToQuoteInfo(evidence),
    rpc_interfaces: settings.rpcInterfaces as NodeInfo["rpc_interfaces"],
    status: "Trusted",
  };
}

function resumeService(
  data: ExecutorData,
  identity: Identity,
  progress: Progress,
  log: Log,
): ServiceState {
  const { settings } = data;
  const { crypto, secrets, serviceKey } = identity;
  const { createSeqno, committedSeqno } = progress;
  const directories = toLedgerDirectories(settings);
  sealOpenChunk(listLedgerFiles(directories, "include"));
  const start = findReplayStart(data, identity, progress, log);
  const store = createStore(start?.contents);
  const { lastTxId, tree, history } = replayLedger({
    directories,
    crypto,
    secrets,
    store,
    start,
    servicePublicKey: serviceKey.publicKey,
    createSeqno,
    committedSeqno,
  });
  refuseResumeBesideOthers(store);
  // The predecessor may have given out ids of this view that are lost now: use a higher one.
  const engine = continueEngine(data, identity, history, lastTxId, progress.view + 1);
  const { chunkSizeBytes } = settings;
  const writer = new LedgerWriter({ crypto, secrets, lastTxId, tree, chunkSizeBytes });
  const { serviceCertificate, nodeCertificate } = progress;
  return {
    ...identity,
    store,
    engine,
    writer,
    serviceCertificate,
    nodeCertificate,
    genesis: undefined,
    createSeqno,
    formerRoot: createSeqno === 1 ? createMerkleTree().root() : tree.root(createSeqno),
    isPrivateRead: (secrets.all()[0]?.version ?? 0) < createSeqno || createSeqno === 1,
    history,
    names: findServiceNames(settings, store),
    startupSeqno: start?.txId.seqno ?? 0,
  };
}

/**
 * Our own last snapshot, which makes starting again fast. A service that was recovered reads its
 * whole ledger: the identities that it had before stand only there.
 */
function findReplayStart(
  { settings }: ExecutorData,
  { crypto, secrets }: Identity,
  { createSeqno, serviceCertificate }: Progress,
  log: Log,
): ReplayStart | undefined {
  if (createSeqno !== 1) return undefined;
  const { snapshotDirectory, snapshotReadOnlyDirectories } = settings;
  const directories = [snapshotDirectory, ...snapshotReadOnlyDirectories];
  return loadLatestSnapshot({ directories, crypto, secrets, serviceCertificate, log });
}

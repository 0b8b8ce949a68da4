/** How the executor comes by its state: a new service, or the ledger of a dead predecessor. */
import { assert, bytesToHex, type Crypto, type Log, utf8ToBytes } from "@coco/base";
import { createNodeCrypto, pemToSigningKey, type SigningKey } from "@coco/base/node";
import { createSingleNodeEngine, type Engine } from "@coco/consensus";
import { createGenesis, type NodeInfo } from "@coco/governance";
import { type Changes, createStore, LedgerSecrets, LedgerWriter, type Store } from "@coco/store";
import { createVirtualEvidence, evidenceToQuoteInfo, virtualMeasurement } from "@coco/tee";
import type { ExecutorData } from "./executor-messages.ts";
import {
  createNodeRequest,
  createSelfSignedNodeCertificate,
  createServiceCertificate,
  endorseNode,
  keyToId,
  toSubjectAltNames,
} from "./identities.ts";
import { replayLedger, sealOpenChunk } from "./ledger-replay.ts";
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
  /** The genesis transaction, which has to go to the ledger. */
  readonly genesis: Changes | undefined;
  /** Seqno of the snapshot from which the state was made; 0 without one. */
  readonly startupSeqno: number;
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
  return data.start.kind === "genesis"
    ? beginService(data, identity)
    : resumeService(data, identity, log);
}

type Identity = Pick<
  ServiceState,
  "crypto" | "nodeKey" | "serviceKey" | "secrets" | "nodeId" | "selfSignedCertificate"
>;

function beginService(data: ExecutorData, identity: Identity): ServiceState {
  const { settings, start } = data;
  assert(start.kind === "genesis", "a new service has a genesis");
  const { crypto, nodeKey, serviceKey, nodeId, secrets } = identity;
  const notBeforeMs = settings.startTimeMs - clockToleranceMs;
  const serviceCertificate = createServiceCertificate(crypto, serviceKey, settings.serviceSubject, {
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
  const store = createStore();
  const engine = createSingleNodeEngine({ nodeId, pendingCountMax: Number.MAX_SAFE_INTEGER });
  const transaction = store.begin("node");
  // Virtual nodes of one version say the same of themselves, so that they can form a network.
  const hostData = crypto.sha256(utf8ToBytes(`coco ${settings.softwareVersion}`));
  createGenesis(transaction, crypto, {
    nodeId,
    nodeInfo: createNodeInfo(data, identity, request, hostData),
    nodeCertificate,
    serviceCertificate,
    serviceData: settings.serviceData,
    createTxId: `${engine.view}.1`,
    platform: {
      format: "Insecure_Virtual",
      measurement: virtualMeasurement,
      hostData: bytesToHex(hostData),
    },
    genesis: start.genesis,
  });
  const result = store.commit(transaction);
  assert(result.kind === "committed" && result.seqno === 1, "the genesis is the first transaction");
  const writer = new LedgerWriter({ crypto, secrets, chunkSizeBytes: settings.chunkSizeBytes });
  const genesis = result.changes;
  const certificates = { serviceCertificate, nodeCertificate };
  return { ...identity, store, engine, writer, ...certificates, genesis, startupSeqno: 0 };
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

function resumeService(data: ExecutorData, identity: Identity, log: Log): ServiceState {
  const { settings, start } = data;
  assert(start.kind === "resume", "a resumed service has made progress");
  const { crypto, secrets, serviceKey, nodeId } = identity;
  const { progress } = start;
  const directory = settings.ledgerDirectory;
  sealOpenChunk(directory);
  const snapshot = loadLatestSnapshot({
    directories: [settings.snapshotDirectory, ...settings.snapshotReadOnlyDirectories],
    crypto,
    secrets,
    serviceCertificate: progress.serviceCertificate,
    log,
  });
  const store = createStore(snapshot?.contents);
  const { lastTxId, tree, views } = replayLedger({
    directory,
    crypto,
    secrets,
    store,
    start: snapshot,
    servicePublicKey: serviceKey.publicKey,
    committedSeqno: progress.committedSeqno,
  });
  const viewFirstSeqnos: number[] = [];
  for (const { view, seqno } of views) {
    while (viewFirstSeqnos.length < view) viewFirstSeqnos.push(seqno);
  }
  const engine = createSingleNodeEngine({
    nodeId,
    pendingCountMax: Number.MAX_SAFE_INTEGER,
    start: {
      viewFirstSeqnos,
      lastSeqno: lastTxId.seqno,
      lastSignatureSeqno: lastTxId.seqno,
      committedSeqno: lastTxId.seqno,
      configurations: [{ kind: "configuration", seqno: 1, nodes: [nodeId] }],
    },
  });
  // The predecessor may have given out ids of this view that are lost now: use a higher one.
  while (engine.view <= progress.view) engine.newView();
  engine.drain();
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
    startupSeqno: snapshot?.txId.seqno ?? 0,
  };
}

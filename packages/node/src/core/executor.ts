/**
 * The executor: owns the store, the ledger and the engine of a node, and serves the batches of the
 * front workers. One thread, one writer; everything slow happens on the thread pool.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { assert, isCocoError, type Log } from "@coco/base";
import type { AppRequest, AppResponse, Endpoint } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { RequestBatchReader, type RequestView, ResponseBatchWriter } from "../wire.ts";
import { createApplications, type ExecutorApplications } from "./applications.ts";
import { CommitWaiters } from "./commit-waiters.ts";
import { ExecutorConsensus } from "./consensus-port.ts";
import { type Answer, type Authentication, Dispatcher } from "./dispatcher.ts";
import { nodeErrors } from "./errors.ts";
import { WatchedRuns } from "./execution-watch.ts";
import type { ExecutorData, ExecutorReport, NodeCertificates } from "./executor-messages.ts";
import { Forwarding } from "./forwarding.ts";
import { LedgerDisk } from "./ledger-disk.ts";
import { LedgerPipeline } from "./ledger-pipeline.ts";
import { toHeldSecrets } from "./node-secrets.ts";
import { frameKind } from "./peer-channels.ts";
import { markRetired, Replication } from "./replication.ts";
import { createServiceState, type ServiceState } from "./service-state.ts";
import { SnapshotDirectory } from "./snapshot-directory.ts";
import { SnapshotTaker } from "./snapshot-taker.ts";

/** One front worker, or another node that forwards requests, as the executor knows it. */
interface FrontLink {
  readonly port: {
    postMessage(batch: ArrayBuffer, transfer: readonly ArrayBuffer[]): void;
    close(): void;
  };
  readonly reader: RequestBatchReader;
  readonly writer: ResponseBatchWriter;
}

interface DeferredRequest {
  readonly front: FrontLink;
  readonly request: RequestView;
}

/** Requests after which a turn takes no further batch. */
const turnCountMax = 256;
/** Requests that wait until the Merkle tree covers everything, at most. */
const deferredCountMax = 1000;

export class Executor {
  readonly #data: ExecutorData;
  readonly #report: (report: ExecutorReport) => void;
  readonly #log: Log;
  readonly #state: ServiceState;
  readonly #disk: LedgerDisk;
  readonly #replication: Replication;
  readonly #pipeline: LedgerPipeline;
  readonly #snapshots: SnapshotTaker;
  readonly #applications: ExecutorApplications;
  readonly #dispatcher: Dispatcher<FrontLink>;
  readonly #forwarding: Forwarding<FrontLink>;
  readonly #peerFronts = new Map<string, FrontLink>();
  readonly #waiters: CommitWaiters<FrontLink>;
  readonly #progress: Float64Array;
  readonly #fronts: FrontLink[] = [];
  #deferred: DeferredRequest[] = [];
  #hasFailed = false;

  constructor(data: ExecutorData, report: (report: ExecutorReport) => void) {
    this.#data = data;
    this.#report = report;
    this.#log = (level, message, facts = {}) => report({ kind: "log", level, message, facts });
    this.#progress = new Float64Array(data.progressMemory);
    this.#state = createServiceState(data, this.#log);
    this.#waiters = new CommitWaiters((front, answer) => this.#respond(front, answer));
    this.#disk = this.#createDisk();
    this.#replication = this.#createReplication();
    this.#pipeline = this.#createPipeline();
    const snapshotDirectory = createSnapshotDirectory(data);
    this.#snapshots = this.#createSnapshotTaker(snapshotDirectory);
    const { store, engine } = this.#state;
    const { membership } = this.#replication;
    const consensus = new ExecutorConsensus(
      engine,
      store,
      (nodeId) => membership.nodes.get(nodeId)?.nodeAddress,
    );
    this.#applications = createApplications({
      data,
      state: this.#state,
      consensus,
      pipeline: this.#pipeline,
      disk: this.#disk,
      snapshotDirectory,
      onSnapshotRequested: () => this.#snapshots.request(),
      log: this.#log,
      report,
      onCertificatesChanged: () => {
        report({ kind: "certificates", certificates: this.#certificates() });
      },
      onProgress: () => this.#noteProgress(),
      dispatcherStats: () => this.#dispatcher.stats,
      commitWaiterCount: () => this.#waiters.count,
    });
    this.#forwarding = this.#createForwarding();
    this.#dispatcher = this.#createDispatcher(consensus);
    this.#begin();
  }

  /** Connects a front worker. */
  addFront(port: MessagePort): void {
    const front = {
      port: port as FrontLink["port"],
      reader: new RequestBatchReader(),
      writer: new ResponseBatchWriter(),
    };
    this.#fronts.push(front);
    port.on("message", (batch: ArrayBuffer) => this.#receive(front, batch, port));
  }

  /** Signs and writes everything that was executed. */
  async stop(): Promise<void> {
    await this.#snapshots.stop();
    await this.#pipeline.stop();
    this.#post();
    this.#forwarding.stop();
    await this.#replication.handOver();
    await this.#replication.stop();
    this.#applications.stop();
    for (const { port } of this.#fronts) port.close();
  }

  /** The supervisor had a handler terminated. */
  recover(): void {
    this.#dispatcher.recover();
    this.#serveDeferred();
    this.#post();
    this.#pipeline.flush();
  }

  #begin(): void {
    this.#logRecovery();
    const { genesis, createSeqno, secrets, engine, nodeId } = this.#state;
    if (genesis !== undefined) {
      // The secret of a recovered service was made here.
      this.#report({ kind: "secrets", ledgerSecrets: toHeldSecrets(secrets) });
      this.#pipeline.push({
        view: engine.view,
        seqno: createSeqno,
        changes: genesis,
        claimsDigest: undefined,
      });
    }
    this.#replication.start();
    this.#pipeline.flush();
    this.#noteProgress();
    this.#report({ kind: "ready", nodeId, certificates: this.#certificates() });
  }

  #logRecovery(): void {
    const { audit, createSeqno } = this.#state;
    if (audit === undefined) return;
    this.#log("info", "the public ledger is recovered", {
      transactions: createSeqno - 1,
      lastSignedTxId: audit.lastSignedTxId,
      droppedTransactions: audit.unsignedTransactions,
      signatures: audit.signatures + audit.coseSignatures,
    });
  }

  #certificates(): NodeCertificates {
    return {
      serviceCertificate: this.#applications.serviceCertificate(),
      nodeCertificate: this.#applications.nodeCertificate(),
      selfSignedCertificate: this.#state.selfSignedCertificate,
    };
  }

  /** In shared memory, because it is read only if this executor dies. */
  #noteProgress(): void {
    const { engine, createSeqno } = this.#state;
    this.#progress[0] = engine.view;
    this.#progress[1] = engine.committed().seqno;
    this.#progress[2] = createSeqno;
    this.#progress[3] = this.#applications.isRecovering ? 1 : 0;
  }

  /** Takes what else has come meanwhile too: a turn of the event loop costs more than a request. */
  #receive(front: FrontLink, first: ArrayBuffer, port?: MessagePort): void {
    const requests: RequestView[] = [];
    let batch: ArrayBuffer | undefined = first;
    while (batch !== undefined) {
      front.reader.read(batch, (request) => {
        if (!this.#defer(front, request)) requests.push(request);
      });
      if (requests.length >= turnCountMax || port === undefined) break;
      batch = receiveMessageOnPort(port)?.message as ArrayBuffer | undefined;
    }
    this.#serve(front, requests);
    this.#post();
    this.#pipeline.flush();
  }

  /** Governance writes bind themselves to the Merkle root, which a running signature withholds. */
  #defer(front: FrontLink, request: RequestView): boolean {
    if (!request.fullPath.startsWith("/gov/") || request.method !== "POST") return false;
    if (this.#state.engine.role !== "primary") return false;
    if (this.#deferred.length >= deferredCountMax) return false;
    this.#deferred.push({ front, request });
    return true;
  }

  #serve(front: FrontLink, requests: readonly RequestView[]): void {
    this.#dispatcher.serve(front, requests);
    this.#serveDeferred();
  }

  #serveDeferred(): void {
    while (this.#deferred.length > 0 && this.#pipeline.settle()) {
      const { front, request } = this.#deferred.shift()!;
      this.#dispatcher.serve(front, [request]);
    }
  }

  #respond(front: FrontLink, { request, response, txId }: Answer): void {
    const { sessionId, requestId, method } = request;
    const lengthShown = method === "HEAD" ? shownLength(response) : undefined;
    front.writer.respond(sessionId, requestId, response, txId, false, lengthShown);
  }

  #post(): void {
    for (const { port, writer } of this.#fronts) {
      const batch = writer.take();
      if (batch !== undefined) port.postMessage(batch, [batch]);
    }
  }

  #createDisk(): LedgerDisk {
    const { start, settings } = this.#data;
    const { ledgerDirectory: directory, ledgerSync: sync } = settings;
    const isRecovering =
      start.kind === "recover" || (start.kind === "resume" && start.progress.isRecovering);
    return new LedgerDisk({
      directory,
      sync,
      recoverySeqno: isRecovering ? this.#state.createSeqno : undefined,
      onPersisted: (seqno) => this.#pipeline.persisted(seqno),
      onWritten: (batch) => this.#state.writer.release(batch),
      onIdle: () => this.#pipeline.writeGathered(),
      onError: (error) => this.#fail(nodeErrors.create("DiskFailed", directory, {}, error)),
    });
  }

  #createForwarding(): Forwarding<FrontLink> {
    const { settings } = this.#data;
    const { engine } = this.#state;
    const { membership, channels } = this.#replication;
    return new Forwarding({
      channels,
      rulesOf: (name) => settings.forwarding[name] ?? Object.values(settings.forwarding)[0]!,
      primaryId: () => engine.primaryId,
      addressOf: (nodeId, name) => {
        const addresses = membership.nodes.get(nodeId)?.rpcAddresses ?? {};
        return addresses[name] ?? Object.values(addresses)[0];
      },
      respond: (front, { sessionId, requestId }, response) => {
        front.writer.respond(sessionId, requestId, response, undefined);
      },
      relay: (front, { sessionId, requestId }, { status, bytes, start, end }) => {
        front.writer.relay(sessionId, requestId, status, bytes, start, end);
      },
      post: () => this.#post(),
      nowMs: () => performance.now(),
    });
  }

  /** Requests that another node forwards, and answers to those of this one. */
  #takeFrame(from: string, kind: number, content: Buffer): void {
    try {
      this.#serveFrame(from, kind, content);
    } catch (error) {
      // Frames come from nodes that the service trusts; one that cannot be read is dropped.
      this.#log("warn", "frame of another node dropped", { from, kind, error: String(error) });
    }
  }

  #serveFrame(from: string, kind: number, content: Buffer): void {
    if (kind === frameKind.responses) this.#forwarding.takeResponses(from, content);
    else if (kind === frameKind.returned) this.#forwarding.takeReturned(from, content);
    else if (kind === frameKind.requests) {
      const batch = new Uint8Array(content).buffer;
      if (this.#state.engine.role === "primary") this.#receive(this.#peerFront(from), batch);
      else this.#returnRequests(from, batch);
    }
  }

  /** This node is not primary: who sent them has to find out who is. */
  #returnRequests(from: string, batch: ArrayBuffer): void {
    const ids: Buffer[] = [];
    new RequestBatchReader().read(batch, ({ sessionId }) => {
      const id = Buffer.allocUnsafe(4);
      id.writeUInt32BE(sessionId);
      ids.push(id);
    });
    this.#replication.channels.send(from, frameKind.returned, ids);
  }

  #peerFront(nodeId: string): FrontLink {
    const known = this.#peerFronts.get(nodeId);
    if (known !== undefined) return known;
    const { channels } = this.#replication;
    const front: FrontLink = {
      port: {
        postMessage: (batch) => {
          channels.send(nodeId, frameKind.responses, [new Uint8Array(batch)]);
        },
        close: () => undefined,
      },
      reader: new RequestBatchReader(),
      writer: new ResponseBatchWriter(),
    };
    this.#peerFronts.set(nodeId, front);
    this.#fronts.push(front);
    return front;
  }

  #createReplication(): Replication {
    return new Replication({
      data: this.#data,
      state: this.#state,
      log: this.#log,
      ledger: () => this.#pipeline,
      serviceCertificate: () => this.#applications.serviceCertificate(),
      nodeCertificate: () => this.#applications.nodeCertificate(),
      onSecretsChanged: () => {
        const ledgerSecrets = toHeldSecrets(this.#state.secrets);
        this.#report({ kind: "secrets", ledgerSecrets });
      },
      onRoleChange: () => this.#noteProgress(),
      onRetired: (nodes) => this.#recordRetirement(nodes),
      onFrame: (from, kind, content) => this.#takeFrame(from, kind, content),
      onLost: (nodeId) => this.#forwarding.lost(nodeId),
      onError: (error) => this.#fail(error),
    });
  }

  /** From here on all future primaries know that these nodes are not needed any more. */
  #recordRetirement(nodeIds: readonly string[]): void {
    const { store, engine } = this.#state;
    const transaction = store.begin("node");
    markRetired(transaction, nodeIds);
    const result = store.commit(transaction);
    if (result.kind !== "committed") return;
    const { seqno, changes } = result;
    this.#pipeline.push({ view: engine.view, seqno, changes, claimsDigest: undefined });
    this.#pipeline.flush();
  }

  #createPipeline(): LedgerPipeline {
    const { settings } = this.#data;
    const { crypto, store, engine, writer, nodeKey, serviceKey, nodeId, names } = this.#state;
    return new LedgerPipeline({
      crypto,
      store,
      engine,
      writer,
      disk: this.#disk,
      membership: this.#replication.membership,
      supply: this.#replication.supply,
      verify: (received) => this.#replication.verify(received),
      carryOut: () => this.#replication.driver.carryOut(),
      onRolledBack: (seqno) => {
        this.#waiters.rolledBack(seqno);
        this.#snapshots.rolledBack(seqno);
        this.#applications.onRolledBack();
        this.#post();
      },
      signer: {
        nodeKey,
        serviceKey,
        nodeId,
        nodeCertificate: () => this.#applications.nodeCertificate(),
        coseIssuer: names.coseIssuer,
      },
      signatureDelayMs: settings.signatureDelayMs,
      signatureCountMax: settings.signatureCountMax,
      nowMs: () => performance.now(),
      utilisation: createUtilisation(),
      onAppended: (appended, changes) => {
        this.#waiters.appended(appended);
        this.#snapshots.appended(appended);
        this.#applications.onAppended(appended, changes);
      },
      onSigned: (signed) => {
        this.#waiters.signed(signed);
        this.#snapshots.signed(signed);
      },
      onSignatureBegun: (seqno) => this.#snapshots.signatureBegun(seqno),
      onCommitted: (seqno) => {
        this.#waiters.committed(seqno, writer.tree);
        this.#snapshots.committed(seqno);
        this.#post();
        this.#applications.onCommitted(seqno);
        this.#noteProgress();
      },
      onSettled: () => {
        this.#serveDeferred();
        this.#post();
      },
      onError: (error) => this.#fail(error),
    });
  }

  #createSnapshotTaker(places: SnapshotDirectory): SnapshotTaker {
    const { settings } = this.#data;
    const { store, engine, writer } = this.#state;
    const existing = places.list().find(({ seqno }) => seqno <= store.seqno);
    return new SnapshotTaker({
      directory: settings.snapshotDirectory,
      txCount: settings.snapshotTxCount,
      lastSeqno: existing?.seqno ?? 0,
      store,
      engine,
      writer,
      // Until a recovery has read them, the private tables are not there.
      canTake: () => !this.#applications.isRecovering,
      push: (transaction) => {
        this.#pipeline.push(transaction);
        this.#pipeline.flush();
      },
      requestSignature: () => {
        this.#pipeline.requestSignature();
        this.#pipeline.flush();
      },
      log: this.#log,
    });
  }

  #createDispatcher(consensus: ExecutorConsensus): Dispatcher<FrontLink> {
    const { store, crypto } = this.#state;
    const applications = this.#applications;
    const options = {
      applications: applications.list,
      store,
      pipeline: this.#pipeline,
      consensus,
      watch: new WatchedRuns(this.#data.watchMemory),
      crypto,
      log: this.#log,
      authenticate: (
        endpoint: Endpoint,
        request: AppRequest,
        transaction: Transaction,
      ): Authentication => applications.authenticate(endpoint, request, transaction),
      historical: applications.historical,
      lookUpHistorical: (request: AppRequest) => applications.lookUpHistorical(request),
      isServiceOpen: (transaction: Transaction) => applications.isServiceOpen(transaction),
      runLimits: () => applications.runLimits(),
      uncommittedCountMax: this.#data.settings.uncommittedCountMax,
    };
    return new Dispatcher<FrontLink>(options, this.#forwarding, (front, answer) => {
      if (answer.awaitedSeqno > 0) this.#waiters.add(front, answer);
      else this.#respond(front, answer);
    });
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const isKnown = isCocoError(error);
    assert(error !== undefined, "a failure has a cause");
    this.#report({
      kind: "failed",
      code: isKnown ? error.code : "Unexpected",
      message: isKnown ? `${error.message}. ${error.next}.` : String(error),
    });
  }
}

function createSnapshotDirectory({ settings }: ExecutorData): SnapshotDirectory {
  const { snapshotDirectory, snapshotReadOnlyDirectories } = settings;
  return new SnapshotDirectory([snapshotDirectory, ...snapshotReadOnlyDirectories]);
}

/** What a HEAD says of the length of the thing that a GET would give. */
function shownLength({ headers, body }: AppResponse): number | undefined {
  const length = headers["content-length"];
  return length !== undefined && body.length === 0 ? Number(length) : undefined;
}

/** Measures how busy this thread is between calls. */
function createUtilisation(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}

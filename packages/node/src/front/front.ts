/**
 * The front of a node: RPC interfaces, their sessions, and the batches to and from the executor.
 * It decides what can be decided without the store: framing, limits, order and back-pressure.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { MessagePort } from "node:worker_threads";
import { assert, type Log } from "@coco/base";
import { RequestBatchWriter, readResponseBatch } from "../wire.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import { FrontCounters } from "./front-counters.ts";
import { FrontInterface } from "./front-interface.ts";
import type { FrontCertificate, FrontLimits, FrontWorkerData } from "./front-options.ts";
import { jsonErrorResponse, type ParseFailure } from "./parse-failure.ts";
import { responseHead } from "./response-head.ts";

/** Serves the interfaces until it is drained. */
export class Front implements ConnectionHost {
  nowMs: number;
  readonly pipelineCountMax: number;
  readonly unsentSizeBytesMax: number;
  private readonly limits: FrontLimits;
  private readonly counters: FrontCounters;
  private readonly interfaces: readonly FrontInterface[];
  private readonly connections = new Map<number, Connection>();
  private readonly writer = new RequestBatchWriter();
  private readonly sessionIdBase: number;
  private executor: MessagePort | undefined = undefined;
  private nextSession = 1;
  private inFlightCount = 0;
  private inFlightSizeBytes = 0;
  private storedSizeBytes = 0;
  private isPostScheduled = false;
  private isStopping = false;
  private changed: Connection[] = [];

  constructor(data: Omit<FrontWorkerData, "executor">, log: Log, nowMs: number) {
    assert(data.workerIndex >= 0 && data.workerIndex < 64, "there are at most 64 front workers");
    this.limits = data.limits;
    this.nowMs = nowMs;
    this.pipelineCountMax = data.limits.pipelineCountMax;
    this.unsentSizeBytesMax = data.limits.unsentSizeBytesMax;
    this.sessionIdBase = data.workerIndex * sessionsPerWorker;
    this.counters = new FrontCounters(data.counters);
    this.interfaces = data.interfaces.map(
      (options, index) =>
        new FrontInterface(options, {
          index,
          counters: this.counters,
          handshakeTimeoutMs: data.limits.handshakeTimeoutMs,
          isPortShared: data.isPortShared,
          log,
          accept: (socket, isOverSoftMax) => this.accept(index, socket, isOverSoftMax),
        }),
    );
    for (const certificate of data.certificates) this.setCertificate(certificate);
  }

  /**
   * Opens all interfaces and returns `host:port` by interface name.
   * @throws {CocoError} AddressInUse, AddressNotAvailable
   */
  async listen(): Promise<Record<string, string>> {
    const addresses: Record<string, string> = {};
    for (const face of this.interfaces) addresses[face.options.name] = await face.listen();
    return addresses;
  }

  /** @throws {CocoError} BadTlsCertificate */
  setCertificate(certificate: FrontCertificate): void {
    for (const face of this.interfaces) {
      if (face.options.authority === certificate.authority) face.setCertificate(certificate);
    }
  }

  /** Connects the front with an executor; what the one before has not answered is told 503. */
  setExecutor(port: MessagePort | undefined): void {
    this.executor?.removeAllListeners("message");
    this.executor?.close();
    if (this.executor !== undefined) this.abandon();
    this.executor = port;
    port?.on("message", (batch: ArrayBuffer) => this.receiveBatch(batch));
  }

  /** Closes the sessions that have used up their time. Call it about once a second. */
  sweep(nowMs: number): void {
    this.nowMs = nowMs;
    const { idleTimeoutMs, headTimeoutMs, bodyTimeoutMs, lingerTimeoutMs } = this.limits;
    for (const connection of this.connections.values()) {
      if (
        connection.isOverdue(nowMs, idleTimeoutMs, headTimeoutMs, bodyTimeoutMs, lingerTimeoutMs)
      ) {
        this.counters.add("timeouts", 1);
        connection.socket.destroy();
      }
    }
  }

  /** Takes no new sessions or requests; resolves when the last session is gone. */
  async drain(timeoutMs: number): Promise<void> {
    this.isStopping = true;
    const closed = this.interfaces.map((face) => face.close());
    for (const connection of this.connections.values()) connection.drain();
    const timer = setTimeout(() => this.destroyAll(), timeoutMs);
    await Promise.all(closed);
    clearTimeout(timer);
    this.post();
    this.executor?.close();
    this.executor = undefined;
  }

  get sessionCount(): number {
    return this.connections.size;
  }

  dispatch(
    connection: Connection,
    requestId: number,
    methodIndex: number,
    head: Buffer,
    targetStart: number,
    targetEnd: number,
    headersStart: number,
    headersEnd: number,
    body: Buffer,
    bodyStart: number,
    bodyEnd: number,
  ): Buffer | undefined {
    const face = this.interfaces[connection.interfaceIndex] as FrontInterface;
    this.counters.addInterface(connection.interfaceIndex, "requests", 1);
    const size = headersEnd - targetStart + bodyEnd - bodyStart;
    const refusal = this.refusal(face, size, head, targetStart, targetEnd);
    if (refusal !== undefined) return refusal;
    if (!connection.isAnnounced) {
      connection.isAnnounced = true;
      const certificate = peerCertificate(connection.socket);
      this.writer.openSession(connection.id, face.options.name, certificate);
    }
    if (size > largeSizeBytes) {
      connection.largeSizes ??= new Map();
      connection.largeSizes.set(requestId, size);
      this.inFlightSizeBytes += size;
    }
    this.inFlightCount += 1;
    this.counters.add("inFlight", 1);
    this.writer.request(
      connection.id,
      requestId,
      methodIndex,
      head,
      targetStart,
      targetEnd,
      headersStart,
      headersEnd,
      body,
      bodyStart,
      bodyEnd,
    );
    this.schedulePost();
    return undefined;
  }

  parseFailed(connection: Connection, failure: ParseFailure): void {
    const counter =
      failure.kind === "syntax"
        ? "parsingErrors"
        : failure.kind === "bodyTooLarge"
          ? "bodyTooLarge"
          : "headerTooLarge";
    this.counters.addInterface(connection.interfaceIndex, counter, 1);
  }

  account(change: number): boolean {
    this.storedSizeBytes += change;
    return this.storedSizeBytes <= this.limits.storedSizeBytesMax;
  }

  busyResponse(): Buffer {
    this.counters.add("busyAnswers", 1);
    return busyResponse;
  }

  closed(connection: Connection): void {
    this.connections.delete(connection.id);
    for (const requestId of connection.unanswered()) this.settle(connection, requestId);
    if (connection.isAnnounced) {
      this.writer.closeSession(connection.id);
      this.schedulePost();
    }
  }

  private accept(index: number, socket: Socket | TLSSocket, isOverSoftMax: boolean): void {
    if (this.isStopping) {
      socket.destroy();
      return;
    }
    const { requestLimits } = (this.interfaces[index] as FrontInterface).options;
    const id = this.newSessionId();
    const connection = new Connection(id, index, socket, this, requestLimits);
    this.connections.set(id, connection);
    if (isOverSoftMax) {
      connection.refuse(sessionCapResponse);
      connection.flush();
    }
  }

  private newSessionId(): number {
    let id: number;
    do {
      id = this.sessionIdBase + this.nextSession;
      this.nextSession = (this.nextSession % (sessionsPerWorker - 1)) + 1;
    } while (this.connections.has(id));
    return id;
  }

  private refusal(
    face: FrontInterface,
    size: number,
    head: Buffer,
    targetStart: number,
    targetEnd: number,
  ): Buffer | undefined {
    if (face.hasEndpointFilter && !face.accepts(head.toString("latin1", targetStart, targetEnd))) {
      return notServedResponse;
    }
    if (this.executor === undefined) return noExecutorResponse;
    if (this.inFlightCount >= this.limits.inFlightCountMax) return this.busyResponse();
    if (size > largeSizeBytes && this.inFlightSizeBytes > this.limits.inFlightSizeBytesMax) {
      return this.busyResponse();
    }
    return undefined;
  }

  /** Everything that arrives in one turn of the event loop goes in one batch. */
  private schedulePost(): void {
    if (this.writer.sizeBytes >= batchSizeBytesMax) this.post();
    else if (!this.isPostScheduled) {
      this.isPostScheduled = true;
      setImmediate(this.postScheduled);
    }
  }

  private readonly postScheduled = (): void => {
    this.isPostScheduled = false;
    this.post();
  };

  private post(): void {
    const batch = this.writer.take();
    if (batch === undefined || this.executor === undefined) return;
    this.counters.add("batches", 1);
    this.counters.add("receivedBytes", batch.byteLength);
    this.executor.postMessage(batch, [batch]);
  }

  private receiveBatch(batch: ArrayBuffer): void {
    this.counters.add("sentBytes", batch.byteLength);
    readResponseBatch(batch, this.receiveResponse);
    const { changed } = this;
    this.changed = [];
    for (const connection of changed) connection.flush();
  }

  private readonly receiveResponse = (
    sessionId: number,
    requestId: number,
    bytes: Buffer,
    start: number,
    end: number,
    isLast: boolean,
  ): void => {
    const connection = this.connections.get(sessionId);
    // The client may have gone while its request was being executed.
    if (connection === undefined) return;
    this.settle(connection, requestId);
    if (connection.respond(requestId, bytes.subarray(start, end), isLast)) {
      this.changed.push(connection);
    }
  };

  /** A request is answered or nobody waits for it any more. */
  private settle(connection: Connection, requestId: number): void {
    this.inFlightCount -= 1;
    this.counters.add("inFlight", -1);
    const { largeSizes } = connection;
    const size = largeSizes === undefined ? undefined : largeSizes.get(requestId);
    if (size !== undefined) {
      this.inFlightSizeBytes -= size;
      largeSizes?.delete(requestId);
    }
  }

  /** The executor is gone: its requests are told so, and its sessions must be opened again. */
  private abandon(): void {
    this.writer.take();
    for (const connection of this.connections.values()) {
      connection.isAnnounced = false;
      for (const requestId of [...connection.unanswered()]) {
        this.settle(connection, requestId);
        connection.respond(requestId, lostExecutorResponse, false);
      }
      connection.flush();
    }
  }

  private destroyAll(): void {
    for (const connection of this.connections.values()) connection.socket.destroy();
    for (const face of this.interfaces) face.destroyHandshakes();
  }
}

const sessionsPerWorker = 2 ** 26;
const batchSizeBytesMax = 1024 * 1024;
/** Requests above this size are counted by octets too. */
const largeSizeBytes = 4096;

const sessionCapResponse = jsonErrorResponse(
  503,
  "SessionCapExhausted",
  "Service is currently busy and unable to serve new connections",
);
const busyResponse = jsonErrorResponse(
  503,
  "TooManyPendingTransactions",
  "Service is currently busy: too many requests wait for an answer. Try again later.",
);
const noExecutorResponse = jsonErrorResponse(
  503,
  "ExecutorDispatchFailed",
  "The node is starting and cannot execute requests yet. Try again later.",
);
const lostExecutorResponse = jsonErrorResponse(
  503,
  "ExecutorDispatchFailed",
  "The node restarted its executor before it answered: the outcome of the request is unknown.",
);
const notServedResponse = Buffer.from(responseHead(503, {}, 0, undefined) as string, "latin1");

function peerCertificate(socket: Socket | TLSSocket): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
}

/** One client session on one socket: requests in, responses out in the order of the requests. */
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { methodHead } from "./http-methods.ts";
import { failureToResponse, type ParseFailure } from "./parse-failure.ts";
import { type RequestLimits, RequestParser, type RequestSink } from "./request-parser.ts";

/** What a connection needs of its front. */
export interface ConnectionHost {
  /** Coarse time; changes when the front sweeps. */
  readonly nowMs: number;
  readonly pipelineCountMax: number;
  readonly unsentSizeBytesMax: number;
  /** Passes a request on; returns the response when the front itself has to give it. */
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
  ): Buffer | undefined;
  parseFailed(connection: Connection, failure: ParseFailure): void;
  /** The octets held for an incomplete message changed; false refuses them. */
  account(change: number): boolean;
  busyResponse(): Buffer;
  closed(connection: Connection): void;
}

interface HeldResponse {
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

/** Reads requests from a socket and writes their responses. */
export class Connection implements RequestSink {
  readonly id: number;
  readonly interfaceIndex: number;
  readonly socket: Socket | TLSSocket;
  /** The executor knows the session. */
  isAnnounced = false;
  /** Nothing more is read or answered; the socket is on its way out. */
  isClosing = false;
  /** Sizes of unanswered large requests by request id. */
  largeSizes: Map<number, number> | undefined = undefined;
  private readonly host: ConnectionHost;
  private readonly parser: RequestParser;
  private nextRequestId = 0;
  private nextResponseId = 0;
  /** Responses that came before an earlier one. */
  private held: Map<number, HeldResponse> | undefined = undefined;
  private headOnly: Set<number> | undefined = undefined;
  private outgoing: Buffer[] = [];
  private storedSizeBytes = 0;
  private isPaused = false;
  private isDraining = false;
  private isGone = false;
  private activeMs: number;
  private messagePhase: "none" | "head" | "body" = "none";
  private messageSinceMs = 0;
  private closingSinceMs = 0;

  constructor(
    id: number,
    interfaceIndex: number,
    socket: Socket | TLSSocket,
    host: ConnectionHost,
    limits: RequestLimits,
  ) {
    this.id = id;
    this.interfaceIndex = interfaceIndex;
    this.socket = socket;
    this.host = host;
    this.activeMs = host.nowMs;
    this.parser = new RequestParser(this, limits);
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("drain", () => this.drained());
    socket.on("end", () => this.drain());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.close());
  }

  /** Requests without a response. */
  get inFlightCount(): number {
    return this.nextRequestId - this.nextResponseId;
  }

  receive(chunk: Buffer): void {
    if (this.isClosing) return;
    const { parser, host } = this;
    const firstRequestId = this.nextRequestId;
    this.activeMs = host.nowMs;
    parser.feed(chunk);
    const phase = parser.isInHead ? "head" : parser.isInBody ? "body" : "none";
    if (phase !== this.messagePhase || this.nextRequestId !== firstRequestId) {
      this.messagePhase = phase;
      this.messageSinceMs = host.nowMs;
    }
    const change = parser.storedSizeBytes - this.storedSizeBytes;
    if (change !== 0) {
      this.storedSizeBytes += change;
      if (!host.account(change) && change > 0) this.refuse(host.busyResponse());
    }
    if (this.outgoing.length > 0) this.flush();
    if (this.inFlightCount >= host.pipelineCountMax) this.pause();
  }

  request(
    methodIndex: number,
    head: Buffer,
    targetStart: number,
    targetEnd: number,
    headersStart: number,
    headersEnd: number,
    body: Buffer,
    bodyStart: number,
    bodyEnd: number,
  ): void {
    const requestId = this.nextRequestId;
    this.nextRequestId += 1;
    if (methodIndex === methodHead) {
      this.headOnly ??= new Set();
      this.headOnly.add(requestId);
    }
    const response = this.host.dispatch(
      this,
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
    if (response !== undefined) this.respond(requestId, response, false);
  }

  failure(failure: ParseFailure, fragment: Buffer): void {
    this.host.parseFailed(this, failure);
    this.refuse(failureToResponse(failure, fragment));
  }

  /** Answers after everything that is in flight, then closes. */
  refuse(response: Buffer): void {
    const requestId = this.nextRequestId;
    this.nextRequestId += 1;
    this.respond(requestId, response, true);
  }

  /**
   * Takes one response; it is written by `flush`.
   * @returns whether there is something to flush
   */
  respond(requestId: number, response: Buffer, isLast: boolean): boolean {
    if (this.isGone) return false;
    if (this.isClosing) {
      // Nobody will see it, but it is answered.
      this.held ??= new Map();
      this.held.set(requestId, { bytes: emptyBuffer, isLast: false });
      return false;
    }
    if (requestId !== this.nextResponseId) {
      this.held ??= new Map();
      this.held.set(requestId, { bytes: response, isLast });
      return false;
    }
    this.enqueue(requestId, response, isLast);
    while (this.held !== undefined && this.held.size > 0 && !this.isClosing) {
      const next = this.held.get(this.nextResponseId);
      if (next === undefined) break;
      this.held.delete(this.nextResponseId);
      this.enqueue(this.nextResponseId, next.bytes, next.isLast);
    }
    return true;
  }

  /** Writes the collected responses with one call. */
  flush(): void {
    const { outgoing, socket } = this;
    if (outgoing.length > 0 && !this.isGone && socket.writable) {
      socket.write(outgoing.length === 1 ? (outgoing[0] as Buffer) : Buffer.concat(outgoing));
      this.activeMs = this.host.nowMs;
    }
    this.outgoing = [];
    if (this.isClosing || (this.isDraining && this.inFlightCount === 0)) this.finish();
    else if (socket.writableLength > this.host.unsentSizeBytesMax) this.pause();
    else this.resume();
  }

  /** Request ids that wait for the executor. */
  *unanswered(): Iterable<number> {
    for (let id = this.nextResponseId; id < this.nextRequestId; id += 1) {
      if (this.held?.has(id) !== true) yield id;
    }
  }

  /** Reads nothing more; closes when everything is answered. */
  drain(): void {
    this.isDraining = true;
    this.pause();
    if (this.inFlightCount === 0) this.finish();
  }

  /** True when the session has used up its time. */
  isOverdue(
    nowMs: number,
    idleTimeoutMs: number | undefined,
    headTimeoutMs: number,
    bodyTimeoutMs: number,
    lingerTimeoutMs: number,
  ): boolean {
    if (this.isClosing) return nowMs - this.closingSinceMs >= lingerTimeoutMs;
    // A paused session cannot go on with its message: the clock of the message stands still.
    if (this.isPaused) this.messageSinceMs = nowMs;
    const messageMs = nowMs - this.messageSinceMs;
    if (this.messagePhase === "head" && messageMs >= headTimeoutMs) return true;
    if (this.messagePhase === "body" && messageMs >= bodyTimeoutMs) return true;
    if (idleTimeoutMs === undefined || this.inFlightCount > 0) return false;
    return nowMs - this.activeMs >= idleTimeoutMs;
  }

  private enqueue(requestId: number, response: Buffer, isLast: boolean): void {
    this.nextResponseId = requestId + 1;
    if (this.headOnly?.delete(requestId)) {
      const headEnd = response.indexOf("\r\n\r\n");
      this.outgoing.push(response.subarray(0, headEnd + 4));
    } else {
      this.outgoing.push(response);
    }
    if (isLast) {
      this.isClosing = true;
      this.closingSinceMs = this.host.nowMs;
    }
  }

  /** Ends the writing side; what still arrives is read and dropped until the client is gone. */
  private finish(): void {
    if (!this.isClosing) {
      this.isClosing = true;
      this.closingSinceMs = this.host.nowMs;
    }
    if (this.isPaused) this.socket.resume();
    this.socket.end();
  }

  private pause(): void {
    if (this.isPaused || this.isClosing) return;
    this.isPaused = true;
    this.socket.pause();
  }

  private resume(): void {
    if (!this.isPaused || this.isDraining) return;
    if (this.inFlightCount > this.host.pipelineCountMax / 2) return;
    this.isPaused = false;
    this.socket.resume();
  }

  private drained(): void {
    this.activeMs = this.host.nowMs;
    this.resume();
  }

  private close(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.host.account(-this.storedSizeBytes);
    this.storedSizeBytes = 0;
    this.host.closed(this);
  }
}

const emptyBuffer: Buffer = Buffer.alloc(0);

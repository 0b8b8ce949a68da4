/** A front in this thread with an executor behind a real message port: for tests. */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { MessageChannel } from "node:worker_threads";
import { createCertificate, type LogLevel, pemToDer } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { RequestBatchReader, type RequestView, ResponseBatchWriter } from "../wire.ts";
import { Front } from "./front.ts";
import { FrontCounters, frontCountersSizeBytes } from "./front-counters.ts";
import {
  defaultFrontLimits,
  type FrontInterfaceOptions,
  type FrontLimits,
} from "./front-options.ts";

const crypto = createNodeCrypto();

/** A self-signed certificate and its key. */
export function identity(name: string, curve: "secp256r1" | "secp384r1") {
  const key = generateSigningKey(curve);
  const cert = createCertificate({
    subject: `CN=${name}`,
    publicKey: key.publicKey,
    signer: key,
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 86_400_000,
    serial: crypto.bytes(16),
    isAuthority: true,
    hash: crypto,
  });
  return { der: pemToDer(cert), cert, key: key.toPem() };
}

/** What the interface shows. */
export const service = identity("service", "secp384r1");
/** What a client shows. */
export const user = identity("user", "secp256r1");

const plainInterface: FrontInterfaceOptions = {
  name: "primary",
  host: "127.0.0.1",
  port: 0,
  authority: "Unsecured",
  sessionsSoftMax: 1000,
  sessionsHardMax: 1010,
  requestLimits: {
    headerSizeBytesMax: 16_384,
    headerSizeText: "16KB",
    headerCountMax: 256,
    headSizeBytesMax: 262_144,
    bodySizeBytesMax: 1_048_576,
    bodySizeText: "1MB",
  },
  acceptedEndpoints: [".*"],
};

/** What a test sets differently. */
export interface Setup {
  readonly face?: Partial<FrontInterfaceOptions>;
  readonly limits?: Partial<FrontLimits>;
  /** Absent: answers each request with its method, target and body. */
  readonly onRequest?: (request: RequestView, writer: ResponseBatchWriter) => void;
}

const running: { front: Front; sockets: Socket[] }[] = [];

/** Ends everything a test started. */
export async function stopAll(): Promise<void> {
  for (const { front, sockets } of running.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await front.drain(50);
  }
}

/** Answers with method, target and body. */
export function echo(request: RequestView, writer: ResponseBatchWriter): void {
  const body = `${request.method} ${request.url} ${Buffer.from(request.body).toString("latin1")}`;
  writer.respond(
    request.sessionId,
    request.requestId,
    { status: 200, headers: {}, body },
    undefined,
  );
}

/** An executor in this thread, behind a real message port. */
export function connectExecutor(front: Front, onRequest: NonNullable<Setup["onRequest"]>) {
  const { port1, port2 } = new MessageChannel();
  const reader = new RequestBatchReader();
  const writer = new ResponseBatchWriter();
  const requests: RequestView[] = [];
  const post = () => {
    const answers = writer.take();
    if (answers !== undefined) port2.postMessage(answers, [answers]);
  };
  port2.on("message", (batch: ArrayBuffer) => {
    reader.read(batch, (request) => {
      requests.push(request);
      onRequest(request, writer);
    });
    post();
  });
  front.setExecutor(port1);
  return { reader, writer, requests, post, port: port2 };
}

/** An open front with one interface, and ways to dial it. */
export async function startFront(setup: Setup = {}) {
  const counters = new SharedArrayBuffer(frontCountersSizeBytes);
  const lines: [LogLevel, string][] = [];
  const front = new Front(
    {
      workerIndex: 1,
      interfaces: [{ ...plainInterface, ...setup.face }],
      limits: { ...defaultFrontLimits, ...setup.limits },
      certificates: [{ authority: "Service", certificatePem: service.cert, keyPem: service.key }],
      counters,
      isPortShared: false,
    },
    (level, message) => lines.push([level, message]),
    0,
  );
  const executor = connectExecutor(front, setup.onRequest ?? echo);
  const addresses = await front.listen();
  const port = Number(addresses["primary"]?.split(":")[1]);
  const sockets: Socket[] = [];
  running.push({ front, sockets });
  return {
    front,
    executor,
    lines,
    counters: new FrontCounters(counters),
    connect: async () => {
      const socket = connectTcp(port, "127.0.0.1");
      sockets.push(socket);
      await once(socket, "connect");
      return new Client(socket);
    },
    connectTls: async (options: ConnectionOptions = {}) => {
      const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
      sockets.push(socket);
      await once(socket, "secureConnect");
      return new Client(socket);
    },
  };
}

/** Collects what the server says. */
class Client {
  text = "";
  isClosed = false;
  readonly socket: Socket;
  private wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("latin1");
      this.wake();
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.wake();
    });
  }

  send(text: string): void {
    this.socket.write(Buffer.from(text, "latin1"));
  }

  async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** The first `count` responses: status, headers as text, body. */
  async responses(count: number): Promise<{ status: number; head: string; body: string }[]> {
    await this.until(() => splitResponses(this.text).length >= count || this.isClosed);
    return splitResponses(this.text);
  }
}

/** The complete responses at the start of `text`. */
export function splitResponses(text: string) {
  const responses: { status: number; head: string; body: string }[] = [];
  let rest = text;
  for (;;) {
    const headEnd = rest.indexOf("\r\n\r\n");
    if (headEnd < 0) return responses;
    const head = rest.slice(0, headEnd);
    const length = Number(/content-length: (\d+)/.exec(head)?.[1]);
    const body = rest.slice(headEnd + 4, headEnd + 4 + length);
    if (body.length < length) return responses;
    responses.push({ status: Number(head.slice(9, 12)), head, body });
    rest = rest.slice(headEnd + 4 + length);
  }
}

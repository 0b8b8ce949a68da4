import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { MessageChannel } from "node:worker_threads";
import { createCertificate, type LogLevel, pemToDer } from "@coco/base";
import { createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { afterEach, describe, expect, test } from "vitest";
import { RequestBatchReader, type RequestView, ResponseBatchWriter } from "../wire.ts";
import { Front } from "./front.ts";
import { FrontCounters, frontCountersSizeBytes } from "./front-counters.ts";
import {
  defaultFrontLimits,
  type FrontInterfaceOptions,
  type FrontLimits,
} from "./front-options.ts";

const crypto = createNodeCrypto();

function identity(name: string, curve: "secp256r1" | "secp384r1") {
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

const service = identity("service", "secp384r1");
const user = identity("user", "secp256r1");

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

interface Setup {
  readonly face?: Partial<FrontInterfaceOptions>;
  readonly limits?: Partial<FrontLimits>;
  /** Absent: answers each request with its method, target and body. */
  readonly onRequest?: (request: RequestView, writer: ResponseBatchWriter) => void;
}

const running: { front: Front; sockets: Socket[] }[] = [];

afterEach(async () => {
  for (const { front, sockets } of running.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await front.drain(50);
  }
});

function echo(request: RequestView, writer: ResponseBatchWriter): void {
  const body = `${request.method} ${request.url} ${Buffer.from(request.body).toString("latin1")}`;
  writer.respond(
    request.sessionId,
    request.requestId,
    { status: 200, headers: {}, body },
    undefined,
  );
}

/** An executor in this thread, behind a real message port. */
function connectExecutor(front: Front, onRequest: NonNullable<Setup["onRequest"]>) {
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

async function start(setup: Setup = {}) {
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

function splitResponses(text: string) {
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

const get = (target: string) => `GET ${target} HTTP/1.1\r\n\r\n`;

describe("a session", () => {
  test("is answered in the order of its requests, whatever order the executor takes", async () => {
    const waiting: RequestView[] = [];
    const { connect, executor } = await start({ onRequest: (request) => waiting.push(request) });
    const client = await connect();
    client.send(`${get("/1")}${get("/2")}hello world${get("/3")}`);
    while (waiting.length < 2) await new Promise(setImmediate);
    for (const request of waiting.reverse()) {
      echo(request, executor.writer);
      executor.post();
      await new Promise(setImmediate);
    }
    const responses = await client.responses(3);
    expect(responses.map(({ body }) => body.slice(0, 60))).toEqual([
      "GET /1 ",
      "GET /2 ",
      "Unable to parse data as a HTTP request. Error message is: HT",
    ]);
    await client.until(() => client.isClosed);
  });

  test("carries many requests in few batches", async () => {
    const { connect, counters } = await start();
    const client = await connect();
    client.send(get("/x").repeat(100));
    expect(await client.responses(100)).toHaveLength(100);
    expect(counters.get("batches")).toBeLessThan(10);
    expect(counters.getInterface(0, "requests")).toBe(100);
    expect(counters.get("inFlight")).toBe(0);
  });

  test("reads bodies by length and by chunks, in any pieces", async () => {
    const { connect } = await start();
    const client = await connect();
    const text =
      "POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello" +
      "POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for (const octet of text) {
      client.send(octet);
      await new Promise(setImmediate);
    }
    const responses = await client.responses(2);
    expect(responses.map(({ body }) => body)).toEqual(["POST /a hello", "POST /b abcde"]);
  });

  test("HTTP/1.0 and connection: close are answered as HTTP/1.1 and kept open", async () => {
    const { connect } = await start();
    for (const head of [
      "GET /a HTTP/1.0\r\n\r\n",
      "GET /a HTTP/1.1\r\nconnection: close\r\n\r\n",
    ]) {
      const client = await connect();
      client.send(head);
      const [response] = await client.responses(1);
      expect(response?.head).toBe("HTTP/1.1 200 OK\r\ncontent-length: 7");
      expect(client.isClosed).toBe(false);
    }
  });

  test("gets no body on HEAD, so that the next response is found", async () => {
    const { connect } = await start();
    const client = await connect();
    client.send("HEAD /a HTTP/1.1\r\n\r\n");
    await client.until(() => client.text.endsWith("\r\n\r\n"));
    expect(client.text).toMatch(/^HTTP\/1.1 200 OK\r\ncontent-length: \d+\r\n\r\n$/);
  });

  test("is closed to the executor when the client goes, with its requests settled", async () => {
    const { connect, executor, counters } = await start({ onRequest: () => {} });
    const client = await connect();
    client.send(get("/x"));
    while (executor.requests.length < 1) await new Promise(setImmediate);
    expect(executor.reader.sessions.size).toBe(1);
    expect(counters.get("inFlight")).toBe(1);
    client.socket.destroy();
    while (executor.reader.sessions.size > 0) await new Promise(setImmediate);
    expect(counters.get("inFlight")).toBe(0);
    // The answer that comes too late is dropped.
    echo(executor.requests[0] as RequestView, executor.writer);
    executor.post();
    const next = await connect();
    next.send(get("/y"));
    while (executor.requests.length < 2) await new Promise(setImmediate);
    expect(counters.get("inFlight")).toBe(1);
  });
});

describe("limits", () => {
  test("pipelining stops the socket, not the session", async () => {
    const waiting: RequestView[] = [];
    const { connect, executor } = await start({
      limits: { pipelineCountMax: 4 },
      onRequest: (request) => waiting.push(request),
    });
    const client = await connect();
    client.send(get("/1").repeat(4));
    while (waiting.length < 4) await new Promise(setImmediate);
    client.send(get("/2").repeat(4));
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    expect(waiting).toHaveLength(4);
    for (const request of waiting.splice(0)) echo(request, executor.writer);
    executor.post();
    while (waiting.length < 4) await new Promise(setImmediate);
    for (const request of waiting) echo(request, executor.writer);
    executor.post();
    expect(await client.responses(8)).toHaveLength(8);
  });

  test("too many requests in flight are told 503, and the session goes on", async () => {
    const waiting: RequestView[] = [];
    const { connect, executor, counters } = await start({
      limits: { inFlightCountMax: 2 },
      onRequest: (request) => waiting.push(request),
    });
    const client = await connect();
    client.send(get("/1") + get("/2") + get("/3"));
    while (waiting.length < 2) await new Promise(setImmediate);
    for (const request of waiting.splice(0)) echo(request, executor.writer);
    executor.post();
    const responses = await client.responses(3);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 503]);
    expect(responses[2]?.body).toContain('{"error":{"code":"TooManyPendingTransactions"');
    expect(counters.get("busyAnswers")).toBe(1);
    client.send(get("/4"));
    while (waiting.length < 1) await new Promise(setImmediate);
    expect(client.isClosed).toBe(false);
  });

  test("large requests are limited by octets too, and incomplete messages are", async () => {
    const { connect, executor } = await start({
      limits: { inFlightSizeBytesMax: 10_000, storedSizeBytesMax: 50_000 },
      onRequest: () => {},
    });
    const post = `POST /x HTTP/1.1\r\ncontent-length: 9000\r\n\r\n${"x".repeat(9000)}`;
    const client = await connect();
    client.send(post + post + post);
    while (executor.requests.length < 2) await new Promise(setImmediate);
    for (const request of executor.requests) echo(request, executor.writer);
    executor.post();
    const statuses = (await client.responses(3)).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 503]);
    const slow = await connect();
    slow.send(`POST /x HTTP/1.1\r\ncontent-length: 100000\r\n\r\n${"x".repeat(60_000)}`);
    const [busy] = await slow.responses(1);
    expect(busy?.status).toBe(503);
  });

  test("sessions above the soft limit are told 503, above the hard limit they are closed", async () => {
    const { connect, counters, lines } = await start({
      face: { sessionsSoftMax: 1, sessionsHardMax: 2 },
    });
    const first = await connect();
    first.send(get("/1"));
    await first.responses(1);
    const second = await connect();
    const [refusal] = await second.responses(1);
    expect(refusal).toEqual({
      status: 503,
      head: "HTTP/1.1 503 SERVICE_UNAVAILABLE\r\ncontent-length: 114\r\ncontent-type: application/json",
      body: '{"error":{"code":"SessionCapExhausted","message":"Service is currently busy and unable to serve new connections"}}',
    });
    const third = await connect();
    await third.until(() => third.isClosed);
    expect(third.text).toBe("");
    expect(counters.getInterface(0, "refusedHard")).toBe(1);
    expect(counters.getInterface(0, "refusedSoft")).toBe(1);
    expect(lines).toEqual([
      ["warn", "an interface has too many sessions and answers new sessions with 503"],
    ]);
    await second.until(() => second.isClosed);
    first.send(get("/2"));
    expect(await first.responses(2)).toHaveLength(2);
  });

  test("only accepted endpoints are served; an unsecured interface serves none unless listed", async () => {
    const { connect } = await start({ face: { acceptedEndpoints: ["/node/.*", "/app/commit"] } });
    const client = await connect();
    client.send(get("/node/version?x=/app") + get("/app/commit/x") + get("/app/commit"));
    const responses = await client.responses(3);
    expect(responses.map(({ status, body }) => [status, body])).toEqual([
      [200, "GET /node/version?x=/app "],
      [503, ""],
      [200, "GET /app/commit "],
    ]);
    const closed = await start({ face: { acceptedEndpoints: undefined } });
    const other = await closed.connect();
    other.send(get("/node/version"));
    expect((await other.responses(1))[0]?.status).toBe(503);
  });
});

describe("slow clients, on a clock the test turns", () => {
  const limits = {
    idleTimeoutMs: 60_000,
    headTimeoutMs: 10_000,
    bodyTimeoutMs: 30_000,
    lingerTimeoutMs: 2_000,
  };

  async function sweepClosesAt(text: string, closesAtMs: number): Promise<void> {
    const { connect, front, counters } = await start({ limits });
    const client = await connect();
    client.send(text);
    const answered = text.startsWith("GET /done") ? 1 : 0;
    if (answered > 0) await client.responses(1);
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    front.sweep(closesAtMs - 1);
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(client.isClosed).toBe(false);
    front.sweep(closesAtMs);
    await client.until(() => client.isClosed);
    expect(counters.get("timeouts")).toBe(1);
    expect(front.sessionCount).toBe(0);
  }

  test("a head that does not end is cut after the head timeout", () =>
    sweepClosesAt("GET / HTTP/1.1\r\nhost: x\r\n", 10_000));

  test("a body that does not end is cut after the body timeout", () =>
    sweepClosesAt("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabc", 30_000));

  test("an idle session is closed after the idle timeout", () =>
    sweepClosesAt("GET /done HTTP/1.1\r\n\r\n", 60_000));

  test("a session that never sends anything is closed after the idle timeout", () =>
    sweepClosesAt("", 60_000));

  test("a drip of octets does not renew the head's time", async () => {
    const { connect, front } = await start({ limits });
    const client = await connect();
    client.send("GET / HTTP/1.1\r\nx: ");
    for (let second = 0; second < 10; second += 1) {
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
      front.sweep(second * 1000);
      client.send("y");
    }
    expect(client.isClosed).toBe(false);
    front.sweep(10_000);
    await client.until(() => client.isClosed);
  });

  test("a request that waits for the executor is not idle", async () => {
    const { connect, front, executor } = await start({ limits, onRequest: () => {} });
    const client = await connect();
    client.send(get("/slow"));
    while (executor.requests.length < 1) await new Promise(setImmediate);
    front.sweep(600_000);
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(client.isClosed).toBe(false);
    echo(executor.requests[0] as RequestView, executor.writer);
    executor.post();
    expect((await client.responses(1))[0]?.status).toBe(200);
  });
});

describe("the executor", () => {
  test("is replaced: what the old one left is told 503, then sessions go on", async () => {
    const { connect, front, executor } = await start({ onRequest: () => {} });
    const client = await connect();
    client.send(get("/lost"));
    while (executor.requests.length < 1) await new Promise(setImmediate);
    front.setExecutor(undefined);
    client.send(get("/none"));
    const responses = await client.responses(2);
    expect(responses.map(({ status }) => status)).toEqual([503, 503]);
    expect(responses[0]?.body).toContain("the outcome of the request is unknown");
    const next = connectExecutor(front, echo);
    client.send(get("/again"));
    expect((await client.responses(3))[2]?.body).toBe("GET /again ");
    expect(next.reader.sessions.size).toBe(1);
  });

  test("may close the session with its answer", async () => {
    const { connect } = await start({
      onRequest: ({ sessionId, requestId }, writer) => {
        writer.respond(sessionId, requestId, { status: 500, headers: {}, body: "x" }, "2.1", true);
      },
    });
    const client = await connect();
    client.send(get("/1") + get("/2"));
    await client.until(() => client.isClosed);
    expect(splitResponses(client.text).map(({ body }) => body)).toEqual(["x"]);
  });

  test("drain answers what is in flight, takes nothing new and ends", async () => {
    const { connect, front, executor } = await start({ onRequest: () => {} });
    const busy = await connect();
    const idle = await connect();
    busy.send(get("/1"));
    while (executor.requests.length < 1) await new Promise(setImmediate);
    let isDrained = false;
    const drained = front.drain(5_000).then(() => (isDrained = true));
    await idle.until(() => idle.isClosed);
    expect(isDrained).toBe(false);
    echo(executor.requests[0] as RequestView, executor.writer);
    executor.post();
    await drained;
    await busy.until(() => busy.isClosed);
    expect(splitResponses(busy.text).map(({ body }) => body)).toEqual(["GET /1 "]);
    await expect(connect()).rejects.toThrow();
  });
});

describe("TLS", () => {
  const face = { authority: "Service", acceptedEndpoints: undefined } as const;

  test("the client's self-signed certificate reaches the executor; it is not required", async () => {
    const { connectTls: dial, executor } = await start({ face });
    const withCertificate = await dial({ cert: user.cert, key: user.key });
    withCertificate.send(get("/1"));
    await withCertificate.responses(1);
    const without = await dial();
    without.send(get("/2"));
    await without.responses(1);
    const certificates = executor.requests.map(({ session }) => session.certificate?.der);
    expect(certificates).toEqual([user.der, undefined]);
    expect(executor.requests[0]?.session.certificate?.pem.trim()).toBe(user.cert.trim());
  });

  test("a resumed session keeps its certificate", async () => {
    const { connectTls: dial, executor } = await start({ face });
    for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
      executor.requests.length = 0;
      const first = await dial({ cert: user.cert, key: user.key, maxVersion });
      let session: Buffer | undefined = (first.socket as TLSSocket).getSession();
      first.socket.on("session", (ticket: Buffer) => (session = ticket));
      first.send(get("/1"));
      await first.responses(1);
      const second = await dial({
        cert: user.cert,
        key: user.key,
        maxVersion,
        ...(session === undefined ? {} : { session }),
      });
      expect((second.socket as TLSSocket).isSessionReused()).toBe(true);
      second.send(get("/2"));
      await second.responses(1);
      expect(executor.requests.map((request) => request.session.certificate?.der)).toEqual([
        user.der,
        user.der,
      ]);
    }
  });

  test("TLS 1.2 and 1.3 are spoken, with a key exchange cheaper than P-384; TLS 1.1 is not", async () => {
    const { connectTls: dial, counters } = await start({ face });
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const client = await dial({ minVersion: version, maxVersion: version });
      const socket = client.socket as TLSSocket;
      expect(socket.getProtocol()).toBe(version);
      expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: "X25519" });
      expect(socket.getPeerX509Certificate()?.raw).toEqual(Buffer.from(service.der));
    }
    const old = {
      minVersion: "TLSv1.1",
      maxVersion: "TLSv1.1",
      ciphers: "ALL:@SECLEVEL=0",
    } as const;
    await expect(dial(old)).rejects.toThrow(/version|alert/i);
    expect(counters.get("handshakeFailures")).toBe(1);
  });

  test("an interface without certificate refuses; a new certificate is used from then on", async () => {
    const { connectTls: dial, front } = await start({ face: { ...face, authority: "Node" } });
    await expect(dial()).rejects.toThrow();
    for (const own of [identity("node", "secp384r1"), identity("node", "secp384r1")]) {
      front.setCertificate({ authority: "Node", certificatePem: own.cert, keyPem: own.key });
      const client = await dial();
      expect((client.socket as TLSSocket).getPeerX509Certificate()?.raw).toEqual(
        Buffer.from(own.der),
      );
    }
    expect(() =>
      front.setCertificate({ authority: "Node", certificatePem: user.cert, keyPem: service.key }),
    ).toThrow(/cannot be used together/);
  });

  test("an address in use is named", async () => {
    const { connect, front } = await start();
    const client = await connect();
    const port = client.socket.remotePort ?? 0;
    await expect(start({ face: { port } })).rejects.toThrow(
      `The address of an RPC interface is already in use: primary on 127.0.0.1:${port}`,
    );
    expect(front.sessionCount).toBe(1);
  });
});

interface RawExchange {
  readonly note: string;
  readonly raw_request: string;
  readonly raw_response: string;
  readonly connection_closed_by_server: boolean;
}

const vectors = process.env["COCO_VECTORS"] ?? join(process.cwd(), "../shared/vectors");
const exchangesFile = join(vectors, "ccf-http/exchanges.jsonl");

function rawExchanges(): RawExchange[] {
  const lines = readFileSync(exchangesFile, "utf8").trim().split("\n");
  const all = lines.map((line) => JSON.parse(line) as Partial<RawExchange>);
  return all.filter((each): each is RawExchange => each.raw_request !== undefined);
}

describe.skipIf(!existsSync(exchangesFile))("exchanges recorded from a live CCF node", () => {
  test("what the front decides alone is answered octet by octet as CCF did", async () => {
    const { connect } = await start();
    let decidedCount = 0;
    for (const exchange of rawExchanges()) {
      // The recording cuts this request short; the rest of the value is the same letter.
      const request = exchange.raw_request.replace(/\.\.\.\(20035 bytes\)$/, "a".repeat(20_000));
      const client = await connect();
      client.send(request);
      if (exchange.connection_closed_by_server) {
        await client.until(() => client.isClosed);
        expect(client.text, exchange.note).toBe(exchange.raw_response);
        decidedCount += 1;
      } else {
        const expected = splitResponses(exchange.raw_response).length;
        const responses = await client.responses(expected);
        expect(responses, exchange.note).toHaveLength(expected);
        expect(client.isClosed, exchange.note).toBe(false);
      }
    }
    expect(decidedCount).toBe(4);
  });

  test("a body over the limit is answered as CCF did", async () => {
    const { connect } = await start();
    const client = await connect();
    client.send(`POST /app/log/private HTTP/1.1\r\ncontent-length: 1100017\r\n\r\n`);
    client.send("x".repeat(1_100_017));
    const [response] = await client.responses(1);
    expect(response).toEqual({
      status: 413,
      head: "HTTP/1.1 413 PAYLOAD_TOO_LARGE\r\ncontent-length: 107\r\ncontent-type: application/json",
      body: '{"error":{"code":"RequestBodyTooLarge","message":"HTTP request body is too large (max size allowed: 1MB)"}}',
    });
  });
});

import { afterEach, describe, expect, test } from "vitest";
import type { RequestView } from "../wire.ts";
import { connectExecutor, echo, splitResponses, startFront, stopAll } from "./front.testing.ts";

afterEach(stopAll);

const get = (target: string) => `GET ${target} HTTP/1.1\r\n\r\n`;

describe("a session", () => {
  test("is answered in the order of its requests, whatever order the executor takes", async () => {
    const waiting: RequestView[] = [];
    const { connect, executor } = await startFront({
      onRequest: (request) => waiting.push(request),
    });
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
    const { connect, counters } = await startFront();
    const client = await connect();
    client.send(get("/x").repeat(100));
    expect(await client.responses(100)).toHaveLength(100);
    expect(counters.get("batches")).toBeLessThan(10);
    expect(counters.getInterface(0, "requests")).toBe(100);
    expect(counters.get("inFlight")).toBe(0);
  });

  test("reads bodies by length and by chunks, in any pieces", async () => {
    const { connect } = await startFront();
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
    const { connect } = await startFront();
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
    const { connect } = await startFront();
    const client = await connect();
    client.send("HEAD /a HTTP/1.1\r\n\r\n");
    await client.until(() => client.text.endsWith("\r\n\r\n"));
    expect(client.text).toMatch(/^HTTP\/1.1 200 OK\r\ncontent-length: \d+\r\n\r\n$/);
  });

  test("is answered also when the client ends its side after the last request", async () => {
    const { connect } = await startFront();
    const client = await connect();
    client.socket.end(get("/1") + get("/2"));
    await client.until(() => client.isClosed);
    expect(splitResponses(client.text).map(({ body }) => body)).toEqual(["GET /1 ", "GET /2 "]);
  });

  test("is closed to the executor when the client breaks off, its requests settled", async () => {
    const { connect, executor, counters } = await startFront({ onRequest: () => {} });
    const client = await connect();
    client.send(get("/x"));
    while (executor.requests.length < 1) await new Promise(setImmediate);
    expect(executor.reader.sessions.size).toBe(1);
    expect(counters.get("inFlight")).toBe(1);
    client.socket.resetAndDestroy();
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
    const { connect, executor } = await startFront({
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
    const { connect, executor, counters } = await startFront({
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
    const { connect, executor } = await startFront({
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

  test("sessions above the soft limit are told 503, above the hard limit closed", async () => {
    const { connect, counters, lines } = await startFront({
      face: { sessionsSoftMax: 1, sessionsHardMax: 2 },
    });
    const first = await connect();
    first.send(get("/1"));
    await first.responses(1);
    const second = await connect();
    const [refusal] = await second.responses(1);
    expect(refusal).toEqual({
      status: 503,
      head:
        "HTTP/1.1 503 SERVICE_UNAVAILABLE\r\ncontent-length: 114\r\n" +
        "content-type: application/json",
      body:
        '{"error":{"code":"SessionCapExhausted","message":' +
        '"Service is currently busy and unable to serve new connections"}}',
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

  test("only accepted endpoints are served; without TLS none unless listed", async () => {
    const { connect } = await startFront({
      face: { acceptedEndpoints: ["/node/.*", "/app/commit"] },
    });
    const client = await connect();
    client.send(get("/node/version?x=/app") + get("/app/commit/x") + get("/app/commit"));
    const responses = await client.responses(3);
    expect(responses.map(({ status, body }) => [status, body])).toEqual([
      [200, "GET /node/version?x=/app "],
      [503, ""],
      [200, "GET /app/commit "],
    ]);
    const closed = await startFront({ face: { acceptedEndpoints: undefined } });
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
    const { connect, front, counters } = await startFront({ limits });
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
    const { connect, front } = await startFront({ limits });
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
    const { connect, front, executor } = await startFront({ limits, onRequest: () => {} });
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
    const { connect, front, executor } = await startFront({ onRequest: () => {} });
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
    const { connect } = await startFront({
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
    const { connect, front, executor } = await startFront({ onRequest: () => {} });
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

import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { httpMethods } from "./front/http-methods.ts";
import {
  HeaderBlock,
  RequestBatchReader,
  RequestBatchWriter,
  type RequestView,
  ResponseBatchWriter,
  readResponseBatch,
  type WireResponse,
} from "./wire.ts";

function addRequest(
  writer: RequestBatchWriter,
  sessionId: number,
  requestId: number,
  parts: { method?: string; target: string; headers?: string; body?: Uint8Array },
): void {
  const { method = "GET", target, headers = "", body = new Uint8Array(0) } = parts;
  const lead = `${method} ${target} HTTP/1.1\r\n`;
  const head = Buffer.from(`${lead}${headers}\r\n`, "latin1");
  writer.request(
    sessionId,
    requestId,
    httpMethods.indexOf(method),
    head,
    method.length + 1,
    method.length + 1 + target.length,
    lead.length,
    lead.length + headers.length,
    body,
    0,
    body.length,
  );
}

function read(reader: RequestBatchReader, writer: RequestBatchWriter): RequestView[] {
  const views: RequestView[] = [];
  const batch = writer.take();
  if (batch !== undefined) reader.read(batch, (view) => views.push(view));
  return views;
}

function responseText(response: WireResponse, transactionId?: string): string {
  const writer = new ResponseBatchWriter();
  writer.respond(1, 0, response, transactionId);
  let text = "";
  readResponseBatch(writer.take() ?? new ArrayBuffer(0), (_session, _request, bytes, from, to) => {
    text = bytes.toString("latin1", from, to);
  });
  return text;
}

describe("a batch of requests", () => {
  test("brings every request back as it was written, whatever its octets", () => {
    const request = fc.record({
      sessionId: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      requestId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      method: fc.constantFrom(...httpMethods),
      target: fc.stringMatching(/^\/[!-~]{0,30}$/),
      body: fc.uint8Array({ maxLength: 100 }),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 20 }), (all) => {
        const writer = new RequestBatchWriter();
        for (const { sessionId } of all) writer.openSession(sessionId, "primary", undefined);
        for (const each of all) addRequest(writer, each.sessionId, each.requestId, each);
        expect(writer.requestCount).toBe(all.length);
        const views = read(new RequestBatchReader(), writer);
        expect(
          views.map((view) => ({
            sessionId: view.sessionId,
            requestId: view.requestId,
            method: view.method,
            target: view.url,
            body: view.body,
          })),
        ).toEqual(all);
      }),
    );
  });

  test("grows for bodies larger than its buffer, and starts empty again", () => {
    const writer = new RequestBatchWriter();
    const reader = new RequestBatchReader();
    writer.openSession(1, "primary", undefined);
    const body = new Uint8Array(5_000_000).fill(7);
    addRequest(writer, 1, 0, { method: "POST", target: "/large", body });
    addRequest(writer, 1, 1, { target: "/small" });
    const views = read(reader, writer);
    expect(views.map((view) => view.bodyLength)).toEqual([5_000_000, 0]);
    expect(Buffer.compare(views[0]?.body ?? new Uint8Array(0), body)).toBe(0);
    expect(writer.take()).toBe(undefined);
    addRequest(writer, 1, 2, { target: "/next" });
    expect(read(reader, writer)[0]?.url).toBe("/next");
  });

  test("tells the session: interface, certificate and its fingerprint, until it is closed", () => {
    const writer = new RequestBatchWriter();
    const reader = new RequestBatchReader();
    const der = Uint8Array.of(48, 3, 2, 1, 5);
    writer.openSession(9, "intérieur", der);
    writer.openSession(10, "primary", undefined);
    addRequest(writer, 9, 0, { target: "/" });
    const [view] = read(reader, writer);
    expect(view?.session.interfaceName).toBe("intérieur");
    expect(view?.session.certificate?.der).toEqual(der);
    const fingerprint = createHash("sha256").update(der).digest("hex");
    expect(view?.session.certificate?.fingerprint).toBe(fingerprint);
    expect(reader.sessions.get(10)?.certificate).toBe(undefined);
    writer.closeSession(9);
    read(reader, writer);
    expect([...reader.sessions.keys()]).toEqual([10]);
  });
});

describe("a request view", () => {
  test("splits the target as CCF does: prefix, path, query without fragment", () => {
    const writer = new RequestBatchWriter();
    writer.openSession(1, "primary", undefined);
    const targets = ["/app/log?id=1&x=%20#f", "/app/log", "/app?", "/app/log#f?x"];
    targets.forEach((target, index) => {
      addRequest(writer, 1, index, { target });
    });
    const views = read(new RequestBatchReader(), writer);
    for (const view of views) view.prefix = "/app";
    expect(views.map(({ fullPath, path, query }) => [fullPath, path, query])).toEqual([
      ["/app/log", "/log", "id=1&x=%20"],
      ["/app/log", "/log", ""],
      ["/app", "", ""],
      ["/app/log#f", "/log#f", "x"],
    ]);
  });

  test("headers: names in any case, values trimmed, the first of duplicates wins", () => {
    const block = new HeaderBlock("Content-Type: \tapplication/json \r\nA:1\r\na: 2\r\nEmpty:\r\n");
    expect(block.get("content-type")).toBe("application/json");
    expect(block.get("a")).toBe("1");
    expect(block.get("empty")).toBe("");
    expect(block.get("absent")).toBe(undefined);
    expect([...block.entries()]).toEqual([
      ["content-type", "application/json"],
      ["a", "1"],
      ["empty", ""],
    ]);
    expect(new HeaderBlock("").get("a")).toBe(undefined);
  });
});

describe("a response", () => {
  test("is written as CCF writes it: sorted lower-case headers, reason with underscores", () => {
    const headers = { "content-type": "application/json" };
    expect(responseText({ status: 200, headers, body: '{"é":1}' }, "2.17")).toBe(
      "HTTP/1.1 200 OK\r\ncontent-length: 8\r\ncontent-type: application/json\r\n" +
        'x-ms-ccf-transaction-id: 2.17\r\n\r\n{"\xc3\xa9":1}',
    );
    expect(
      responseText({ status: 405, headers: { ...headers, allow: "GET" }, body: "x" }, undefined),
    ).toBe(
      "HTTP/1.1 405 METHOD_NOT_ALLOWED\r\nallow: GET\r\ncontent-length: 1\r\n" +
        "content-type: application/json\r\n\r\nx",
    );
    const body = Uint8Array.of(1, 2, 255);
    expect(
      responseText({ status: 202, headers: { "retry-after": "3", "X-Own": "y" }, body }, "2.1"),
    ).toBe(
      "HTTP/1.1 202 ACCEPTED\r\ncontent-length: 3\r\nretry-after: 3\r\n" +
        "x-ms-ccf-transaction-id: 2.1\r\nx-own: y\r\n\r\n\x01\x02\xff",
    );
    expect(responseText({ status: 204, headers: {}, body: "" })).toBe(
      "HTTP/1.1 204 NO_CONTENT\r\ncontent-length: 0\r\n\r\n",
    );
  });

  test("cannot change its own framing or bring in further headers", () => {
    const headers = {
      "content-length": "9999",
      "Transfer-Encoding": "chunked",
      connection: "close",
    };
    expect(responseText({ status: 200, headers, body: "ab" })).toBe(
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
    );
    for (const bad of [
      { "x-a": "b\r\nset-cookie: c" },
      { "x-a": "b\nc" },
      { "x-a": "b\0" },
      { "x-a": "\u0100" },
      { "x a": "b" },
      { "": "b" },
      { "x-a": 7 as unknown as string },
    ]) {
      expect(responseText({ status: 200, headers: bad, body: "secret" }, "2.1")).toMatch(
        /^HTTP\/1.1 500 INTERNAL_SERVER_ERROR\r\ncontent-[\s\S]*\/json\r\n\r\n\{"error"/,
      );
    }
    for (const status of [0, 100, 199, 600, Number.NaN]) {
      expect(responseText({ status, headers: {}, body: "" })).toMatch(/^HTTP\/1.1 500 /);
    }
  });

  test("keeps session, request and the wish to close, for any header values", () => {
    const value = fc.stringMatching(/^[ -~]{0,20}$/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), value, fc.boolean()), { minLength: 1, maxLength: 30 }),
        (all) => {
          const writer = new ResponseBatchWriter();
          for (const [id, text, isLast] of all) {
            writer.respond(
              id,
              id + 1,
              { status: 200, headers: { a: text }, body: text },
              "2.3",
              isLast,
            );
          }
          expect(writer.responseCount).toBe(all.length);
          const seen: unknown[] = [];
          const batch = writer.take();
          readResponseBatch(
            batch ?? new ArrayBuffer(0),
            (session, request, bytes, from, to, isLast) => {
              expect(request).toBe(session + 1);
              const [head, body] = bytes.toString("latin1", from, to).split("\r\n\r\n");
              expect(head).toContain(`\r\na: ${body}\r\n`);
              seen.push([session, body, isLast]);
            },
          );
          expect(seen).toEqual(all);
        },
      ),
    );
  });
});

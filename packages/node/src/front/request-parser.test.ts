import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { httpMethods } from "./http-methods.ts";
import type { ParseFailure } from "./parse-failure.ts";
import { type RequestLimits, RequestParser } from "./request-parser.ts";

const limits: RequestLimits = {
  headerSizeBytesMax: 16_384,
  headerSizeText: "16KB",
  headerCountMax: 256,
  headSizeBytesMax: 262_144,
  bodySizeBytesMax: 1_048_576,
  bodySizeText: "1MB",
};

/** What the parser tells its sink, as comparable lines. */
function parse(chunks: readonly Buffer[], own: RequestLimits = limits): string[] {
  const events: string[] = [];
  let failure: ParseFailure | undefined;
  const parser = new RequestParser(
    {
      request: (method, head, targetStart, targetEnd, from, to, body, bodyStart, bodyEnd) => {
        const target = head.toString("latin1", targetStart, targetEnd);
        const headers = head.toString("latin1", from, to);
        const content = body.toString("latin1", bodyStart, bodyEnd);
        events.push(JSON.stringify([httpMethods[method], target, headers, content]));
      },
      failure: (found) => {
        expect(failure, "a session fails once").toBe(undefined);
        failure = found;
        events.push(`${found.kind} ${found.code} ${found.message}`);
      },
    },
    own,
  );
  for (const chunk of chunks) parser.feed(Buffer.from(chunk));
  return events;
}

function parseText(text: string, own?: RequestLimits): string[] {
  return parse([Buffer.from(text, "latin1")], own);
}

function event(method: string, target: string, headers: string, body = ""): string {
  return JSON.stringify([method, target, headers, body]);
}

/** Messages that are answered, and what the parser makes of them. */
const accepted: readonly (readonly [text: string, ...events: string[]])[] = [
  ["GET /node/version HTTP/1.1\r\n\r\n", event("GET", "/node/version", "")],
  ["\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", event("GET", "/", "Host: x\r\n")],
  ["GET /a?b=c#d HTTP/1.0\r\nA:\r\n\r\n", event("GET", "/a?b=c#d", "A:\r\n")],
  ["OPTIONS * HTTP/1.1\r\na: \tb \r\n\r\n", event("OPTIONS", "*", "a: \tb \r\n")],
  ["GET https://x/y HTTP/1.1\r\n\r\n", event("GET", "https://x/y", "")],
  ["M-SEARCH / HTTP/1.1\r\n\r\n", event("M-SEARCH", "/", "")],
  ["GET / HTTP/1.1\r\nx: \xe9\xff\r\n\r\n", event("GET", "/", "x: \xe9\xff\r\n")],
  [
    "POST /x HTTP/1.1\r\nContent-Length: 3 \r\n\r\nabcPUT /y HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
    event("POST", "/x", "Content-Length: 3 \r\n", "abc"),
    event("PUT", "/y", "content-length: 0\r\n"),
  ],
  [
    "POST /x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" +
      '3\r\nabc\r\n00a;x=y;z="q;\\"r"\r\n0123456789\r\n' +
      "0\r\nTrailer: dropped\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    event("POST", "/x", "Transfer-Encoding: Chunked\r\n", "abc0123456789"),
    event("GET", "/", ""),
  ],
  [
    "POST / HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    event("POST", "/", "expect: 100-continue\r\ntransfer-encoding: chunked\r\n"),
  ],
  [
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    event("GET", "/", "Connection: keep-alive\r\n"),
    event("GET", "/", ""),
  ],
  ["GET / HTTP/1.1\r\nconnection: close\r\n\r\n\r\n", event("GET", "/", "connection: close\r\n")],
];

const post = "POST / HTTP/1.1\r\n";
const chunked = `${post}transfer-encoding: chunked\r\n\r\n`;

/** Messages that would mean different things to different readers, or nothing at all. */
const refused: readonly (readonly [name: string, text: string, code: string])[] = [
  ["no method of HTTP", "hello world\r\n\r\n", "INVALID_METHOD"],
  ["lower-case method", "get / HTTP/1.1\r\n\r\n", "INVALID_METHOD"],
  ["method followed by a colon", "GET: / HTTP/1.1\r\n\r\n", "INVALID_METHOD"],
  ["TLS inside TLS", "\x16\x03\x01\x02\x00\x01", "INVALID_METHOD"],
  ["HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PAUSED_H2_UPGRADE"],
  ["half an HTTP/2 preface", "PRI * HTTP/1.1\r\n\r\n", "INVALID_VERSION"],
  ["relative target", "GET node/version HTTP/1.1\r\n\r\n", "INVALID_URL"],
  ["target that begins with a digit", "GET 1 HTTP/1.1\r\n\r\n", "INVALID_URL"],
  ["no target", "GET  HTTP/1.1\r\n\r\n", "INVALID_URL"],
  ["tab after the method", "GET\t/ HTTP/1.1\r\n\r\n", "INVALID_METHOD"],
  ["target of another kind", "GET \\x HTTP/1.1\r\n\r\n", "INVALID_URL"],
  ["NUL in the target", "GET /\0 HTTP/1.1\r\n\r\n", "INVALID_URL"],
  ["obs-text in the target", "GET /\xe9 HTTP/1.1\r\n\r\n", "INVALID_URL"],
  ["no version", "GET /\r\n\r\n", "INVALID_URL"],
  ["two spaces before the version", "GET /  HTTP/1.1\r\n\r\n", "INVALID_CONSTANT"],
  ["other protocol", "GET / RTSP/1.0\r\n\r\n", "INVALID_CONSTANT"],
  ["HTTP/2.0 version", "GET / HTTP/2.0\r\n\r\n", "INVALID_VERSION"],
  ["HTTP/1.2 version", "GET / HTTP/1.2\r\n\r\n", "INVALID_VERSION"],
  ["space after the version", "GET / HTTP/1.1 \r\n\r\n", "INVALID_VERSION"],
  ["bare LF after the request line", "GET / HTTP/1.1\n\n", "INVALID_VERSION"],
  ["bare LF after a header", "GET / HTTP/1.1\r\na: b\n\r\n", "CR_EXPECTED"],
  ["bare CR in a value", "GET / HTTP/1.1\r\na: b\rc: d\r\n\r\n", "LF_EXPECTED"],
  ["bare LF as the empty line", "GET / HTTP/1.1\r\na: b\r\n\n", "INVALID_HEADER_TOKEN"],
  ["CR CR LF at the end", "GET / HTTP/1.1\r\na: b\r\n\r\r\n", "STRICT"],
  ["NUL in a value", "GET / HTTP/1.1\r\na: \0\r\n\r\n", "INVALID_HEADER_TOKEN"],
  ["NUL in a name", "GET / HTTP/1.1\r\na\0: b\r\n\r\n", "INVALID_HEADER_TOKEN"],
  ["DEL in a value", "GET / HTTP/1.1\r\na: \x7f\r\n\r\n", "INVALID_HEADER_TOKEN"],
  ["space before the colon", "GET / HTTP/1.1\r\na : b\r\n\r\n", "INVALID_HEADER_TOKEN"],
  ["space before the first header", "GET / HTTP/1.1\r\n a: b\r\n\r\n", "UNEXPECTED_SPACE"],
  ["folded line", "GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", "INVALID_HEADER_TOKEN"],
  ["tab after the length", `${post}content-length: 3\t\r\n\r\nabc`, "INVALID_CONTENT_LENGTH"],
  ["quote in the authority", 'GET http://a"b/ HTTP/1.1\r\n\r\n', "INVALID_URL"],
  ["folded framing", `${post}content-length:\r\n 3\r\n\r\nabc`, "INVALID_CONTENT_LENGTH"],
  ["empty name", "GET / HTTP/1.1\r\n: b\r\n\r\n", "INVALID_HEADER_TOKEN"],
  ["line without colon", "GET / HTTP/1.1\r\nabc\r\n\r\n", "INVALID_HEADER_TOKEN"],
  ["obs-text in a name", "GET / HTTP/1.1\r\n\xe9: b\r\n\r\n", "INVALID_HEADER_TOKEN"],
  [
    "two equal lengths",
    `${post}content-length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    "UNEXPECTED_CONTENT_LENGTH",
  ],
  [
    "two lengths",
    `${post}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`,
    "UNEXPECTED_CONTENT_LENGTH",
  ],
  ["list of lengths", `${post}content-length: 3, 3\r\n\r\nabc`, "INVALID_CONTENT_LENGTH"],
  ["empty length", `${post}content-length: \r\n\r\n`, "INVALID_CONTENT_LENGTH"],
  ["signed length", `${post}content-length: +3\r\n\r\nabc`, "INVALID_CONTENT_LENGTH"],
  ["negative length", `${post}content-length: -3\r\n\r\nabc`, "INVALID_CONTENT_LENGTH"],
  ["hexadecimal length", `${post}content-length: 0x3\r\n\r\nabc`, "INVALID_CONTENT_LENGTH"],
  ["length with a fraction", `${post}content-length: 3.0\r\n\r\nabc`, "INVALID_CONTENT_LENGTH"],
  ["huge length", `${post}content-length: 99999999999999999999\r\n\r\n`, "INVALID_CONTENT_LENGTH"],
  [
    "length, then chunked",
    `${post}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    "INVALID_TRANSFER_ENCODING",
  ],
  [
    "chunked, then length",
    `${post}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n`,
    "INVALID_CONTENT_LENGTH",
  ],
  ["identity", `${post}transfer-encoding: identity\r\n\r\n`, "INVALID_TRANSFER_ENCODING"],
  ["empty coding", `${post}transfer-encoding:\r\n\r\n`, "INVALID_TRANSFER_ENCODING"],
  ["gzip, chunked", `${post}transfer-encoding: gzip, chunked\r\n\r\n`, "INVALID_TRANSFER_ENCODING"],
  [
    "chunked, identity",
    `${post}transfer-encoding: chunked, x\r\n\r\n`,
    "INVALID_TRANSFER_ENCODING",
  ],
  [
    "chunked twice",
    `${post}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`,
    "INVALID_TRANSFER_ENCODING",
  ],
  ["xchunked", `${post}transfer-encoding: xchunked\r\n\r\n`, "INVALID_TRANSFER_ENCODING"],
  [
    "chunked with vertical tab",
    `${post}transfer-encoding: \x0bchunked\r\n\r\n`,
    "INVALID_HEADER_TOKEN",
  ],
  [
    "chunked in HTTP/1.0",
    "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "INVALID_TRANSFER_ENCODING",
  ],
  ["empty chunk size", `${chunked}\r\nabc\r\n`, "INVALID_CHUNK_SIZE"],
  ["chunk size with 0x", `${chunked}0x3\r\nabc\r\n`, "INVALID_CHUNK_SIZE"],
  ["negative chunk size", `${chunked}-3\r\nabc\r\n`, "INVALID_CHUNK_SIZE"],
  ["space after the chunk size", `${chunked}3 \r\nabc\r\n`, "INVALID_CHUNK_SIZE"],
  ["huge chunk size", `${chunked}fffffffffffffffff\r\n`, "INVALID_CHUNK_SIZE"],
  ["bare LF after the chunk size", `${chunked}3\nabc\r\n`, "CR_EXPECTED"],
  ["bare CR after the chunk size", `${chunked}3\rabc\r\n`, "STRICT"],
  ["bare LF in an extension", `${chunked}3;a\nabc\r\n`, "CR_EXPECTED"],
  ["space in an extension", `${chunked}3; a\r\nabc\r\n`, "STRICT"],
  ["empty extension", `${chunked}3;\r\nabc\r\n`, "STRICT"],
  ["extension with two values", `${chunked}3;a=b=c\r\nabc\r\n`, "STRICT"],
  ["quoted name", `${chunked}3;"a"\r\nabc\r\n`, "STRICT"],
  ["token after a quoted string", `${chunked}3;a="b"c\r\nabc\r\n`, "STRICT"],
  ["control octet in a quoted extension", `${chunked}3;a="\x01"\r\nabc\r\n`, "STRICT"],
  ["longer chunk than declared", `${chunked}3\r\nabcd\r\n`, "STRICT"],
  ["bare LF after the chunk", `${chunked}3\r\nabc\n0\r\n\r\n`, "CR_EXPECTED"],
  ["CR without LF after the chunk", `${chunked}3\r\nabc\r0`, "STRICT"],
  ["length as trailer", `${chunked}0\r\nContent-Length: 3\r\n\r\n`, "INVALID_HEADER_TOKEN"],
  ["empty trailer name", `${chunked}0\r\n: 3\r\n\r\n`, "INVALID_HEADER_TOKEN"],
  ["folded trailer", `${chunked}0\r\na: b\r\n c\r\n\r\n`, "INVALID_HEADER_TOKEN"],
  ["bare LF in a trailer", `${chunked}0\r\na: b\n\r\n`, "CR_EXPECTED"],
  [
    "data after connection: close",
    "GET / HTTP/1.1\r\nconnection: x, Close\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "CLOSED_CONNECTION",
  ],
  [
    "data after an HTTP/1.0 request",
    "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "CLOSED_CONNECTION",
  ],
];

describe("the request parser", () => {
  test.each(accepted)("accepts %j", (text, ...events) => {
    expect(parseText(text)).toEqual(events);
  });

  test.each(refused)("refuses %s", (_name, text, code) => {
    const events = parseText(text);
    expect(events.at(-1)).toMatch(new RegExp(`^syntax ${code} `));
    // The only message before the broken one is the one that closes the connection.
    expect(events).toHaveLength(code === "CLOSED_CONNECTION" ? 2 : 1);
  });

  test("gives the same result for any split of the octets, valid or not", () => {
    const texts = [...accepted.map(([text]) => text), ...refused.map(([, text]) => text)];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...texts), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (messages, cuts) => {
          const whole = Buffer.from(messages.join(""), "latin1");
          const positions = cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b);
          const chunks = [0, ...positions].map((from, index) =>
            whole.subarray(from, positions[index] ?? whole.length),
          );
          expect(parse(chunks)).toEqual(parse([whole]));
        },
      ),
      { numRuns: 2000 },
    );
    for (const text of texts) {
      const octets = [...Buffer.from(text, "latin1")].map((octet) => Buffer.from([octet]));
      expect(parse(octets), text).toEqual(parseText(text));
    }
  });

  test("reads any request: method, target, headers and body come out as they went in", () => {
    const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
    const value = fc.stringMatching(/^[!-~\x80-\xff]([ -~\x80-\xff]{0,30}[!-~])?$/);
    const framing = /^(content-length|transfer-encoding|connection)$/i;
    const header = fc.tuple(
      token.filter((name) => !framing.test(name)),
      value,
    );
    const request = fc.record({
      method: fc.constantFrom(...httpMethods),
      target: fc.stringMatching(/^\/[!-~]{0,40}$/),
      headers: fc.array(header, { maxLength: 8 }),
      body: fc.uint8Array({ maxLength: 300 }),
      isChunked: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 4 }), fc.nat(5000), (all, cut) => {
        const events: string[] = [];
        const parts = all.map(({ method, target, headers, body, isChunked }) => {
          const lines = headers.map(([name, text]) => `${name}: ${text}\r\n`).join("");
          const length = isChunked
            ? "transfer-encoding: chunked\r\n"
            : `content-length: ${body.length}\r\n`;
          const content = Buffer.from(body);
          events.push(event(method, target, lines + length, content.toString("latin1")));
          const encoded = isChunked ? chunkedBody(content) : content;
          const head = `${method} ${target} HTTP/1.1\r\n${lines}${length}\r\n`;
          return Buffer.concat([Buffer.from(head, "latin1"), encoded]);
        });
        const whole = Buffer.concat(parts);
        const at = cut % (whole.length + 1);
        expect(parse([whole.subarray(0, at), whole.subarray(at)])).toEqual(events);
      }),
      { numRuns: 500 },
    );
  });
});

function chunkedBody(content: Buffer): Buffer {
  const middle = Math.floor(content.length / 2);
  const parts = [content.subarray(0, middle), content.subarray(middle)].filter((p) => p.length > 0);
  const chunks = parts.map((part) =>
    Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]),
  );
  return Buffer.concat([...chunks, Buffer.from("0\r\n\r\n")]);
}

describe("the limits of a request", () => {
  const name = "n".repeat(16_384);

  test("a header name or value of the limit passes, one octet more does not", () => {
    expect(parseText(`GET / HTTP/1.1\r\n${name}: ${name}\r\n\r\n`)).toHaveLength(1);
    expect(parseText(`GET / HTTP/1.1\r\nX: a${name}\r\n\r\n`)).toEqual([
      "headerTooLarge RequestHeaderTooLarge Header value for 'x' is too large " +
        "(max size allowed: 16KB)",
    ]);
    expect(parseText(`GET / HTTP/1.1\r\na${name}: b\r\n\r\n`)[0]).toMatch(
      /^headerTooLarge \w+ Header key for 'an+' is too large \(max size allowed: 16KB\)$/,
    );
    expect(parseText(`GET / HTTP/1.1\r\na: ${" ".repeat(16_384)}b\r\n\r\n`)[0]).toMatch(
      /^headerTooLarge/,
    );
  });

  test("256 header lines pass, 257 do not", () => {
    const lines = Array.from({ length: 257 }, (_, index) => `h${index}: v\r\n`);
    expect(parseText(`GET / HTTP/1.1\r\n${lines.slice(1).join("")}\r\n`)).toHaveLength(1);
    expect(parseText(`GET / HTTP/1.1\r\n${lines.join("")}\r\n`)).toEqual([
      "headerTooLarge RequestHeaderTooLarge Too many headers (max number allowed: 256)",
    ]);
  });

  test("the whole head is limited, also when it is one endless target", () => {
    expect(parseText(`GET /${"a".repeat(300_000)}`)).toEqual([
      "headerTooLarge RequestHeaderTooLarge Request head is too large " +
        "(max size allowed: 262144 bytes)",
    ]);
  });

  test("a body of the limit passes; a larger one fails when it arrives", () => {
    const small = { ...limits, bodySizeBytesMax: 4, bodySizeText: "4B" };
    const tooLarge = [
      "bodyTooLarge RequestBodyTooLarge HTTP request body is too large (max size allowed: 4B)",
    ];
    expect(parseText(`${post}content-length: 4\r\n\r\nabcd`, small)).toHaveLength(1);
    expect(parseText(`${post}content-length: 2000000\r\n\r\nabcd`, small)).toEqual([]);
    expect(parseText(`${post}content-length: 5\r\n\r\nabcde`, small)).toEqual(tooLarge);
    expect(parseText(`${chunked}4\r\nabcd\r\n0\r\n\r\n`, small)).toHaveLength(1);
    expect(parseText(`${chunked}2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n`, small)).toEqual(tooLarge);
  });

  test("extensions and trailers are limited although they are dropped", () => {
    expect(parseText(`${chunked}1;${"x".repeat(5000)}`)[0]).toMatch(/extensions are too long$/);
    const trailers = "a: b\r\n".repeat(1000);
    expect(parseText(`${chunked}0\r\n${trailers}`)[0]).toMatch(/Trailers are too long$/);
  });
});

/** COCO_FUZZ_MS makes the search as long as one likes. */
const fuzzMs = Number(process.env["COCO_FUZZ_MS"] ?? "0");
const fuzzSettings =
  fuzzMs > 0
    ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: fuzzMs }
    : { numRuns: 3000 };

describe("hostile octets", () => {
  test(
    "whatever comes, there are requests or one failure, in bounded memory",
    () => {
      const small: RequestLimits = {
        ...limits,
        headerSizeBytesMax: 64,
        headerCountMax: 8,
        headSizeBytesMax: 512,
        bodySizeBytesMax: 256,
      };
      const texts = [...accepted.map(([text]) => text), ...refused.map(([, text]) => text)];
      const mutation = fc.record({
        at: fc.nat(300),
        octet: fc.oneof(fc.constantFrom(0, 9, 10, 13, 32, 58, 59), fc.nat(255)),
        kind: fc.constantFrom("replace", "insert", "delete", "cut"),
      });
      fc.assert(
        fc.property(
          fc.array(fc.oneof(fc.constantFrom(...texts), fc.string()), { maxLength: 5 }),
          fc.array(mutation, { maxLength: 6 }),
          fc.integer({ min: 1, max: 64 }),
          (messages, mutations, chunkSize) => {
            let octets = [...Buffer.from(messages.join(""), "latin1")];
            for (const { at, octet, kind } of mutations) {
              const index = octets.length === 0 ? 0 : at % octets.length;
              if (kind === "replace") octets[index] = octet;
              else if (kind === "insert") octets.splice(index, 0, octet);
              else if (kind === "delete") octets.splice(index, 1);
              else octets = octets.slice(index);
            }
            const bytes = Buffer.from(octets);
            let failures = 0;
            const parser = new RequestParser(
              { request: () => expect(failures).toBe(0), failure: () => (failures += 1) },
              small,
            );
            const chunks: Buffer[] = [];
            for (let from = 0; from < bytes.length; from += chunkSize) {
              const chunk = bytes.subarray(from, from + chunkSize);
              chunks.push(chunk);
              parser.feed(chunk);
              expect(parser.storedSizeBytes).toBeLessThanOrEqual(512 + chunkSize + 256);
            }
            expect(parse(chunks, small)).toEqual(parse([bytes], small));
            expect(failures).toBeLessThanOrEqual(1);
          },
        ),
        fuzzSettings,
      );
    },
    fuzzMs + 60_000,
  );
});

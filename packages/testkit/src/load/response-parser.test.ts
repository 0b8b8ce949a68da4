import { isCocoError } from "@coco/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResponseParser } from "./response-parser.ts";

const answers = [
  "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-ms-ccf-transaction-id: 2.17\r\n\r\ntrue",
  "HTTP/1.1 204 NO_CONTENT\r\nx-ms-ccf-transaction-id: 2.18\r\n\r\n",
  "HTTP/1.1 404 NOT_FOUND\r\nContent-Length: 0\r\nX-Ms-Ccf-Transaction-Id: 3.1\r\n\r\n",
  "HTTP/1.1 200 OK\r\nx-content-length: 9\r\ncontent-length: 1\r\n\r\n\n",
];
const expected = [
  [200, "2.17", "true"],
  [204, "2.18", ""],
  [404, "3.1", ""],
  [200, undefined, "\n"],
];

function parse(chunks: readonly Buffer[]) {
  const seen: unknown[] = [];
  const parser = new ResponseParser(({ status, txId, body }) =>
    seen.push([status, txId, Buffer.from(body).toString("latin1")]),
  );
  for (const chunk of chunks) parser.push(chunk);
  return seen;
}

describe("ResponseParser", () => {
  // Goal: answers are found wherever the network cuts the stream.
  it("gives the same answers for every cut of the stream", () => {
    const bytes = Buffer.from(answers.join(""), "latin1");
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const ends = [...cuts.sort((left, right) => left - right), bytes.length];
        let start = 0;
        const chunks = ends.map((end) => {
          const chunk = Buffer.from(bytes.subarray(start, end));
          start = end;
          return chunk;
        });
        expect(parse(chunks)).toEqual(expected);
      }),
    );
  });

  // Goal: the buffer given to push may be overwritten afterwards.
  it("keeps no view of a chunk", () => {
    const seen: number[] = [];
    const parser = new ResponseParser(({ status }) => seen.push(status));
    const chunk = Buffer.from(answers[0]!.slice(0, 30), "latin1");
    parser.push(chunk);
    chunk.fill(0);
    parser.push(Buffer.from(answers[0]!.slice(30), "latin1"));
    expect(seen).toEqual([200]);
  });

  // Goal: what is no answer with a known length is refused with a typed error.
  it.each([
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
    "HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n",
    `SSH-2.0 ${"x".repeat(70_000)}`,
  ])("refuses %j", (text) => {
    let caught: unknown;
    try {
      parse([Buffer.from(text, "latin1")]);
    } catch (error) {
      caught = error;
    }
    expect(isCocoError(caught) && caught.code).toBe("BadResponse");
  });
});

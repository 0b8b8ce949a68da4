import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { splitResponses, startFront, stopAll } from "./front.testing.ts";

afterEach(stopAll);

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
    const { connect } = await startFront();
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
    const { connect } = await startFront();
    const client = await connect();
    client.send(`POST /app/log/private HTTP/1.1\r\ncontent-length: 1100017\r\n\r\n`);
    client.send("x".repeat(1_100_017));
    const [response] = await client.responses(1);
    expect(response).toEqual({
      status: 413,
      head:
        "HTTP/1.1 413 PAYLOAD_TOO_LARGE\r\ncontent-length: 107\r\n" +
        "content-type: application/json",
      body:
        '{"error":{"code":"RequestBodyTooLarge","message":' +
        '"HTTP request body is too large (max size allowed: 1MB)"}}',
    });
  });
});

/** What comes over the connection before anybody is known. */
import { parseConfiguration } from "@coco/node";
import { httpMethods, type RequestLimits, RequestParser } from "@coco/node/testing";
import { type FuzzTarget, OracleViolation } from "../fuzzer.ts";

const limits: RequestLimits = {
  headerSizeBytesMax: 1024,
  headerSizeText: "1KB",
  headerCountMax: 16,
  headSizeBytesMax: 4096,
  bodySizeBytesMax: 4096,
  bodySizeText: "4KB",
};

/** What the parser makes of the chunks, one line for each request or failure. */
function parse(chunks: readonly Buffer[]): string[] {
  const events: string[] = [];
  const parser = new RequestParser(
    {
      request: (method, head, targetStart, targetEnd, from, to, body, bodyStart, bodyEnd) => {
        if (
          to - targetStart > limits.headSizeBytesMax ||
          bodyEnd - bodyStart > limits.bodySizeBytesMax
        ) {
          throw new OracleViolation("a request is larger than the limits");
        }
        const target = head.toString("latin1", targetStart, targetEnd);
        const headers = head.toString("latin1", from, to);
        const content = body.toString("latin1", bodyStart, bodyEnd);
        events.push(`${httpMethods[method]} ${target} ${headers} ${content}`);
      },
      failure: (failure) => events.push(`${failure.kind} ${failure.code}`),
    },
    limits,
  );
  for (const chunk of chunks) parser.feed(chunk);
  if (parser.storedSizeBytes > limits.headSizeBytesMax + limits.bodySizeBytesMax + 1024) {
    throw new OracleViolation(`${parser.storedSizeBytes} octets are stored`);
  }
  return events;
}

const requests = [
  "GET /node/tx?transaction_id=2.17 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
  'POST /app/log HTTP/1.1\r\ncontent-length: 18\r\n\r\n{"id":1,"msg":"x"}GET / HTTP/1.1\r\n\r\n',
  "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "5;a=b\r\nhello\r\n0\r\nTrailer: 1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n",
  "OPTIONS * HTTP/1.0\r\nconnection: close\r\n\r\n",
];

const configuration = {
  network: {
    node_to_node_interface: { bind_address: "127.0.0.1:8001" },
    rpc_interfaces: {
      primary: { bind_address: "127.0.0.1:8000", published_address: "localhost:8000" },
    },
  },
  command: {
    type: "Start",
    start: { constitution_files: ["actions.js"], members: [{ certificate_file: "member0.pem" }] },
  },
  ledger: { directory: "ledger", chunk_size: "5MB" },
};

export const nodeTargets: readonly FuzzTarget[] = [
  {
    name: "http",
    seeds: () => requests.map((text) => Buffer.from(text, "latin1")),
    dictionary: [
      "\r\n",
      "\r\n\r\n",
      "content-length: ",
      "Transfer-Encoding: chunked\r\n",
      "0\r\n\r\n",
      " HTTP/1.1",
      "GET ",
      "ffffffff\r\n",
    ],
    run: (input) => {
      const bytes = Buffer.from(input);
      const whole = parse([Buffer.from(bytes)]);
      // However the network cuts the stream, it means the same.
      const cut = bytes.length === 0 ? 0 : bytes.readUInt8(bytes.length >> 1) % (bytes.length + 1);
      const halves = [Buffer.from(bytes.subarray(0, cut)), Buffer.from(bytes.subarray(cut))];
      const octets = Array.from(bytes.subarray(0, 512), (octet) => Buffer.of(octet));
      octets.push(Buffer.from(bytes.subarray(512)));
      for (const chunks of [halves, octets]) {
        if (parse(chunks).join("\n") !== whole.join("\n")) {
          throw new OracleViolation("the meaning depends on how the stream is cut");
        }
      }
    },
  },
  {
    name: "configuration",
    seeds: () => [Buffer.from(JSON.stringify(configuration))],
    dictionary: ["null", "__proto__", "1e99", "-1", "5MB", "Recover"],
    run: (input) => {
      parseConfiguration(Buffer.from(input).toString("utf8"), "node.json");
    },
  },
];

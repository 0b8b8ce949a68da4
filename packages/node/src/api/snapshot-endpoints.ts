/** Snapshot files for nodes that join and for operators. @source RFC 9110 section 14 (ranges) */
import type { AppRequest, AppResponse } from "@coco/runtime";
import type { Transaction } from "@coco/store";
import { emptyAnswer, errorAnswer } from "./answers.ts";
import { publishedAddress } from "./network-endpoints.ts";
import type { NodeApiPorts } from "./ports.ts";
import { parseQuery, parseSeqno } from "./query-parameters.ts";
import type { StaticEndpoint } from "./static-endpoints.ts";

/** One answer holds at most so much; clients ask for the next range. */
const rangeSizeBytesMax = 4 << 20;

export function createSnapshotEndpoints(ports: NodeApiPorts): readonly StaticEndpoint[] {
  const both = (path: string, handler: StaticEndpoint["handler"]) =>
    ["GET", "HEAD"].map((method) => ({ method, path, handler, isStoreFree: true, isHidden: true }));
  return [
    ...both("/snapshot", (transaction, request) => redirectToLatest(ports, transaction, request)),
    ...both("/snapshot/{snapshot_name}", (_, request, { params }) =>
      answerSnapshot(ports, request, params["snapshot_name"]!),
    ),
  ];
}

function redirectToLatest(
  ports: NodeApiPorts,
  transaction: Transaction,
  request: AppRequest,
): AppResponse {
  const text = parseQuery(request.query).get("since") ?? "0";
  const since = parseSeqno(text);
  if (since === undefined) {
    const message = `Unable to parse value '${text}' in parameter 'since'`;
    return errorAnswer(400, "InvalidQueryParameterValue", message);
  }
  const name = ports.snapshots?.latest(since);
  if (name === undefined) {
    const message = `This node has no committed snapshots since ${since}`;
    return errorAnswer(404, "ResourceNotFound", message);
  }
  const address = publishedAddress(transaction, ports.node.nodeId);
  const origin = address === undefined ? "" : `https://${address}`;
  return emptyAnswer(308, { location: `${origin}/node/snapshot/${name}` });
}

/** Names as the node gives them: nothing else reaches the disk. */
const snapshotName = /^snapshot_[0-9]{1,16}_[0-9]{1,16}\.committed$/;

function answerSnapshot(ports: NodeApiPorts, request: AppRequest, name: string): AppResponse {
  const unknown = errorAnswer(
    404,
    "ResourceNotFound",
    `This node does not have a snapshot named ${name}`,
  );
  const sizeBytes = snapshotName.test(name) ? ports.snapshots?.sizeBytes(name) : undefined;
  if (sizeBytes === undefined) return unknown;
  const headers = { "accept-ranges": "bytes", "x-ms-ccf-snapshot-name": name };
  if (request.method === "HEAD") {
    // The length of an answer without body is that of the file.
    return emptyAnswer(200, { ...headers, "content-length": String(sizeBytes) });
  }
  const range = parseRange(request.headers.get("range"), sizeBytes);
  if (typeof range === "string") return errorAnswer(400, "InvalidHeaderValue", range);
  const end = Math.min(range.end, range.start + rangeSizeBytesMax);
  const body = ports.snapshots?.read(name, range.start, end);
  if (body === undefined) return unknown;
  return {
    status: 206,
    headers: {
      ...headers,
      "content-range": `bytes ${range.start}-${end}/${sizeBytes}`,
      "content-type": "application/octet-stream",
    },
    body,
  };
}

interface ByteRange {
  readonly start: number;
  /** Exclusive, as this dialect's clients expect it. */
  readonly end: number;
}

/** What is wrong with the header, or the range that it asks for. */
function parseRange(header: string | undefined, sizeBytes: number): ByteRange | string {
  if (header === undefined) return { start: 0, end: sizeBytes };
  const match = /^([a-z]+)=(.*)$/.exec(header);
  if (match?.[1] !== "bytes") return "Only 'bytes' is supported as a Range header unit";
  const ranges = match[2]!;
  if (ranges.includes(",")) return "Multiple ranges are not supported";
  const parts = /^([0-9]{0,15})-([0-9]{0,15})$/.exec(ranges);
  if (parts === null) return `Invalid format, cannot parse range in ${header}`;
  const [, startText, endText] = parts;
  if (startText === "" && endText === "") {
    return "Invalid range: Must contain range-start or range-end";
  }
  if (startText === "") return { start: Math.max(0, sizeBytes - Number(endText)), end: sizeBytes };
  const start = Number(startText);
  if (start > sizeBytes) {
    return `Start of range ${start} is larger than total file size ${sizeBytes}`;
  }
  const end = endText === "" ? sizeBytes : Math.min(sizeBytes, Number(endText));
  if (end < start) return `Invalid range: Start (${start}) and end (${end}) out of order`;
  return { start, end };
}

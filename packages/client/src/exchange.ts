/** One request and its answer, with the node's refusals turned into errors. */
import { bytesToUtf8, utf8ToBytes } from "@coco/base";
import { ConnectError, type Refusal } from "./errors.ts";
import type { Transport, TransportResponse } from "./transport.ts";

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** A body: bytes and text as they are, anything else as JSON. */
export type RequestBody = Uint8Array | JsonValue;

export interface RequestOptions {
  readonly method?: string;
  /** Added to the path as a query string. */
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
}

/** The node's answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The transaction that the answer belongs to, or undefined when the node names none. */
  readonly txId: string | undefined;
  text(): string;
  /** @throws {ConnectError} BadResponse when the body is not JSON */
  json<Value = JsonValue>(): Value;
}

const transactionIdHeader = "x-ms-ccf-transaction-id";

/** Sends a request and waits for the answer, whatever its status. */
export async function exchange(
  transport: Transport,
  path: string,
  options: RequestOptions = {},
): Promise<Answer> {
  const { body, contentType } = encodeBody(options.body);
  const headers = {
    ...(contentType === undefined ? {} : { "content-type": contentType }),
    ...options.headers,
  };
  const method = options.method ?? (body === undefined ? "GET" : "POST");
  const target = addQuery(path, options.query);
  const request = { method, path: target, headers };
  return toAnswer(await transport.send(body === undefined ? request : { ...request, body }), path);
}

function encodeBody(body: RequestBody | undefined): {
  readonly body: Uint8Array | undefined;
  readonly contentType: string | undefined;
} {
  if (body === undefined) return { body: undefined, contentType: undefined };
  if (body instanceof Uint8Array) return { body, contentType: "application/octet-stream" };
  return { body: utf8ToBytes(JSON.stringify(body)), contentType: "application/json" };
}

function addQuery(path: string, query: RequestOptions["query"]): string {
  const parts = Object.entries(query ?? {}).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  if (parts.length === 0) return path;
  return `${path}${path.includes("?") ? "&" : "?"}${parts.join("&")}`;
}

function toAnswer(response: TransportResponse, path: string): Answer {
  const text = () => bytesToUtf8(response.body);
  return {
    ...response,
    txId: response.headers[transactionIdHeader],
    text,
    json: <Value>() => {
      try {
        return JSON.parse(text()) as Value;
      } catch (cause) {
        throw new ConnectError("BadResponse", `${path}: not JSON`, {}, undefined, cause);
      }
    },
  };
}

export function isSuccess(answer: Answer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

/** What the error body says; a body that is no error body gives its first line. */
export function toRefusal(answer: Answer): Refusal {
  const { status } = answer;
  try {
    const { error } = JSON.parse(answer.text()) as { error: { code: string; message: string } };
    return { status, code: String(error.code), message: String(error.message) };
  } catch {
    return { status, code: "", message: firstLine(answer) };
  }
}

function firstLine(answer: Answer): string {
  try {
    return answer.text().split("\n", 1)[0]!.slice(0, 200);
  } catch {
    return `${answer.body.length} bytes`;
  }
}

/** `POST /app/x: 404 ResourceNotFound Unknown path.` */
export function refusalToDetail(what: string, refusal: Refusal): string {
  const text = [refusal.status, refusal.code, refusal.message].filter((part) => part !== "");
  return `${what}: ${text.join(" ")}`.replace(/[.\s]+$/, "");
}

/** Turns what a handler returned into a response, by CCF's rules. */
import type { AppResponse } from "../application.ts";
import { bufferToBytes } from "../ccf-api/host-function.ts";

/** The handler returned something that cannot be answered; `message` is CCF's. */
export class BadReturnValue extends Error {
  /** What conversion to JSON threw. */
  readonly thrown: unknown;

  constructor(message: string, thrown?: unknown) {
    super(message);
    this.thrown = thrown;
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** @source RFC 9110 sections 5.1 and 5.5 */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;
const headerCountMax = 256;

/** Headers that only the core may set, because they frame the message. */
const framing = new Set(["content-length", "transfer-encoding", "connection", "upgrade"]);

/** @throws {BadReturnValue} */
export function valueToResponse(value: unknown): AppResponse {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  if (!isObject) throw bad("not an object");
  const { body, headers, statusCode } = value as Fields;
  const response = bodyToResponse(body);
  const status = statusCode === undefined || statusCode === null ? 200 : toStatus(statusCode);
  const isPlain = headers === undefined || headers === null || typeof headers !== "object";
  return {
    status,
    headers: isPlain ? response.headers : { ...response.headers, ...toHeaders(headers as Fields) },
    body: response.body,
  };
}

function bad(what: string, thrown?: unknown): BadReturnValue {
  return new BadReturnValue(`Invalid endpoint function return value (${what}).`, thrown);
}

const jsonHeaders = Object.freeze({ "content-type": "application/json" });
const textHeaders = Object.freeze({ "content-type": "text/plain" });
const bytesHeaders = Object.freeze({ "content-type": "application/octet-stream" });
const noHeaders = Object.freeze({});

function bodyToResponse(body: unknown): Omit<AppResponse, "status"> {
  if (body === undefined) return { headers: noHeaders, body: "" };
  if (typeof body === "string") return { headers: textHeaders, body };
  if (typeof body === "object" && body !== null) {
    const bytes = viewToBytes(body) ?? bufferToBytes(body);
    if (bytes !== undefined) return { headers: bytesHeaders, body: bytes.slice() };
  }
  return { headers: jsonHeaders, body: toJson(body) };
}

function viewToBytes(body: object): Uint8Array | undefined {
  if (!ArrayBuffer.isView(body)) return undefined;
  return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
}

function toJson(body: unknown): string {
  const what = "error during JSON conversion of body";
  let text: unknown;
  try {
    text = JSON.stringify(body);
  } catch (error) {
    throw bad(what, error);
  }
  if (typeof text !== "string") throw bad(what);
  return text;
}

function toStatus(value: unknown): number {
  const isStatus = typeof value === "number" && Number.isInteger(value);
  if (!isStatus || value < 200 || value > 599) throw bad("status code type");
  return value;
}

function toHeaders(fields: Fields): Record<string, string> {
  const headers: Record<string, string> = {};
  const names = Object.keys(fields);
  if (names.length > headerCountMax) throw bad("header type");
  for (const name of names) {
    const lower = name.toLowerCase();
    if (!headerName.test(name)) throw bad("header type");
    const text = headerText(fields[name]);
    if (text === undefined) throw bad("header value type");
    if (!framing.has(lower)) headers[lower] = text;
  }
  return headers;
}

function headerText(value: unknown): string | undefined {
  try {
    const text = String(value);
    return headerValue.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

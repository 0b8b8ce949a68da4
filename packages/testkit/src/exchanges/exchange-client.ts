/** One keep-alive connection that sends bytes as given and keeps answers as they came. */
import { connect, type TLSSocket } from "node:tls";
import { testkitErrors } from "../errors.ts";
import type { ComparedResponse } from "./comparison.ts";

export interface ExchangeIdentity {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

const answerTimeoutMs = 20_000;

/** Reconnects by itself when the node has closed the connection. */
export class ExchangeClient {
  readonly #url: URL;
  readonly #identity: ExchangeIdentity | undefined;
  #socket: TLSSocket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;

  constructor(url: string, identity: ExchangeIdentity | undefined) {
    this.#url = new URL(url);
    this.#identity = identity;
  }

  async request(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
  ): Promise<ComparedResponse> {
    const lines = [`${method} ${path} HTTP/1.1`, `host: ${this.#url.host}`];
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    if (body.length > 0 || method === "POST") lines.push(`content-length: ${body.length}`);
    const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    const [response] = await this.send(Buffer.concat([head, body]), 1, method === "HEAD");
    if (response === undefined) throw testkitErrors.create("ConnectionLost", `${method} ${path}`);
    return response;
  }

  /** Sends bytes and waits for `count` answers, or for the end of the connection. */
  async send(bytes: Uint8Array, count: number, isHead = false): Promise<ComparedResponse[]> {
    const socket = await this.#connect();
    socket.write(bytes);
    const responses: ComparedResponse[] = [];
    const endMs = performance.now() + answerTimeoutMs;
    while (responses.length < count) {
      const parsed = parseResponse(this.#received, isHead);
      if (parsed !== undefined) {
        responses.push(parsed.response);
        this.#received = this.#received.subarray(parsed.sizeBytes);
        continue;
      }
      if (this.#socket === undefined || performance.now() > endMs) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 1000).unref();
      });
    }
    return responses;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #connect(): Promise<TLSSocket> {
    if (this.#socket !== undefined) return this.#socket;
    this.#received = Buffer.alloc(0);
    const { hostname, port } = this.#url;
    const identity = this.#identity;
    const socket = connect({
      host: hostname,
      port: Number(port),
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      ...(identity !== undefined && { cert: identity.certificate, key: identity.key }),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    const end = () => {
      if (this.#socket === socket) this.#socket = undefined;
      this.#wake?.();
    };
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    // A node that refuses a request may close while it is still being sent.
    socket.on("error", end);
    socket.on("close", end);
    this.#socket = socket;
    return socket;
  }
}

/** The first answer in `bytes`; undefined when it is not complete. */
export function parseResponse(
  bytes: Buffer,
  isHead = false,
): { readonly response: ComparedResponse; readonly sizeBytes: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const match = /^HTTP\/1\.1 ([0-9]{3}) (.*)$/.exec(statusLine);
  if (match === null) throw testkitErrors.create("BadResponse", statusLine.slice(0, 80));
  const rawHeaders = lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const lengthAt = rawHeaders.indexOf("content-length");
  const bodySize = isHead ? 0 : Number(rawHeaders[lengthAt + 1] ?? 0);
  const start = headEnd + 4;
  if (bytes.length < start + bodySize) return undefined;
  const body = bytes.toString("utf8", start, start + bodySize);
  const response = { status: Number(match[1]), reason: match[2]!, rawHeaders, body };
  return { response, sizeBytes: start + bodySize };
}

/** Requests over node:https: the service certificate is the only trusted root. */
import { Agent, type RequestOptions, request } from "node:https";
import {
  ConnectError,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from "../index.ts";

export interface HttpsTransportOptions {
  /** For example `https://127.0.0.1:8000`. */
  readonly url: string;
  /** PEM; several certificates may follow each other. */
  readonly serviceCertificate: string;
  /** TLS client certificate and its key, PEM. */
  readonly identity?: ClientIdentity;
  /** Default 30,000. */
  readonly timeoutMs?: number;
  /** Connections kept open. Default 16. */
  readonly connectionCountMax?: number;
}

export interface ClientIdentity {
  readonly certificate: string;
  readonly key: string;
}

/** Responses above this are refused. */
const bodySizeBytesMax = 256 * 1024 * 1024;

/** A transport with kept-alive connections. @throws {ConnectError} for a URL that is not https */
export function createHttpsTransport(options: HttpsTransportOptions): Transport {
  const url = parseUrl(options.url);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: options.connectionCountMax ?? 16,
    ca: options.serviceCertificate,
    ...(options.identity && { cert: options.identity.certificate, key: options.identity.key }),
  });
  const prefix = url.pathname === "/" ? "" : url.pathname.replace(/\/$/, "");
  const base: RequestOptions = {
    agent,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 443 : Number(url.port),
    timeout: options.timeoutMs ?? 30_000,
  };
  return {
    send: (message) => send(options.url, { ...base, path: prefix + message.path }, message),
    close: async () => agent.destroy(),
  };
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:") {
    throw new ConnectError("ConnectionFailed", `${text} is not an https URL`);
  }
  return url;
}

function send(
  url: string,
  options: RequestOptions,
  message: TransportRequest,
): Promise<TransportResponse> {
  const { body } = message;
  const headers = {
    ...message.headers,
    ...(body === undefined && message.method === "GET"
      ? {}
      : { "content-length": String(body?.length ?? 0) }),
  };
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, method: message.method, headers }, (response) => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      response.on("data", (chunk: Buffer) => {
        sizeBytes += chunk.length;
        if (sizeBytes > bodySizeBytesMax) sent.destroy(new Error("the answer is too large"));
        else chunks.push(chunk);
      });
      response.on("error", (error) => reject(toConnectError(url, error)));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: firstValues(response.headers),
          body: new Uint8Array(Buffer.concat(chunks)),
        }),
      );
    });
    sent.on("timeout", () =>
      sent.destroy(new ConnectError("RequestTimedOut", `${message.method} ${url}${message.path}`)),
    );
    sent.on("error", (error) => reject(toConnectError(url, error)));
    sent.end(body);
  });
}

function firstValues(headers: NodeJS.Dict<string | string[]>): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) values[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return values;
}

/** OpenSSL and Node codes that mean: somebody answered, but not a node of this service. */
const trustCodes: ReadonlySet<string> = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

function toConnectError(url: string, error: Error & { code?: string }): Error {
  if (error instanceof ConnectError) return error;
  const code = error.code ?? "";
  const name = trustCodes.has(code) ? "ServiceNotTrusted" : "ConnectionFailed";
  const detail = `${url}: ${code === "" ? error.message : code}`;
  return new ConnectError(name, detail, { url, cause: code }, undefined, error);
}

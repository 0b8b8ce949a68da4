/** The SDK in a browser: `fetch`, timers of the platform, portable crypto. */
import { type Connection, connect } from "../connection.ts";
import type { MemberSigner } from "../governance.ts";
import { createBrowserCrypto } from "./browser-crypto.ts";
import { createFetchTransport, type FetchLike } from "./fetch-transport.ts";

export interface BrowserConnectOptions {
  /** For example `https://127.0.0.1:8000`. */
  readonly url: string;
  /** PEM: what receipts are checked against. */
  readonly serviceCertificate: string;
  /** Default: the platform's. */
  readonly fetch?: FetchLike;
  readonly member?: MemberSigner;
}

/** What every browser has but the ECMAScript library has not. */
interface BrowserPlatform {
  readonly fetch: FetchLike;
  setTimeout(done: () => void, durationMs: number): unknown;
}
const platform = globalThis as unknown as BrowserPlatform;

/** Opens a connection from a page. The browser presents its own client certificate. */
export function connectBrowser(options: BrowserConnectOptions): Connection {
  const fetch = options.fetch ?? ((url, request) => platform.fetch(url, request));
  return connect({
    transport: createFetchTransport(options.url, fetch),
    serviceCertificate: options.serviceCertificate,
    crypto: createBrowserCrypto(),
    ...(options.member && { member: options.member }),
    nowMs: () => Date.now(),
    sleep: (durationMs) => new Promise((done) => platform.setTimeout(() => done(), durationMs)),
  });
}

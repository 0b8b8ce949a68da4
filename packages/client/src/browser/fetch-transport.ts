/** Requests over `fetch`. The browser itself decides whether it trusts the node's certificate. */
import { ConnectError } from "../errors.ts";
import type { Transport } from "../transport.ts";

/** The part of the Fetch standard that is used here. */
export type FetchLike = (
  url: string,
  options: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: Uint8Array;
  },
) => Promise<{
  readonly status: number;
  readonly headers: { forEach(visit: (value: string, name: string) => void): void };
  arrayBuffer(): Promise<ArrayBuffer>;
}>;

/** @param url for example `https://127.0.0.1:8000`, without a final slash */
export function createFetchTransport(url: string, fetch: FetchLike): Transport {
  return {
    send: async ({ method, path, headers, body }) => {
      try {
        const options = body === undefined ? { method, headers } : { method, headers, body };
        const response = await fetch(url + path, options);
        const names: Record<string, string> = {};
        response.headers.forEach((value, name) => {
          names[name.toLowerCase()] = value;
        });
        const bytes = new Uint8Array(await response.arrayBuffer());
        return { status: response.status, headers: names, body: bytes };
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new ConnectError("ConnectionFailed", `${url}: ${reason}`, {}, undefined, cause);
      }
    },
    close: async () => {},
  };
}

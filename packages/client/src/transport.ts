/** How requests reach a node: node:https, fetch, or a stub in tests. */

export interface TransportRequest {
  /** Upper case. */
  readonly method: string;
  /** With query: `/app/log/private?id=1`. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface TransportResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Transport {
  /** @throws {ConnectError} when no complete answer comes back. */
  send(request: TransportRequest): Promise<TransportResponse>;
  /** Closes idle connections. */
  close(): Promise<void>;
}

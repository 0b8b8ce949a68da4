/**
 * The one interface everything hangs on: an application is an endpoint table and handlers over a
 * store transaction. A JavaScript bundle, governance, the node's own endpoints and every ledger
 * protocol are applications.
 */
import type { Transaction } from "@coco/store";

export interface TxId {
  readonly view: number;
  readonly seqno: number;
}

export type TxStatus = "Unknown" | "Pending" | "Committed" | "Invalid";

/** The TLS client certificate of a session. */
export interface SessionCertificate {
  readonly der: Uint8Array;
  /** Lower-case hex SHA-256 of `der`: the member or user id. */
  readonly fingerprint: string;
  readonly pem: string;
}

/** One client connection. */
export interface Session {
  readonly id: number;
  /** Name of the RPC interface (configuration) through which it came. */
  readonly interfaceName: string;
  readonly certificate: SessionCertificate | undefined;
}

/** Header names are lower case; the first of duplicate headers wins. */
export interface RequestHeaders {
  get(name: string): string | undefined;
  entries(): Iterable<readonly [name: string, value: string]>;
}

export interface AppRequest {
  /** Upper case. */
  readonly method: string;
  /** As received, with query: `/app/log/private?id=1`. */
  readonly url: string;
  /** Without the application's prefix and without query: `/log/private`. Not percent-decoded. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  readonly headers: RequestHeaders;
  readonly body: Uint8Array;
  readonly session: Session;
}

/** What `admit` made of a request; the request itself for most applications. */
export interface Admitted {
  readonly request: AppRequest;
  /** Whatever the application's `admit` decoded and checked. */
  readonly item?: unknown;
}

export interface AppResponse {
  readonly status: number;
  /** Lower-case names. content-length and x-ms-ccf-transaction-id are added by the core. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

export type ForwardingRequired = "sometimes" | "always" | "never";
export type RedirectionStrategy = "none" | "to_primary" | "to_backup";
export type EndpointMode = "readwrite" | "readonly" | "historical";

/** A policy name (`no_auth`, `user_cert`, ...) or a conjunction. */
export type AuthPolicy = string | { readonly all_of: readonly string[] };

export interface Endpoint {
  /** Template under the prefix: `/log/{id}`. */
  readonly path: string;
  /** Upper case. */
  readonly method: string;
  readonly mode: EndpointMode;
  readonly authnPolicies: readonly AuthPolicy[];
  readonly forwardingRequired: ForwardingRequired;
  readonly redirectionStrategy: RedirectionStrategy;
  /** Answer only when the transaction is committed by the network. */
  readonly respondAfterCommit?: boolean;
  /** Work before the service is open (governance and node endpoints do). */
  readonly isOpenBeforeService?: boolean;
  /** Does not touch the store: the response carries no transaction id. */
  readonly isStoreFree?: boolean;
  /** OpenAPI operation object; undefined leaves a generated one. */
  readonly openapi?: unknown;
  readonly isOpenapiHidden?: boolean;
  /** What the application keeps with it (for a bundle: module and function). */
  readonly handler?: unknown;
}

export type EndpointMatch =
  | {
      readonly kind: "found";
      readonly endpoint: Endpoint;
      readonly params: Readonly<Record<string, string>>;
    }
  /** The path exists with other verbs. */
  | { readonly kind: "wrongMethod"; readonly allowed: readonly string[] }
  | { readonly kind: "unknownPath" };

export interface EndpointTable {
  find(transaction: Transaction, method: string, path: string): EndpointMatch;
  /** For OpenAPI and metrics. */
  list(transaction: Transaction): readonly Endpoint[];
}

/** Who is calling, as the first passing policy says. Shapes as in CCF's JavaScript API. */
export type Caller =
  | { readonly policy: "no_auth" }
  | {
      readonly policy: "user_cert" | "member_cert" | "any_cert";
      readonly id: string;
      readonly data: unknown;
      /** PEM. */
      readonly cert: string;
    }
  | {
      readonly policy: "jwt";
      readonly jwt: {
        readonly keyIssuer: string;
        readonly header: Readonly<Record<string, unknown>>;
        readonly payload: Readonly<Record<string, unknown>>;
      };
    }
  | {
      readonly policy: "user_cose_sign1" | "member_cose_sign1" | "active_member_cose_sign1";
      readonly id: string;
      readonly data: unknown;
      readonly cert: string;
      readonly cose: {
        readonly content: Uint8Array;
        /** The decoded message, for governance. */
        readonly protectedHeaders: ReadonlyMap<unknown, unknown>;
        readonly signature: Uint8Array;
      };
    }
  | {
      /** all_of: the names that passed, and one sub-object for each. */
      readonly policy: readonly string[];
      readonly parts: Readonly<Record<string, Caller>>;
    };

/** Knowledge of the network's progress. */
export interface ConsensusView {
  readonly view: number;
  lastCommitted(): TxId;
  status(txId: TxId): TxStatus;
  /** Undefined for a seqno that does not exist. */
  viewOf(seqno: number): number | undefined;
}

/** A past transaction: its writes, read-only, and its receipt. */
export interface HistoricalState {
  readonly txId: TxId;
  /** CCF's JSON receipt. */
  readonly receipt: unknown;
  /** Reads only what that transaction wrote. */
  readonly transaction: Transaction;
}

export interface HistoricalAccess {
  /**
   * States of `first..last`, or undefined while they are being fetched.
   * @param handle names the request
   */
  range(
    handle: number,
    first: number,
    last: number,
    expirySeconds: number,
  ): readonly HistoricalState[] | undefined;
  drop(handle: number): void;
  /**
   * Seqnos in `first..last` of transactions that wrote `key` of `table`, ascending, at most
   * `countMax`; undefined while the index is being made. Absent where there are no indexes.
   */
  seqnosOf?(
    table: string,
    key: Uint8Array,
    first: number,
    last: number,
    countMax: number,
  ): readonly number[] | undefined;
}

export interface ExecutionContext {
  readonly endpoint: Endpoint;
  readonly params: Readonly<Record<string, string>>;
  readonly caller: Caller;
  readonly consensus: ConsensusView;
  readonly historical: HistoricalAccess;
  /** For `historical` endpoints. */
  readonly historicalState?: HistoricalState;
  /** Host time, not trusted. */
  readonly nowMs: number;
}

export type QueryContext = ExecutionContext;

export interface Outcome {
  readonly response: AppResponse;
  /** False discards the writes. Default: whether the status is below 400. */
  readonly applyWrites: boolean;
  /** 32 bytes that go into the transaction's leaf. */
  readonly claimsDigest?: Uint8Array;
}

/** When a block is closed: at a signature, or every N items or milliseconds. */
export interface SealContext {
  readonly nowMs: number;
  readonly reason: "signature" | "count" | "time";
}

export interface Application {
  readonly name: string;
  /** `/app`, `/gov`, `/node`, ... */
  readonly prefix: string;
  readonly endpoints: EndpointTable;
  /** Stateless and thread-safe: decode, check signatures. @throws {CocoError} to refuse. */
  admit?(request: AppRequest): Admitted;
  /** The only place that writes. */
  execute(transaction: Transaction, item: Admitted, context: ExecutionContext): Outcome;
  /** Read-only, with the caller's rights; `execute` serves when it is absent. */
  query?(transaction: Transaction, item: Admitted, context: QueryContext): AppResponse;
  seal?(transaction: Transaction, context: SealContext): void;
}

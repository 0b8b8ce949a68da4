/** What a front worker is told, and what it tells. */
import type { MessagePort } from "node:worker_threads";
import type { LogLevel } from "@coco/base";
import type { RequestLimits } from "./request-parser.ts";

/** Whose certificate an interface shows; `Unsecured` is plain HTTP. */
export type EndorsementAuthority = "Node" | "Service" | "Unsecured";

/** One RPC interface. */
export interface FrontInterfaceOptions {
  readonly name: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly authority: EndorsementAuthority;
  /** Further sessions are told 503. */
  readonly sessionsSoftMax: number;
  /** Further connections are closed without an answer. */
  readonly sessionsHardMax: number;
  readonly requestLimits: RequestLimits;
  /** Expressions that a whole path must match to be served; undefined serves every path. */
  readonly acceptedEndpoints: readonly string[] | undefined;
}

/** Limits that hold for all interfaces of one front worker. */
export interface FrontLimits {
  /** Undefined keeps idle sessions for ever. */
  readonly idleTimeoutMs: number | undefined;
  readonly handshakeTimeoutMs: number;
  /** From the first octet of a head to its last. */
  readonly headTimeoutMs: number;
  /** From the end of a head to the end of its body. */
  readonly bodyTimeoutMs: number;
  /** How long a session that was told to go is still read, so that it can see why. */
  readonly lingerTimeoutMs: number;
  /** Unanswered requests of one session before its socket is no longer read. */
  readonly pipelineCountMax: number;
  /** Unanswered requests of all sessions; further ones are told 503. */
  readonly inFlightCountMax: number;
  /** Octets of unanswered large requests; further large ones are told 503. */
  readonly inFlightSizeBytesMax: number;
  /** Octets of incomplete messages of all sessions. */
  readonly storedSizeBytesMax: number;
  /** Octets a client has not taken yet before its socket is no longer read. */
  readonly unsentSizeBytesMax: number;
}

export const defaultFrontLimits: FrontLimits = Object.freeze({
  idleTimeoutMs: 60_000,
  handshakeTimeoutMs: 10_000,
  headTimeoutMs: 10_000,
  bodyTimeoutMs: 60_000,
  lingerTimeoutMs: 2_000,
  pipelineCountMax: 128,
  inFlightCountMax: 10_000,
  inFlightSizeBytesMax: 64 * 1024 * 1024,
  storedSizeBytesMax: 256 * 1024 * 1024,
  unsentSizeBytesMax: 256 * 1024,
});

/** Certificate and key that the interfaces of one authority show. */
export interface FrontCertificate {
  readonly authority: "Node" | "Service";
  /** PEM, with the chain behind it if there is one. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** `workerData` of a front worker. */
export interface FrontWorkerData {
  /** 0 to 63; session ids of different workers differ. */
  readonly workerIndex: number;
  readonly interfaces: readonly FrontInterfaceOptions[];
  readonly limits: FrontLimits;
  /** Interfaces whose authority has no certificate yet refuse connections. */
  readonly certificates: readonly FrontCertificate[];
  readonly executor: MessagePort | undefined;
  /** Of `frontCountersSizeBytes` octets. */
  readonly counters: SharedArrayBuffer;
  /** Several workers share the ports. Needs Node 22.12. */
  readonly isPortShared: boolean;
}

/** Supervisor to front worker. */
export type FrontCommand =
  | { readonly kind: "certificate"; readonly certificate: FrontCertificate }
  /** A new executor took over; what the old one had not answered is told 503. */
  | { readonly kind: "executor"; readonly port: MessagePort | undefined }
  /** Answer what is in flight, take nothing new, then stop. */
  | { readonly kind: "drain"; readonly timeoutMs: number };

/** Front worker to supervisor. */
export type FrontReport =
  | { readonly kind: "listening"; readonly addresses: Readonly<Record<string, string>> }
  | { readonly kind: "failed"; readonly code: string; readonly detail: string }
  | { readonly kind: "stopped" }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly facts: Readonly<Record<string, string | number | boolean>>;
    };

/** What the supervisor and its executor tell each other. Everything is plain, cloneable data. */
import type { MessagePort } from "node:worker_threads";
import type { LogLevel } from "@coco/base";
import type { GenesisInfo } from "@coco/governance";
import type { ForwardingRules } from "./forwarding.ts";
import type { LedgerSync } from "./ledger-disk.ts";
import type { HeldLedgerSecret, NodeSecrets } from "./node-secrets.ts";

/** What an executor is told of the configuration. */
export interface ExecutorSettings {
  readonly ledgerDirectory: string;
  /** Older chunks, for historical queries. */
  readonly ledgerReadOnlyDirectories: readonly string[];
  /** Where snapshots are written; older ones may lie in the others. */
  readonly snapshotDirectory: string;
  readonly snapshotReadOnlyDirectories: readonly string[];
  /** Transactions from one snapshot to the next. */
  readonly snapshotTxCount: number;
  readonly ledgerSync: LedgerSync;
  readonly chunkSizeBytes: number;
  /** Between messages of a primary that has nothing to send. */
  readonly messageTimeoutMs: number;
  /** Without a primary, an election begins after half of this to all of it. */
  readonly electionTimeoutMs: number;
  readonly signatureDelayMs: number;
  readonly signatureCountMax: number;
  readonly uncommittedCountMax: number;
  readonly historicalCacheSizeBytes: number;
  /** URLs of modules that bring index strategies. */
  readonly indexModules?: readonly string[];
  /** Undefined, as the subject: those that the recovered service had. */
  readonly coseIssuer: { readonly issuer: string; readonly subject: string } | undefined;
  readonly serviceSubject: string | undefined;
  readonly serviceValidityDays: number;
  readonly nodeSubject: string;
  readonly nodeValidityDays: number;
  /** `iPAddress:127.0.0.1`, `dNSName:localhost` */
  readonly subjectAltNames: readonly string[];
  /** As in the nodes table. */
  readonly rpcInterfaces: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** By the name of the interface. */
  readonly forwarding: Readonly<Record<string, ForwardingRules>>;
  readonly nodeToNodeInterface: {
    readonly bind_address: string;
    readonly published_address: string;
  };
  readonly nodeData: unknown;
  readonly serviceData: unknown;
  /** Certificates of the service begin this long ago, for clients whose clocks are late. */
  readonly startTimeMs: number;
  readonly softwareVersion: string;
  /** Longest run of a handler where no vote says otherwise. */
  readonly handlerTimeoutMs: number;
  /** Handlers of the app print to the log, with levels. */
  readonly isSandbox: boolean;
  /** Heap that the executor may use. */
  readonly memorySizeBytes: number;
}

export type ExecutorStart =
  /** A new service. */
  | { readonly kind: "genesis"; readonly genesis: GenesisInfo }
  /** A service whose nodes are all lost: its ledger, and the PEM of the identity it had. */
  | { readonly kind: "recover"; readonly previousServiceCertificate: string }
  /** A node that the service trusts; the ledger comes from its primary. */
  | {
      readonly kind: "join";
      /** PEM. */
      readonly serviceCertificate: string;
      readonly nodeCertificate: string;
      readonly serviceSubject: string;
      readonly coseIssuer: { readonly issuer: string; readonly subject: string };
      /** Transaction that created the service: 1, or the first one after a recovery. */
      readonly createSeqno: number;
    }
  /** After another executor died: the ledger on disk, and what must be in it. */
  | { readonly kind: "resume"; readonly progress: Progress };

/** How far the service is, as the executor last said. */
export interface Progress extends NodeCertificates {
  readonly view: number;
  readonly committedSeqno: number;
  /** Transaction that created the service: 1, or the first one after a recovery. */
  readonly createSeqno: number;
  /** The service was recovered and its new files are not under their final names yet. */
  readonly isRecovering: boolean;
}

export interface NodeCertificates {
  /** PEM. */
  readonly serviceCertificate: string;
  /** PEM, endorsed by the service. */
  readonly nodeCertificate: string;
  /** PEM. */
  readonly selfSignedCertificate: string;
}

/** `workerData` of an executor. */
export interface ExecutorData {
  readonly settings: ExecutorSettings;
  readonly secrets: NodeSecrets;
  readonly start: ExecutorStart;
  /** Counters of each front worker. */
  readonly frontCounters: readonly SharedArrayBuffer[];
  readonly frontInterfaces: readonly FrontInterfaceFacts[];
  /** Of `watchSizeBytes`: see execution-watch.ts. */
  readonly watchMemory: SharedArrayBuffer;
  /**
   * Four 64-bit floats for whoever comes after this executor: view, committed seqno, seqno of the
   * service's creation, 1 while its files have names of a recovery.
   */
  readonly progressMemory: SharedArrayBuffer;
}

interface FrontInterfaceFacts {
  readonly name: string;
  readonly sessionsSoftMax: number;
  readonly sessionsHardMax: number;
}

/** Supervisor to executor. */
export type ExecutorCommand =
  | { readonly kind: "front"; readonly port: MessagePort }
  /** A handler was terminated: answer it and go on. */
  | { readonly kind: "recover" }
  /** Sign and write everything, then report `stopped`. */
  | { readonly kind: "stop" };

/** Executor to supervisor. */
export type ExecutorReport =
  | { readonly kind: "ready"; readonly nodeId: string; readonly certificates: NodeCertificates }
  /** A vote renewed them. */
  | { readonly kind: "certificates"; readonly certificates: NodeCertificates }
  | { readonly kind: "secrets"; readonly ledgerSecrets: readonly HeldLedgerSecret[] }
  | { readonly kind: "stopped" }
  /** The node cannot go on. */
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly facts: Readonly<Record<string, string | number | boolean>>;
    };

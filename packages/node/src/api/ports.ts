/**
 * What the `/node` endpoints need from the rest of the node. Everything here is synchronous and
 * cheap: it is asked on the executor thread.
 */
import type { AppRequest, AppResponse, ConsensusView, TxId } from "@coco/runtime";
import type { Transaction } from "@coco/store";

/** States of a node's life. @source CCF: NodeStartupState */
type NodeStartupState =
  | "Uninitialized"
  | "Initialized"
  | "Pending"
  | "PartOfNetwork"
  | "PartOfPublicNetwork"
  | "ReadingPublicLedger"
  | "ReadingPrivateLedger"
  | "VerifyingSnapshot";

interface NodeStatePort {
  /** Hex SHA-256 of the node's public key. */
  readonly nodeId: string;
  readonly state: NodeStartupState;
  /** Seqno of the snapshot from which the node started; 0 without one. */
  readonly startupSeqno: number;
  /** True after the first request to stop. */
  readonly isStopping: boolean;
  /** While a ledger is being recovered. */
  readonly recovery?:
    | { readonly targetSeqno: number; readonly lastRecoveredSeqno: number }
    | undefined;
  /** PEM. */
  readonly selfSignedCertificate: string;
  /** As in the nodes table; for a node that is not in it yet. */
  readonly rpcInterfaces: Readonly<Record<string, unknown>>;
  readonly nodeData: unknown;
}

/** Fields of GET /node/consensus, in this order. */
export interface ConsensusDetails {
  readonly acks: Readonly<
    Record<string, { readonly last_received_ms: number; readonly seqno: number }>
  >;
  readonly configs: readonly {
    readonly idx: number;
    readonly nodes: Readonly<Record<string, { readonly address: string }>>;
    readonly rid: number;
  }[];
  readonly current_view: number;
  readonly leadership_state: "Leader" | "Follower" | "PreVoteCandidate" | "Candidate" | "None";
  readonly membership_state: "Active" | "Retired";
  readonly primary_id: string | null;
  readonly reconfiguration_type: "OneTransaction";
  readonly retirement_phase?: string;
  readonly ticking: boolean;
}

export interface ConsensusPort extends ConsensusView {
  /** Whether this node is the primary and can write. */
  readonly isPrimary: boolean;
  readonly primaryId: string | undefined;
  /** First transaction of every view, for views 1, 2, ... in order; a skipped view has none. */
  viewHistory(): readonly TxId[];
  details(): ConsensusDetails;
}

/** What became of the search for a past transaction. */
export type ReceiptSearch =
  | { readonly kind: "found"; readonly receipt: ReceiptFields }
  /** Being read from the ledger files: ask again. */
  | { readonly kind: "fetching" }
  | { readonly kind: "failed"; readonly reason: string };

/** CCF's JSON receipt. */
export interface ReceiptFields {
  /** PEM. */
  readonly cert: string;
  /** Hex: of a signature transaction only. */
  readonly leaf?: string;
  readonly leaf_components?: {
    readonly claims_digest?: string;
    readonly commit_evidence?: string;
    readonly write_set_digest: string;
  };
  readonly node_id: string;
  readonly proof: readonly ({ readonly left: string } | { readonly right: string })[];
  /** PEM, oldest last. */
  readonly service_endorsements?: readonly string[];
  /** Base64 DER. */
  readonly signature: string;
}

export interface ReceiptPort {
  /** `txId` is committed. */
  find(txId: TxId): ReceiptSearch;
}

export interface SessionMetrics {
  readonly active: number;
  readonly peak: number;
  readonly interfaces: Readonly<
    Record<
      string,
      {
        readonly active: number;
        readonly errors: {
          readonly parsing: number;
          readonly request_header_too_large: number;
          readonly request_payload_too_large: number;
        };
        readonly hard_cap: number;
        readonly peak: number;
        readonly soft_cap: number;
      }
    >
  >;
}

export interface MetricsPort {
  /** Prometheus text exposition format. */
  text(): string;
  sessions(): SessionMetrics;
  memory(): {
    readonly currentBytes: number;
    readonly maxBytes: number;
    readonly peakBytes: number;
  };
  jwtRefresh(): {
    readonly attempts: number;
    readonly failures: number;
    readonly successes: number;
  };
}

/** Committed snapshot files of this node. */
interface SnapshotPort {
  /** Name of the newest one whose seqno is above `sinceSeqno`. */
  latest(sinceSeqno: number): string | undefined;
  sizeBytes(name: string): number | undefined;
  /** Bytes `start` (inclusive) to `end` (exclusive); undefined when the file went away. */
  read(name: string, start: number, end: number): Uint8Array | undefined;
}

/** What GET /node/index/strategies shows. */
export interface IndexFacts {
  readonly name: string;
  /** Last transaction that the strategy has seen. */
  readonly indexed_watermark: string;
}

export interface NodeApiPorts {
  readonly node: NodeStatePort;
  readonly consensus: ConsensusPort;
  readonly receipts: ReceiptPort;
  readonly metrics: MetricsPort;
  readonly snapshots?: SnapshotPort;
  readonly indexes?: () => readonly IndexFacts[];
  /** Version of this software. */
  readonly version: string;
  /** Hex SHA-256 of the public key of a DER certificate. @throws {CocoError} BadCertificate */
  certificateToNodeId(certificate: Uint8Array): string;
  readonly join?: {
    answerChallenge(transaction: Transaction): AppResponse;
    answerJoin(transaction: Transaction, request: AppRequest): AppResponse;
  };
  /** Takes keys of a JWT issuer that another node has fetched. */
  readonly refreshJwtKeys?: (transaction: Transaction, body: unknown) => void;
}

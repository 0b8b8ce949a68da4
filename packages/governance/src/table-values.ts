/** What the built-in governance and internal tables hold: CCF's JSON, names as on the ledger. */

export type MemberStatus = "Accepted" | "Active";
export type RecoveryRole = "NonParticipant" | "Participant" | "Owner";

export interface MemberInfo {
  readonly status: MemberStatus;
  readonly member_data?: unknown;
  readonly recovery_role?: RecoveryRole;
}

export interface MemberAck {
  /** Hex Merkle root; empty before the first signature. */
  readonly state_digest: string;
  /** Base64 of the COSE_Sign1 message that acknowledged it. */
  readonly cose_sign1_req?: string;
}

export interface UserInfo {
  readonly user_data?: unknown;
}

export type ServiceStatus = "Opening" | "Open" | "WaitingForRecoveryShares" | "Recovering";

export interface ServiceInfo {
  /** PEM. */
  readonly cert: string;
  readonly status: ServiceStatus;
  readonly previous_service_identity_version?: number;
  readonly recovery_count?: number;
  readonly service_data?: unknown;
  /** `view.seqno` */
  readonly current_service_create_txid?: string;
}

export interface ServiceConfiguration {
  readonly recovery_threshold: number;
  readonly consensus?: string;
  readonly reconfiguration_type?: string;
  readonly maximum_node_certificate_validity_days?: number;
  readonly maximum_service_certificate_validity_days?: number;
  readonly recent_cose_proposals_window_size?: number;
}

export type NodeStatus = "Pending" | "Trusted" | "Retired";

export interface QuoteInfo {
  readonly format: string;
  /** Base64, as are the endorsements. */
  readonly quote: string;
  readonly endorsements: string;
  readonly uvm_endorsements?: string;
  /** Hex. */
  readonly endorsed_tcb?: string;
}

export interface RpcInterface {
  readonly bind_address: string;
  readonly published_address?: string;
  readonly protocol?: string;
  readonly app_protocol?: string;
  readonly [field: string]: unknown;
}

export interface NodeInfo {
  readonly status: NodeStatus;
  readonly quote_info: QuoteInfo;
  /** PEM of the RSA key that wraps secrets for this node. */
  readonly encryption_pub_key: string;
  readonly rpc_interfaces: Readonly<Record<string, RpcInterface>>;
  readonly node_to_node_interface: {
    readonly bind_address: string;
    readonly published_address?: string;
  };
  readonly ledger_secret_seqno?: number;
  /** Hex of the measurement. */
  readonly code_digest?: string;
  readonly certificate_signing_request?: string;
  readonly public_key?: string;
  readonly node_data?: unknown;
  readonly retired_committed?: boolean;
  /** Further fields, such as CCF 1.x addresses, are kept as they are. */
  readonly [field: string]: unknown;
}

export type ProposalState = "Open" | "Accepted" | "Withdrawn" | "Rejected" | "Failed" | "Dropped";

export interface Failure {
  readonly reason: string;
  readonly trace?: string;
}

export interface ProposalInfo {
  readonly proposer_id: string;
  readonly state: ProposalState;
  /** Member id to script. */
  readonly ballots: Readonly<Record<string, string>>;
  readonly final_votes?: Readonly<Record<string, boolean>>;
  readonly vote_failures?: Readonly<Record<string, Failure>>;
  readonly failure?: Failure;
}

export interface JwtIssuerMetadata {
  readonly issuer?: string;
  readonly auto_refresh?: boolean;
  readonly ca_cert_bundle_name?: string;
}

export interface JwtSigningKey {
  readonly issuer: string;
  /** Base64 of the DER SubjectPublicKeyInfo. */
  readonly public_key: string;
  readonly constraint?: string;
}

export interface TcbVersionPolicy {
  readonly hexstring?: string;
  readonly microcode?: number;
  readonly snp?: number;
  readonly tee?: number;
  readonly boot_loader?: number;
  readonly fmc?: number;
}

/** Feed to minimum version. */
export type UvmEndorsements = Readonly<Record<string, { readonly svn: string }>>;

/** All byte strings are base64. */
export interface RecoveryShares {
  readonly wrapped_latest_ledger_secret: string;
  readonly encrypted_shares: Readonly<Record<string, string>>;
  readonly previous_secret_stored_version?: number;
}

export interface HistoricalLedgerSecret {
  readonly previous_ledger_secret?: {
    readonly encrypted_data: string;
    readonly version: number;
    readonly previous_secret_stored_version?: number;
  };
  readonly next_version?: number;
}

/** Node id to wrapped secrets. */
export type LedgerSecretsForNodes = Readonly<
  Record<
    string,
    readonly {
      readonly version?: number | null;
      readonly encrypted_secret: string;
      readonly previous_secret_stored_version?: number;
    }[]
  >
>;

export interface PreviousIdentityEndorsement {
  readonly endorsement: string;
  readonly endorsing_key: string;
  readonly endorsement_epoch_begin: string;
  readonly endorsement_epoch_end?: string;
  readonly previous_version?: number;
}

export interface LedgerSignature {
  readonly cert?: string;
  readonly commit_seqno: number;
  readonly commit_view: number;
  readonly hashed_nonce?: string;
  readonly node: string;
  /** Hex. */
  readonly root: string;
  readonly seqno: number;
  readonly sig: string;
  readonly view: number;
}

export interface SnapshotEvidence {
  /** Hex. */
  readonly hash: string;
  readonly version: number;
}

export interface EndpointProperties {
  readonly js_module: string;
  readonly js_function: string;
  readonly forwarding_required?: string;
  readonly redirection_strategy?: string;
  readonly authn_policies?: readonly unknown[];
  readonly mode?: string;
  readonly openapi?: unknown;
  readonly openapi_hidden?: boolean;
  readonly interpreter_reuse?: { readonly key: string };
}

export interface JsRuntimeOptions {
  readonly max_heap_bytes?: number;
  readonly max_stack_bytes?: number;
  readonly max_execution_time_ms?: number;
  readonly log_exception_details?: boolean;
  readonly return_exception_details?: boolean;
  readonly max_cached_interpreters?: number;
}

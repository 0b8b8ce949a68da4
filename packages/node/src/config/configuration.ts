/** The configuration of a node, with units resolved: what the node's code reads. */
import type { EndorsementAuthority } from "../front/front-options.ts";

export interface NodeConfiguration {
  readonly network: {
    readonly nodeToNodeInterface: NetworkAddress;
    /** In the order of the file. */
    readonly rpcInterfaces: readonly RpcInterfaceConfiguration[];
  };
  readonly command: CommandConfiguration;
  readonly nodeCertificate: {
    readonly subjectName: string;
    /** `iPAddress:127.0.0.1`, `dNSName:example.com`. */
    readonly subjectAltNames: readonly string[];
    readonly curve: "P-384" | "P-256";
    readonly initialValidityDays: number;
  };
  readonly nodeDataJsonFile: string | undefined;
  readonly serviceDataJsonFile: string | undefined;
  readonly attestation: AttestationConfiguration;
  readonly ledger: {
    readonly directory: string;
    readonly readOnlyDirectories: readonly string[];
    readonly chunkSizeBytes: number;
    readonly sync: "batch" | "none";
  };
  readonly snapshots: {
    readonly directory: string;
    readonly txCount: number;
    readonly readOnlyDirectory: string | undefined;
  };
  readonly logging: { readonly level: "debug" | "info" | "warn" | "error" };
  readonly consensus: {
    readonly messageTimeoutMs: number;
    readonly electionTimeoutMs: number;
    /** 0: no limit. */
    readonly uncommittedTxCountMax: number;
  };
  readonly ledgerSignatures: { readonly txCount: number; readonly delayMs: number };
  readonly jwt: { readonly keyRefreshIntervalMs: number };
  readonly front: FrontConfiguration;
  readonly execution: { readonly handlerTimeoutMs: number; readonly memorySizeBytes: number };
  readonly outputFiles: {
    readonly nodeCertificateFile: string;
    readonly pidFile: string;
    readonly nodeToNodeAddressFile: string | undefined;
    readonly rpcAddressesFile: string | undefined;
    readonly sealedLedgerSecretLocation: string | undefined;
  };
  readonly slowIoLoggingThresholdMs: number;
  readonly nodeClientInterface: string | undefined;
  readonly clientConnectionTimeoutMs: number;
  /** Undefined keeps idle sessions for ever. */
  readonly idleConnectionTimeoutMs: number | undefined;
  readonly ignoreFirstSigterm: boolean;
  readonly nodeToNodeMessageLimit: number | undefined;
  readonly historicalCacheSoftLimitBytes: number;
}

interface NetworkAddress {
  readonly bindAddress: HostAndPort;
  /** host:port as others are told. */
  readonly publishedAddress: string;
}

export interface HostAndPort {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface RpcInterfaceConfiguration extends NetworkAddress {
  readonly name: string;
  readonly openSessionsSoftMax: number;
  readonly openSessionsHardMax: number;
  readonly http: {
    readonly bodySizeBytesMax: number;
    /** The limit as written, for messages to clients. */
    readonly bodySizeText: string;
    readonly headerSizeBytesMax: number;
    readonly headerSizeText: string;
    readonly headerCountMax: number;
  };
  readonly authority: EndorsementAuthority;
  readonly acceptedEndpoints: readonly string[] | undefined;
  readonly forwardingTimeoutMs: number;
  readonly redirections: {
    readonly toPrimary: Redirection | undefined;
    readonly toBackup: Redirection | undefined;
  };
  readonly enabledOperatorFeatures: readonly string[];
}

export type Redirection =
  | { readonly kind: "NodeByRole"; readonly role: "primary" | "backup" }
  | { readonly kind: "StaticAddress"; readonly address: string };

export type CommandConfiguration = StartConfiguration | JoinConfiguration | RecoverConfiguration;

export interface StartConfiguration {
  readonly type: "Start";
  readonly serviceCertificateFile: string;
  readonly constitutionFiles: readonly string[];
  readonly members: readonly MemberConfiguration[];
  readonly serviceConfiguration: {
    /** 0: all members with a part in recovery. */
    readonly recoveryThreshold: number;
    readonly nodeCertificateValidityDaysMax: number;
    readonly serviceCertificateValidityDaysMax: number;
    readonly recentCoseProposalsWindowSize: number;
  };
  readonly initialServiceCertificateValidityDays: number;
  readonly serviceSubjectName: string;
  readonly coseSignatures: { readonly issuer: string; readonly subject: string };
}

interface MemberConfiguration {
  readonly certificateFile: string;
  readonly encryptionPublicKeyFile: string | undefined;
  readonly dataJsonFile: string | undefined;
  readonly recoveryRole: "NonParticipant" | "Participant" | "Owner" | undefined;
}

interface JoinConfiguration {
  readonly type: "Join";
  readonly serviceCertificateFile: string;
  readonly targetRpcAddress: string;
  readonly retryTimeoutMs: number;
  readonly followRedirect: boolean;
  readonly fetchRecentSnapshot: boolean;
  readonly fetchSnapshotAttemptsMax: number;
  readonly fetchSnapshotRetryIntervalMs: number;
  readonly fetchSnapshotSizeBytesMax: number;
}

interface RecoverConfiguration {
  readonly type: "Recover";
  readonly serviceCertificateFile: string;
  readonly previousServiceIdentityFile: string;
  readonly initialServiceCertificateValidityDays: number;
  readonly previousSealedLedgerSecretLocation: string | undefined;
  readonly selfHealingOpen: SelfHealingOpenConfiguration | undefined;
}

interface SelfHealingOpenConfiguration {
  readonly identity: HealingIdentity | undefined;
  readonly clusterIdentities: readonly HealingIdentity[];
  readonly retryTimeoutMs: number;
  readonly failoverTimeoutMs: number;
}

export interface HealingIdentity {
  readonly intrinsicId: string | undefined;
  readonly publishedAddress: string | undefined;
}

interface AttestationConfiguration {
  readonly platform: "Virtual" | "SNP" | "SGX" | "TDX";
  readonly snpSecurityPolicyFile: string | undefined;
  readonly snpUvmEndorsementsFile: string | undefined;
  readonly snpEndorsementsFile: string | undefined;
  readonly snpEndorsementsServers: readonly {
    readonly type: "Azure" | "AMD" | "THIM";
    readonly url: string;
    readonly retriesCountMax: number;
  }[];
}

interface FrontConfiguration {
  readonly workerCount: number;
  readonly handshakeTimeoutMs: number;
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly inFlightCountMax: number;
  readonly inFlightSizeBytesMax: number;
  readonly pipelineCountMax: number;
}

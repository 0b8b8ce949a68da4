/**
 * The built-in tables of governance and of the service.
 * @source CCF: documentation of the governance and internal tables
 */
import { bytesCodec, textCodec } from "@coco/store";
import type {
  EndpointProperties,
  HistoricalLedgerSecret,
  JsRuntimeOptions,
  JwtIssuerMetadata,
  JwtSigningKey,
  LedgerSecretsForNodes,
  LedgerSignature,
  MemberAck,
  MemberInfo,
  NodeInfo,
  PreviousIdentityEndorsement,
  ProposalInfo,
  RecoveryShares,
  ServiceConfiguration,
  ServiceInfo,
  SnapshotEvidence,
  TcbVersionPolicy,
  UserInfo,
  UvmEndorsements,
} from "./table-values.ts";
import {
  base64JsonCodec,
  canonicalJsonCodec,
  createTableView,
  createValueView,
  memberOfSetCodec,
} from "./typed-table.ts";

const gov = "public:ccf.gov.";
const internal = "public:ccf.internal.";

/** Keys are text; values are JSON. */
function jsonTable<Value>(name: string) {
  return createTableView<string, Value>(name, textCodec, canonicalJsonCodec<Value>());
}

/** Keys and values are text. */
function textTable(name: string) {
  return createTableView(name, textCodec, textCodec);
}

function jsonValue<Value>(name: string) {
  return createValueView<Value>(name, canonicalJsonCodec<Value>());
}

/** Every table under `public:ccf.gov.`; member, user and node ids are hex text. */
export const governanceTables = {
  /** Id to PEM. */
  memberCerts: textTable(`${gov}members.certs`),
  /** Id to PEM of an RSA public key. */
  memberEncryptionKeys: textTable(`${gov}members.encryption_public_keys`),
  memberInfo: jsonTable<MemberInfo>(`${gov}members.info`),
  memberAcks: jsonTable<MemberAck>(`${gov}members.acks`),
  /** Id to PEM. */
  userCerts: textTable(`${gov}users.certs`),
  userInfo: jsonTable<UserInfo>(`${gov}users.info`),
  nodeInfo: jsonTable<NodeInfo>(`${gov}nodes.info`),
  /** Node id to PEM. */
  nodeEndorsedCertificates: textTable(`${gov}nodes.endorsed_certificates`),
  /** Hex SGX measurement to `AllowedToJoin`. */
  nodeCodeIds: jsonTable<string>(`${gov}nodes.code_ids`),
  virtualMeasurements: jsonTable<string>(`${gov}nodes.virtual.measurements`),
  virtualHostData: createTableView(`${gov}nodes.virtual.host_data`, textCodec, memberOfSetCodec),
  snpMeasurements: jsonTable<string>(`${gov}nodes.snp.measurements`),
  /** Hex host data to security policy (may be empty). */
  snpHostData: jsonTable<string>(`${gov}nodes.snp.host_data`),
  /** DID to feeds. */
  snpUvmEndorsements: jsonTable<UvmEndorsements>(`${gov}nodes.snp.uvm_endorsements`),
  /** CPUID (8 hex digits) to minimum version. */
  snpTcbVersions: jsonTable<TcbVersionPolicy>(`${gov}nodes.snp.tcb_versions`),
  serviceInfo: jsonValue<ServiceInfo>(`${gov}service.info`),
  serviceConfiguration: jsonValue<ServiceConfiguration>(`${gov}service.config`),
  /** PEM, as a JSON string. */
  previousServiceIdentity: jsonValue<string>(`${gov}service.previous_service_identity`),
  /** Proposal id to the proposal as it was signed. */
  proposals: createTableView(`${gov}proposals`, textCodec, bytesCodec),
  proposalInfo: jsonTable<ProposalInfo>(`${gov}proposals_info`),
  /** The module's text, as a JSON string. */
  constitution: jsonValue<string>(`${gov}constitution`),
  /** Member id to their last signed governance request. */
  coseHistory: createTableView(`${gov}cose_history`, textCodec, base64JsonCodec),
  /** `created_at:hex digest of the signature` to proposal id. */
  coseRecentProposals: jsonTable<string>(`${gov}cose_recent_proposals`),
  /** Module name (`/name`) to source. */
  modules: textTable(`${gov}modules`),
  modulesBytecode: createTableView(`${gov}modules_quickjs_bytecode`, textCodec, bytesCodec),
  modulesBytecodeVersion: createValueView(`${gov}modules_quickjs_version`, textCodec),
  /** `VERB /path` to properties. */
  endpoints: jsonTable<EndpointProperties>(`${gov}endpoints`),
  jsRuntimeOptions: jsonValue<JsRuntimeOptions>(`${gov}js_runtime_options`),
  interpreterFlush: jsonValue<boolean>(`${gov}interpreter.flush`),
  /** Name to PEM bundle. */
  caCertBundles: jsonTable<string>(`${gov}tls.ca_cert_bundles`),
  jwtIssuers: jsonTable<JwtIssuerMetadata>(`${gov}jwt.issuers`),
  /** Key id to the keys of that id. */
  jwtSigningKeys: jsonTable<readonly JwtSigningKey[]>(`${gov}jwt.public_signing_keys_metadata_v2`),
  /** Written by CCF before 6.0 only. */
  legacyJwtSigningKeys: createTableView(`${gov}jwt.public_signing_keys`, textCodec, bytesCodec),
  legacyJwtSigningKeyMetadata: jsonTable<unknown>(`${gov}jwt.public_signing_keys_metadata`),
  legacyJwtSigningKeyIssuers: textTable(`${gov}jwt.public_signing_key_issuer`),
  legacyHistory: jsonTable<unknown>(`${gov}history`),
} as const;

/** Every table under `public:ccf.internal.` that is not in the ledger room. */
export const internalTables = {
  recoveryShares: jsonValue<RecoveryShares>(`${internal}recovery_shares`),
  /** Member id to the submitted share, sealed with the current ledger secret. */
  encryptedSubmittedShares: createTableView(
    `${internal}encrypted_submitted_shares`,
    textCodec,
    base64JsonCodec,
  ),
  historicalLedgerSecret: jsonValue<HistoricalLedgerSecret>(
    `${internal}historical_encrypted_ledger_secret`,
  ),
  ledgerSecretsForNodes: jsonValue<LedgerSecretsForNodes>(`${internal}encrypted_ledger_secrets`),
  previousIdentityEndorsement: jsonValue<PreviousIdentityEndorsement>(
    `${internal}previous_service_identity_endorsement`,
  ),
  /** Hex root, as a JSON string. */
  previousServiceLastSignedRoot: jsonValue<string>(`${internal}previous_service_last_signed_root`),
  /** `None`, `RECOVERY_SHARES` or `LOCAL_UNSEALING`. */
  lastRecoveryType: jsonValue<string>(`${internal}last_recovery_type`),
  signatures: jsonValue<LedgerSignature>(`${internal}signatures`),
  /** COSE_Sign1 over the Merkle root. */
  coseSignatures: createValueView(`${internal}cose_signatures`, base64JsonCodec),
  tree: createValueView(`${internal}tree`, bytesCodec),
  snapshotEvidence: jsonValue<SnapshotEvidence>(`${internal}snapshot_evidence`),
} as const;

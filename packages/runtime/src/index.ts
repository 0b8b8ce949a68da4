export {
  createScriptApplication,
  type ScriptApplication,
  type ScriptApplicationOptions,
} from "./app/script-application.ts";
export type {
  Admitted,
  Application,
  AppRequest,
  AppResponse,
  AuthPolicy,
  Caller,
  ConsensusView,
  Endpoint,
  EndpointMatch,
  EndpointMode,
  EndpointTable,
  ExecutionContext,
  ForwardingRequired,
  HistoricalAccess,
  HistoricalState,
  Outcome,
  QueryContext,
  RedirectionStrategy,
  RequestHeaders,
  SealContext,
  Session,
  SessionCertificate,
  TxId,
  TxStatus,
} from "./application.ts";
export {
  type Authentication,
  type Authenticator,
  type AuthenticatorOptions,
  type AuthFailure,
  createAuthenticator,
  policyName,
  refusalToResponse,
} from "./auth/authenticator.ts";
export type { PolicyCheck, PolicyInput, PolicyResult } from "./auth/policy.ts";
export {
  type Bundle,
  type BundleFolder,
  type BundleModule,
  folderToBundle,
  parseBundle,
} from "./bundle/bundle.ts";
export {
  describeEndpoints,
  type InstalledApp,
  readJsApp,
  removeJsApp,
  setJsApp,
} from "./bundle/installed-app.ts";
export type {
  AppCrypto,
  DigestAlgorithm,
  Jwk,
  KeyKind,
  KeyPair,
  SigningAlgorithm,
  WrapAlgorithm,
} from "./ccf-api/app-crypto.ts";
export {
  type CommonGlobals,
  createGovernanceGlobals,
  type ScriptApiPorts,
} from "./ccf-api/common-globals.ts";
export type { ConsoleSink } from "./ccf-api/console.ts";
export type { KvMap, KvRangeOptions } from "./ccf-api/kv.ts";
export type { SnpAttestationInput, VerifySnpAttestation } from "./ccf-api/snp-attestation.ts";
export {
  createStaticEndpointTable,
  createStoredEndpointTable,
} from "./endpoints/endpoint-tables.ts";
export { type Routing, routeRequest } from "./endpoints/match-response.ts";
export { type PathTemplate, parsePathTemplate } from "./endpoints/path-template.ts";
export {
  isScriptHandler,
  type ScriptHandler,
  type StoredEndpoint,
} from "./endpoints/stored-endpoint.ts";
export {
  issuerToConfigurationUrl,
  type KeyRefresh,
  type OpenidConfiguration,
  readOpenidConfiguration,
  refreshJwtKeys,
} from "./jwt/key-refresh.ts";
export {
  issuersToRefresh,
  type JwtIssuerMetadata,
  type JwtKeyChanges,
  type JwtSigningKey,
  removeJwtPublicSigningKeys,
  setJwtPublicSigningKeys,
} from "./jwt/signing-keys.ts";
export { createOpenapiDocument, type OpenapiOptions } from "./openapi.ts";
export { requestErrors } from "./request-errors.ts";
export {
  type RpcErrorCode,
  rpcErrorBody,
  rpcErrorResponse,
  rpcErrorStatuses,
  toSortedJson,
} from "./rpc-errors.ts";
export type {
  FailureDescription,
  Guard,
  ModuleSource,
  Program,
  ProgramLimits,
  ScriptEngine,
} from "./script-engine.ts";
export { scriptErrors } from "./script-errors.ts";
export { createSesEngine, type SesEngineOptions } from "./ses/ses-engine.ts";
export { tableNames } from "./table-names.ts";
export {
  caCertificateBundlesTable,
  defaultRuntimeOptions,
  endpointsTable,
  interpreterFlushValue,
  jwtIssuersTable,
  jwtSigningKeysTable,
  type MemberAck,
  type MemberInfo,
  memberAcksTable,
  memberCertificatesTable,
  memberEncryptionKeysTable,
  memberInfoTable,
  modulesBytecodeTable,
  modulesBytecodeVersion,
  modulesTable,
  readRuntimeOptions,
  runtimeOptionsValue,
  type StoredRuntimeOptions,
  type UserInfo,
  userCertificatesTable,
  userInfoTable,
} from "./tables.ts";

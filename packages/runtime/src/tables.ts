/** Typed views of the built-in tables that the runtime reads, exactly as CCF stores them. */
import {
  bytesCodec,
  createTypedTable,
  createTypedValue,
  hexIdCodec,
  jsonCodec,
  type Transaction,
  textCodec,
} from "@coco/store";
import type { StoredEndpoint } from "./endpoints/stored-endpoint.ts";
import { tableNames } from "./table-names.ts";

export { jwtIssuersTable, jwtSigningKeysTable } from "./jwt/signing-keys.ts";

export interface MemberInfo {
  readonly status: "Accepted" | "Active";
  readonly member_data?: unknown;
  readonly recovery_role?: "NonParticipant" | "Participant" | "Owner";
}

export interface MemberAck {
  /** Base64 of the member's last COSE_Sign1. */
  readonly cose_sign1_req?: string;
  readonly signed_req?: unknown;
  /** Hex digest that the member signs next. */
  readonly state_digest: string;
}

export interface UserInfo {
  readonly user_data: unknown;
}

/** Limits of app code. Sizes in bytes; absent fields take the defaults. */
export interface StoredRuntimeOptions {
  readonly max_heap_bytes: number;
  readonly max_stack_bytes: number;
  readonly max_execution_time_ms: number;
  readonly log_exception_details?: boolean;
  readonly return_exception_details?: boolean;
  readonly max_cached_interpreters?: number;
}

export const defaultRuntimeOptions: Required<StoredRuntimeOptions> = {
  max_heap_bytes: 100 * 1024 * 1024,
  max_stack_bytes: 1024 * 1024,
  max_execution_time_ms: 5000,
  log_exception_details: false,
  return_exception_details: false,
  max_cached_interpreters: 10,
};

/** PEM by member id. */
export function memberCertificatesTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.memberCertificates, hexIdCodec, textCodec);
}

/** PEM by member id. */
export function memberEncryptionKeysTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.memberEncryptionKeys, hexIdCodec, textCodec);
}

export function memberInfoTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.memberInfo, hexIdCodec, jsonCodec<MemberInfo>());
}

export function memberAcksTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.memberAcks, hexIdCodec, jsonCodec<MemberAck>());
}

/** PEM by user id. */
export function userCertificatesTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.userCertificates, hexIdCodec, textCodec);
}

export function userInfoTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.userInfo, hexIdCodec, jsonCodec<UserInfo>());
}

/** PEM text by name; the stored value is a JSON string. */
export function caCertificateBundlesTable(transaction: Transaction) {
  return createTypedTable(
    transaction,
    tableNames.caCertificateBundles,
    textCodec,
    jsonCodec<string>(),
  );
}

/** By `VERB /path`. */
export function endpointsTable(transaction: Transaction) {
  return createTypedTable(
    transaction,
    tableNames.endpoints,
    textCodec,
    jsonCodec<StoredEndpoint>(),
  );
}

/** Source text by absolute name: `/logging.js`. */
export function modulesTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.modules, textCodec, textCodec);
}

/** Compiled modules of CCF's own interpreter; this project writes none. */
export function modulesBytecodeTable(transaction: Transaction) {
  return createTypedTable(transaction, tableNames.modulesBytecode, textCodec, bytesCodec);
}

export function modulesBytecodeVersion(transaction: Transaction) {
  return createTypedValue(transaction, tableNames.modulesBytecodeVersion, textCodec);
}

export function runtimeOptionsValue(transaction: Transaction) {
  return createTypedValue(
    transaction,
    tableNames.runtimeOptions,
    jsonCodec<StoredRuntimeOptions>(),
  );
}

/** Written whenever the app changes: kept interpreters are then thrown away. */
export function interpreterFlushValue(transaction: Transaction) {
  return createTypedValue(transaction, tableNames.interpreterFlush, jsonCodec<boolean>());
}

/** The options in force, with defaults filled in. */
export function readRuntimeOptions(transaction: Transaction): Required<StoredRuntimeOptions> {
  return { ...defaultRuntimeOptions, ...runtimeOptionsValue(transaction).get() };
}

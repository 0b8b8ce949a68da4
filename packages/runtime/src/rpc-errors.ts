/** Error codes that clients see, and the response that carries one. */
import type { AppResponse } from "./application.ts";

/** The closed list of codes, each with the status that it usually has. */
export const rpcErrorStatuses = {
  AuthorizationFailed: 403,
  InternalError: 500,
  NotImplemented: 501,
  InvalidAuthenticationInfo: 401,
  InvalidHeaderValue: 400,
  InvalidInput: 400,
  InvalidQueryParameterValue: 400,
  InvalidResourceName: 400,
  MissingRequiredHeader: 400,
  ResourceNotFound: 404,
  RequestNotSigned: 401,
  UnsupportedHttpVerb: 405,
  UnsupportedContentType: 415,
  RequestBodyTooLarge: 413,
  RequestHeaderTooLarge: 431,
  PreconditionFailed: 412,
  SessionCapExhausted: 503,
  FrontendNotOpen: 404,
  KeyNotFound: 404,
  NodeAlreadyRecovering: 400,
  ProposalNotOpen: 400,
  ProposalNotFound: 404,
  ProposalFailedToValidate: 400,
  ServiceNotWaitingForRecoveryShares: 403,
  StateDigestMismatch: 400,
  TransactionNotFound: 404,
  TransactionCommitAttemptsExceedLimit: 503,
  TransactionReplicationFailed: 503,
  UnknownCertificate: 401,
  VoteNotFound: 404,
  VoteAlreadyExists: 400,
  NodeCannotHandleRequest: 500,
  TransactionPendingOrUnknown: 404,
  TransactionInvalid: 404,
  PrimaryNotFound: 503,
  BackupNotFound: 503,
  RequestAlreadyForwarded: 503,
  NodeNotRetiredCommitted: 400,
  SessionConsistencyLost: 500,
  ExecutorDispatchFailed: 503,
  ProposalReplay: 400,
  ProposalCreatedTooLongAgo: 400,
  InvalidCreatedAt: 400,
  JSException: 500,
  TooManyPendingTransactions: 503,
  MissingApiVersionParameter: 400,
  UnsupportedApiVersionValue: 400,
  ConsensusTypeMismatch: 400,
  InvalidQuote: 401,
  InvalidNodeState: 400,
  NodeAlreadyExists: 400,
  StartupSeqnoIsOld: 400,
  CSRPublicKeyInvalid: 400,
} as const satisfies Readonly<Record<string, number>>;

export type RpcErrorCode = keyof typeof rpcErrorStatuses;

/** JSON text with the keys of every object in order, as CCF's own endpoints write it. */
export function toSortedJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    const fields = item as Readonly<Record<string, unknown>>;
    return Object.fromEntries(
      Object.keys(fields)
        .toSorted()
        .map((key) => [key, fields[key]]),
    );
  });
}

/** `{"error":{"code","details"?,"message"}}` */
export function rpcErrorBody(
  code: RpcErrorCode,
  message: string,
  details?: readonly unknown[],
): string {
  const isDetailed = details !== undefined && details.length > 0;
  return toSortedJson({ error: { code, message, ...(isDetailed ? { details } : {}) } });
}

/** An error response. `status` is given because CCF answers some codes with several. */
export function rpcErrorResponse(
  status: number,
  code: RpcErrorCode,
  message: string,
  details?: readonly unknown[],
): AppResponse {
  return {
    status,
    headers: { "content-type": "application/json" },
    body: rpcErrorBody(code, message, details),
  };
}

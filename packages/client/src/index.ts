export {
  type AuditedTransaction,
  type AuditOptions,
  type AuditReport,
  auditLedger,
  type DecryptedTransaction,
  type DecryptOptions,
  type DecryptReport,
  decryptLedger,
  type LedgerFile,
} from "@coco/store";
export {
  type Committed,
  type Connection,
  type ConnectOptions,
  connect,
  type Submitted,
  type TransactionStatus,
  type VerificationCrypto,
  type WaitOptions,
} from "./connection.ts";
export {
  type ClientErrorCode,
  CommitError,
  ConnectError,
  clientErrors,
  GovernanceError,
  QueryError,
  ReceiptError,
  type Refusal,
  SubmitError,
} from "./errors.ts";
export type { Answer, JsonValue, RequestBody, RequestOptions } from "./exchange.ts";
export {
  createGovernance,
  type Governance,
  type MemberInfo,
  type MemberSigner,
  type ProposalInfo,
  type ProposalState,
  type RecoverySubmission,
  type ServiceInfo,
} from "./governance.ts";
export {
  ackMessage,
  ballotMessage,
  ballots,
  finishMessage,
  type GovernanceMessage,
  type GovernanceMessageType,
  type MessageStamp,
  type PreparedMessage,
  type ProposalAction,
  type ProposalBody,
  preparedMessageToDigest,
  prepareMessage,
  proposalMessage,
  recoveryShareMessage,
  signMessage,
  stateDigestMessage,
  withdrawalMessage,
} from "./governance-message.ts";
export {
  type JsonReceipt,
  type ReceiptExpectation,
  type ReceiptVerdict,
  verifyServiceReceipt,
} from "./receipt.ts";
export type { Transport, TransportRequest, TransportResponse } from "./transport.ts";

/** Errors of the client room: 8000 to 8099. One class for each stage of a call. */
import { CocoError, defineErrors, type ErrorFacts } from "@coco/base";

export const clientErrors = defineErrors("client", {
  ConnectionFailed: {
    number: 8000,
    title: "The node cannot be reached",
    next: "Check the URL, and that the node is running",
  },
  ServiceNotTrusted: {
    number: 8001,
    title: "The node does not belong to the pinned service",
    next: "Give the certificate of the service that the node belongs to",
  },
  RequestTimedOut: {
    number: 8002,
    title: "The node did not answer in time",
    next: "Try again, or raise the time limit",
  },
  BadResponse: {
    number: 8003,
    title: "The node's answer cannot be understood",
    next: "Check that the URL leads to a node of a Coco or CCF network",
  },
  SubmitRefused: {
    number: 8010,
    title: "The transaction was refused",
    next: "Correct the request as the answer says",
  },
  QueryRefused: {
    number: 8011,
    title: "The query was refused",
    next: "Correct the request as the answer says",
  },
  TransactionInvalid: {
    number: 8020,
    title: "The transaction was rolled back",
    next: "Submit it again: it will never be committed",
  },
  CommitTimedOut: {
    number: 8021,
    title: "The transaction is not committed yet",
    next: "Ask again later with its id, or raise the time limit",
  },
  BadTransactionId: {
    number: 8022,
    title: "The text is not a transaction id",
    next: "Give two numbers with a dot between them: view.seqno",
  },
  ReceiptUnavailable: {
    number: 8030,
    title: "The service gives no receipt for the transaction",
    next: "Check the transaction id, and that it is committed",
  },
  GovernanceRefused: {
    number: 8040,
    title: "The governance request was refused",
    next: "Correct the request as the answer says",
  },
  MemberMissing: {
    number: 8041,
    title: "The request has to be signed by a member",
    next: "Connect with a member's certificate and key",
  },
  BadSignatureLength: {
    number: 8042,
    title: "The signature does not fit the prepared message",
    next: "Sign the prepared bytes with the member's key; ECDSA signatures are r||s",
  },
});

export type ClientErrorCode = keyof typeof clientErrors.descriptions;

/** What the node answered when it refused. */
export interface Refusal {
  readonly status: number;
  /** CCF's code, for example `ProposalNotFound`; empty when the body names none. */
  readonly code: string;
  readonly message: string;
}

/** An error of one stage; `txId` is the transaction it concerns, when there is one. */
class StageError extends CocoError<ClientErrorCode> {
  readonly txId: string | undefined;
  readonly refusal: Refusal | undefined;

  constructor(
    code: ClientErrorCode,
    detail: string,
    facts: ErrorFacts & { readonly txId?: string } = {},
    refusal?: Refusal,
    cause?: unknown,
  ) {
    super(code, clientErrors.descriptions[code], detail, facts, cause);
    this.txId = facts.txId;
    this.refusal = refusal;
  }
}

/** The node could not be reached, is not trusted, or answered nonsense. */
export class ConnectError extends StageError {}
/** A write was refused. */
export class SubmitError extends StageError {}
/** A read was refused. */
export class QueryError extends StageError {}
/** A transaction was rolled back, or is not committed in time. */
export class CommitError extends StageError {}
/** There is no receipt, or it cannot be had. */
export class ReceiptError extends StageError {}
/** A proposal, ballot, withdrawal, acknowledgement or governance read was refused. */
export class GovernanceError extends StageError {}

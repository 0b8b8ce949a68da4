/** A connection to one node of a service: the SDK's main noun. */
import {
  base64ToBytes,
  bytesToUtf8,
  type Certificates,
  type Hash,
  type Verifier,
} from "@coco/base";
import { CommitError, ConnectError, QueryError, ReceiptError, SubmitError } from "./errors.ts";
import {
  type Answer,
  exchange,
  isSuccess,
  type RequestOptions,
  refusalToDetail,
  toRefusal,
} from "./exchange.ts";
import { createGovernance, type Governance, type MemberSigner } from "./governance.ts";
import {
  type JsonReceipt,
  type ReceiptExpectation,
  type ReceiptVerdict,
  verifyServiceReceipt,
} from "./receipt.ts";
import type { Transport } from "./transport.ts";

/** The crypto that verification needs: `createNodeCrypto()` or `createBrowserCrypto()`. */
export type VerificationCrypto = Hash & Verifier & Certificates;

export interface ConnectOptions {
  readonly transport: Transport;
  /** PEM: what receipts are checked against; the transport pins it too. */
  readonly serviceCertificate: string;
  readonly crypto: VerificationCrypto;
  /** Signs governance messages. */
  readonly member?: MemberSigner;
  nowMs(): number;
  sleep(durationMs: number): Promise<void>;
}

export type TransactionStatus = "Unknown" | "Pending" | "Committed" | "Invalid";

export interface WaitOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

/** An accepted write. */
export interface Submitted extends Answer {
  readonly txId: string;
}

/** A write that the network has committed, with the proof. */
export interface Committed extends Submitted {
  readonly receipt: JsonReceipt;
}

export interface Connection {
  readonly serviceCertificate: string;
  readonly governance: Governance;
  /**
   * Sends a write: POST unless `method` says otherwise. Its transaction is not committed yet.
   * @throws {SubmitError} SubmitRefused
   */
  submit(path: string, options?: RequestOptions): Promise<Submitted>;
  /**
   * Sends a write and waits until the network has committed it. A Coco node answers only then, in
   * one round trip; a CCF node is asked for the status and the receipt.
   * @throws {SubmitError} SubmitRefused
   * @throws {CommitError} TransactionInvalid, CommitTimedOut
   * @throws {ReceiptError} ReceiptUnavailable
   */
  submitAndCommit(path: string, options?: RequestOptions & WaitOptions): Promise<Committed>;
  /** Sends a read: GET. @throws {QueryError} QueryRefused */
  query(path: string, options?: RequestOptions): Promise<Answer>;
  /** Sends any request and returns any answer, refusals too. */
  request(path: string, options?: RequestOptions): Promise<Answer>;
  transactionStatus(txId: string): Promise<TransactionStatus>;
  /** @throws {CommitError} TransactionInvalid, CommitTimedOut, BadTransactionId */
  waitForCommit(txId: string, options?: WaitOptions): Promise<void>;
  /** @throws {ReceiptError} ReceiptUnavailable */
  receipt(txId: string, options?: WaitOptions): Promise<JsonReceipt>;
  /**
   * Checks a receipt against the pinned service; never asks the node.
   * @throws {CocoError} BadReceipt, ReceiptNotVerified
   */
  verifyReceipt(receipt: unknown, expected?: ReceiptExpectation): ReceiptVerdict;
  close(): Promise<void>;
}

const defaultTimeoutMs = 30_000;
const txIdPattern = /^[1-9][0-9]{0,15}\.[1-9][0-9]{0,15}$/;

/** Opens a connection; nothing is sent before the first request. */
export function connect(options: ConnectOptions): Connection {
  const { transport, serviceCertificate, crypto } = options;
  const request = (path: string, requestOptions?: RequestOptions) =>
    exchange(transport, path, requestOptions);
  return {
    serviceCertificate,
    governance: createGovernance(transport, options.member, options.nowMs),
    submit: (path, requestOptions) => submit(transport, path, requestOptions),
    submitAndCommit: (path, requestOptions) => submitAndCommit(options, path, requestOptions),
    query: (path, requestOptions) => query(transport, path, requestOptions),
    request,
    transactionStatus: (txId) => transactionStatus(transport, txId),
    waitForCommit: (txId, wait) => waitForCommit(options, txId, wait),
    receipt: (txId, wait) => fetchReceipt(options, txId, wait),
    verifyReceipt: (receipt, expected) =>
      verifyServiceReceipt(crypto, receipt, serviceCertificate, expected),
    close: () => transport.close(),
  };
}

async function submit(
  transport: Transport,
  path: string,
  options: RequestOptions = {},
): Promise<Submitted> {
  const method = options.method ?? "POST";
  const answer = await exchange(transport, path, { ...options, method });
  if (!isSuccess(answer)) {
    const refusal = toRefusal(answer);
    const facts = { status: refusal.status, rpcCode: refusal.code };
    const detail = refusalToDetail(`${method} ${path}`, refusal);
    throw new SubmitError("SubmitRefused", detail, facts, refusal);
  }
  const { txId } = answer;
  if (txId === undefined) {
    throw new SubmitError("BadResponse", `${method} ${path}: the answer carries no transaction id`);
  }
  return { ...answer, txId };
}

/** Request header with which a node answers after commit, and the one that carries the receipt. */
const waitHeader = "x-coco-wait";
const receiptHeader = "x-coco-receipt";

async function submitAndCommit(
  connect: ConnectOptions,
  path: string,
  options: RequestOptions & WaitOptions = {},
): Promise<Committed> {
  const headers = { ...options.headers, [waitHeader]: "receipt" };
  const submitted = await submit(connect.transport, path, { ...options, headers });
  const { txId } = submitted;
  const carried = submitted.headers[receiptHeader];
  if (carried !== undefined) return { ...submitted, receipt: toReceipt(carried, txId) };
  await waitForCommit(connect, txId, options);
  return { ...submitted, receipt: await fetchReceipt(connect, txId, options) };
}

/** @param carried base64url of CCF's JSON receipt */
function toReceipt(carried: string, txId: string): JsonReceipt {
  try {
    return JSON.parse(bytesToUtf8(base64ToBytes(carried))) as JsonReceipt;
  } catch (cause) {
    const detail = `${txId}: ${receiptHeader} is no receipt`;
    throw new ReceiptError("BadResponse", detail, { txId }, undefined, cause);
  }
}

async function query(
  transport: Transport,
  path: string,
  options: RequestOptions = {},
): Promise<Answer> {
  const method = options.method ?? "GET";
  const answer = await exchange(transport, path, { ...options, method });
  if (isSuccess(answer)) return answer;
  const refusal = toRefusal(answer);
  const detail = refusalToDetail(`${method} ${path}`, refusal);
  const facts = { status: refusal.status, rpcCode: refusal.code };
  throw new QueryError("QueryRefused", detail, facts, refusal);
}

const statuses: ReadonlySet<string> = new Set(["Unknown", "Pending", "Committed", "Invalid"]);

async function transactionStatus(transport: Transport, txId: string): Promise<TransactionStatus> {
  if (!txIdPattern.test(txId)) throw new CommitError("BadTransactionId", txId);
  const answer = await query(transport, "/node/tx", { query: { transaction_id: txId } });
  const { status } = answer.json<{ status: TransactionStatus }>();
  if (statuses.has(status)) return status;
  throw new ConnectError("BadResponse", `/node/tx: unknown status of ${txId}`);
}

async function waitForCommit(
  { transport, nowMs, sleep }: ConnectOptions,
  txId: string,
  { timeoutMs = defaultTimeoutMs }: WaitOptions = {},
): Promise<void> {
  const deadlineMs = nowMs() + timeoutMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(2 * pauseMs, 250)) {
    const status = await transactionStatus(transport, txId);
    if (status === "Committed") return;
    if (status === "Invalid") throw new CommitError("TransactionInvalid", txId, { txId });
    if (nowMs() + pauseMs > deadlineMs) {
      const detail = `${txId} is ${status} after ${timeoutMs} ms`;
      throw new CommitError("CommitTimedOut", detail, { txId });
    }
    await sleep(pauseMs);
  }
}

/** Codes with which a service says "not yet". */
const notYet: ReadonlySet<string> = new Set(["TransactionPendingOrUnknown"]);

async function fetchReceipt(
  { transport, nowMs, sleep }: ConnectOptions,
  txId: string,
  { timeoutMs = defaultTimeoutMs }: WaitOptions = {},
): Promise<JsonReceipt> {
  if (!txIdPattern.test(txId)) throw new ReceiptError("BadTransactionId", txId);
  const deadlineMs = nowMs() + timeoutMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(2 * pauseMs, 500)) {
    const options = { query: { transaction_id: txId } };
    const answer = await exchange(transport, "/node/receipt", options);
    if (answer.status === 200) return answer.json<JsonReceipt>();
    const refusal = toRefusal(answer);
    const isPending = answer.status === 202 || notYet.has(refusal.code);
    if (!isPending || nowMs() + pauseMs > deadlineMs) {
      const facts = { txId, status: refusal.status, rpcCode: refusal.code };
      throw new ReceiptError("ReceiptUnavailable", refusalToDetail(txId, refusal), facts, refusal);
    }
    await sleep(pauseMs);
  }
}

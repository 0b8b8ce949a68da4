/** Endpoints that every application has: progress, status and receipts of transactions. */
import { governanceTables } from "@coco/governance";
import type { AppRequest, AppResponse, TxId } from "@coco/runtime";
import { type Transaction, textToTxId, txIdToText } from "@coco/store";
import { errorAnswer, jsonAnswer, textAnswer } from "./answers.ts";
import type { ConsensusPort, NodeApiPorts } from "./ports.ts";
import { parseQuery, parseSeqno } from "./query-parameters.ts";
import type { StaticEndpoint } from "./static-endpoints.ts";

const txIdParameter = { name: "transaction_id", schema: "TransactionId", isRequired: true };

/** GET commit, tx and receipt. @param isStoreFree whether commit and tx carry no transaction id */
export function createCommonEndpoints(
  ports: Pick<NodeApiPorts, "consensus" | "receipts">,
  isStoreFree: boolean,
): readonly StaticEndpoint[] {
  return [
    {
      method: "GET",
      path: "/commit",
      isStoreFree,
      handler: (_, request) => answerCommit(ports.consensus, request),
      summary: "Current commit level",
      description: "Latest transaction ID that has been committed on the service",
      parameters: [
        { name: "view_history", schema: "boolean", isRequired: false },
        { name: "view_history_since", schema: "uint64", isRequired: false },
      ],
      responseSchema: "GetCommit__Out",
    },
    {
      method: "GET",
      path: "/tx",
      isStoreFree,
      handler: (_, request) => answerTransactionStatus(ports.consensus, request),
      summary: "Current status of a transaction",
      description: "Possible statuses returned are Unknown, Pending, Committed or Invalid.",
      parameters: [txIdParameter],
      responseSchema: "GetTxStatus__Out",
    },
    {
      method: "GET",
      path: "/receipt",
      handler: (transaction, request) => answerReceipt(ports, transaction, request),
      summary: "Receipt for a transaction",
      description: "A signed statement from the service over a transaction entry in the ledger",
      parameters: [txIdParameter],
      responseSchema: "json",
    },
  ];
}

function badParameter(message: string, status = 400): AppResponse {
  return errorAnswer(status, "InvalidQueryParameterValue", message);
}

function answerCommit(consensus: ConsensusPort, request: AppRequest): AppResponse {
  const query = parseQuery(request.query);
  const since = query.get("view_history_since");
  const history = query.get("view_history");
  let viewHistory: readonly TxId[] = [];
  if (since !== undefined) {
    const view = parseSeqno(since);
    const range = "Invalid value for view_history_since, must be in range [1, current_term]";
    if (view === undefined) {
      return badParameter(`Unable to parse value '${since}' in parameter 'view_history_since'`);
    }
    if (view < 1) return badParameter(range);
    if (view > consensus.view) return badParameter(range, 404);
    viewHistory = consensus.viewHistory().filter((first) => first.view >= view);
  }
  if (history === "true") viewHistory = consensus.viewHistory();
  else if (history === "false") viewHistory = [];
  else if (history !== undefined) {
    return badParameter(
      "Invalid value for view_history, must be one of [true, false] when present",
    );
  }
  return jsonAnswer({
    transaction_id: txIdToText(consensus.lastCommitted()),
    ...(viewHistory.length > 0 && { view_history: viewHistory.map(txIdToText) }),
  });
}

/** 0.0 and everything that is not two numbers with a dot is no id. */
function parseTxId(text: string): TxId | undefined {
  const txId = textToTxId(text);
  return txId === undefined || txId.view === 0 || txId.seqno === 0 ? undefined : txId;
}

function answerTransactionStatus(consensus: ConsensusPort, request: AppRequest): AppResponse {
  const text = parseQuery(request.query).get("transaction_id");
  if (text === undefined) return badParameter("Missing query parameter 'transaction_id'");
  const txId = parseTxId(text);
  if (txId === undefined) {
    return badParameter(
      `The value '${text}' passed as query parameter 'transaction_id' could not be ` +
        "converted to a valid Transaction ID.",
    );
  }
  return jsonAnswer({ status: consensus.status(txId), transaction_id: txIdToText(txId) });
}

/**
 * Why a past transaction cannot be looked at now: not committed, or from before a recovery that is
 * not complete. Undefined when it can.
 */
export function refuseHistoricalTransaction(
  consensus: ConsensusPort,
  transaction: Transaction,
  txId: TxId,
): AppResponse | undefined {
  const status = consensus.status(txId);
  const text = txIdToText(txId);
  if (status !== "Committed") {
    const message = `Only committed transactions can be queried. Transaction ${text} is ${status}`;
    if (status === "Invalid") return errorAnswer(404, "TransactionInvalid", message);
    const headers = { "cache-control": "no-cache" };
    return errorAnswer(404, "TransactionPendingOrUnknown", message, headers);
  }
  const service = governanceTables.serviceInfo.get(transaction);
  if (service === undefined || service.status === "Open") return undefined;
  const created = textToTxId(service.current_service_create_txid ?? "");
  if (created === undefined || txId.view >= created.view) return undefined;
  return errorAnswer(
    404,
    "TransactionInvalid",
    `Historical transaction ${text} is not signed by the current service identity key and ` +
      "cannot be retrieved until recovery is complete.",
  );
}

/** 202: the transaction is being read. */
export function answerFetching(txId: TxId): AppResponse {
  const message = `Historical transaction ${txIdToText(txId)} is not currently available.`;
  return textAnswer(202, message, { "retry-after": "3" });
}

function answerReceipt(
  ports: Pick<NodeApiPorts, "consensus" | "receipts">,
  transaction: Transaction,
  request: AppRequest,
): AppResponse {
  const text = parseQuery(request.query).get("transaction_id");
  const txId = text === undefined ? undefined : parseTxId(text);
  if (txId === undefined) {
    return errorAnswer(404, "TransactionInvalid", "Could not extract Transaction Id");
  }
  const refusal = refuseHistoricalTransaction(ports.consensus, transaction, txId);
  if (refusal !== undefined) return refusal;
  const search = ports.receipts.find(txId);
  switch (search.kind) {
    case "found":
      return jsonAnswer(search.receipt);
    case "fetching":
      return answerFetching(txId);
    case "failed":
      return errorAnswer(
        500,
        "TransactionPendingOrUnknown",
        `Historical transaction ${txIdToText(txId)} failed with error: ${search.reason}`,
      );
  }
}

/** The past state that a request to a `historical` endpoint names in a header or its query. */
import { isCocoError } from "@coco/base";
import type { AppRequest, AppResponse, HistoricalState } from "@coco/runtime";
import { type Transaction, textToTxId, txIdToText } from "@coco/store";
import { errorAnswer } from "../api/answers.ts";
import { answerFetching, refuseHistoricalTransaction } from "../api/common-endpoints.ts";
import type { ConsensusPort } from "../api/ports.ts";
import { parseQuery } from "../api/query-parameters.ts";
import type { HistoricalCache } from "./historical-cache.ts";

const header = "x-ms-ccf-transaction-id";

/** @param transaction reads the service's state */
export function lookUpHistoricalState(
  cache: HistoricalCache,
  consensus: ConsensusPort,
  transaction: Transaction,
  request: AppRequest,
):
  | { readonly kind: "found"; readonly state: HistoricalState }
  | { readonly kind: "answered"; readonly response: AppResponse } {
  const answered = (response: AppResponse) => ({ kind: "answered", response }) as const;
  const text = request.headers.get(header) ?? parseQuery(request.query).get("transaction_id");
  const txId = text === undefined ? undefined : textToTxId(text);
  if (txId === undefined) {
    return answered(errorAnswer(404, "TransactionInvalid", "Could not extract Transaction Id"));
  }
  const refusal = refuseHistoricalTransaction(consensus, transaction, txId);
  if (refusal !== undefined) return answered(refusal);
  try {
    const state = cache.state(txId);
    return state === undefined ? answered(answerFetching(txId)) : { kind: "found", state };
  } catch (error) {
    if (!isCocoError(error)) throw error;
    const name = txIdToText(txId);
    const message = `Historical transaction ${name} failed with error: ${error.message}`;
    return answered(errorAnswer(500, "TransactionPendingOrUnknown", message));
  }
}

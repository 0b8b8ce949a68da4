/** `/gov/service/transactions`: the state of transactions, without touching the store. */
import type { Outcome } from "@coco/runtime";
import { textToTxId, txIdToText } from "@coco/store";
import { errorOutcome, jsonOutcome } from "./responses.ts";
import type { Call, Route } from "./route.ts";

function getStatus(call: Call): Outcome {
  const text = call.params["transactionId"] ?? "";
  const txId = textToTxId(text);
  if (txId === undefined) {
    const message =
      `The value '${text}' passed as parameter 'transactionId' could not be converted to a ` +
      "valid Transaction ID.";
    return errorOutcome(400, "InvalidQueryParameterValue", message);
  }
  const status = call.context.consensus.status(txId);
  return jsonOutcome({ status, transactionId: txIdToText(txId) });
}

function getCommit(call: Call): Outcome {
  const { consensus } = call.context;
  const txId = consensus.lastCommitted();
  return jsonOutcome({ status: consensus.status(txId), transactionId: txIdToText(txId) });
}

export const transactionRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/service/transactions/commit",
    isStoreFree: true,
    handle: getCommit,
  },
  {
    method: "GET",
    path: "/service/transactions/{transactionId}",
    isStoreFree: true,
    handle: getStatus,
  },
];

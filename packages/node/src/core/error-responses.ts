/** The one table from error codes of the rooms to what a client is told. */
import { isCocoError, type Log } from "@coco/base";
import { type AppResponse, type RpcErrorCode, rpcErrorResponse } from "@coco/runtime";

const responses: Readonly<Record<string, readonly [status: number, code: RpcErrorCode]>> = {
  // What the client sent.
  NotUtf8: [400, "InvalidInput"],
  NotHex: [400, "InvalidInput"],
  NotBase64: [400, "InvalidInput"],
  NotPem: [400, "InvalidInput"],
  BadCbor: [400, "InvalidInput"],
  BadCose: [400, "InvalidInput"],
  BadDer: [400, "InvalidInput"],
  BadCertificate: [400, "InvalidInput"],
  BadKey: [400, "InvalidInput"],
  BadBundle: [400, "InvalidInput"],
  BadJwks: [400, "InvalidInput"],
  BadPathTemplate: [400, "InvalidInput"],
  BadValidity: [400, "InvalidInput"],
  // What the node cannot take at the moment.
  QueueFull: [503, "TooManyPendingTransactions"],
  TooManyPendingTransactions: [503, "TooManyPendingTransactions"],
};

/**
 * What a client is told about an error that nothing nearer to its cause has answered. Facts of an
 * unexpected error go to the log, not to the client.
 */
export function errorToResponse(error: unknown, log: Log): AppResponse {
  if (isCocoError(error)) {
    const known = responses[error.code];
    if (known !== undefined) {
      const [status, code] = known;
      return rpcErrorResponse(status, code, `${error.message}. ${error.next}.`);
    }
  }
  log("error", "a request failed unexpectedly", { error: String(error) });
  return rpcErrorResponse(500, "InternalError", "The node failed to handle the request.");
}

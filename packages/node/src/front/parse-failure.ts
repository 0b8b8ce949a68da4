/** Why a request could not be read, and the response CCF gives for it. */
import { errorBody, responseHead } from "./response-head.ts";

/** What is wrong with the octets of a session. */
export interface ParseFailure {
  readonly kind: "syntax" | "headerTooLarge" | "bodyTooLarge";
  /** For `syntax`: the parser's error name as CCF prints it, without `HPE_`. */
  readonly code: string;
  readonly message: string;
  /** For `syntax`: octet within the chunk that was being read. */
  readonly position: number;
}

/** A violation of the message grammar. */
export function syntaxFailure(code: string, message: string, position = 0): ParseFailure {
  return { kind: "syntax", code, message, position };
}

/** A header or head over its limit. */
export function headerFailure(message: string): ParseFailure {
  return { kind: "headerTooLarge", code: "RequestHeaderTooLarge", message, position: 0 };
}

/** @param limitText the limit as configured: `1MB` */
export function bodyFailure(limitText: string): ParseFailure {
  const message = `HTTP request body is too large (max size allowed: ${limitText})`;
  return { kind: "bodyTooLarge", code: "RequestBodyTooLarge", message, position: 0 };
}

/**
 * The last response of the session.
 * @param fragment the chunk that was being read; CCF repeats it to the client
 */
export function failureToResponse(failure: ParseFailure, fragment: Buffer): Buffer {
  if (failure.kind !== "syntax") {
    const status = failure.kind === "headerTooLarge" ? 431 : 413;
    return jsonErrorResponse(status, failure.code, failure.message);
  }
  const text =
    "Unable to parse data as a HTTP request. Error message is: HTTP parsing failed " +
    `(HPE_${failure.code}: ${failure.message}) around byte ${failure.position}\n` +
    "Error occurred while parsing fragment:\n";
  const bodyLength = text.length + fragment.length;
  const head = responseHead(400, { "content-type": "text/plain" }, bodyLength, undefined);
  return Buffer.concat([Buffer.from(`${head}${text}`, "latin1"), fragment]);
}

/** A complete response with an error body. */
export function jsonErrorResponse(status: number, code: string, message: string): Buffer {
  const body = errorBody(code, message);
  const bodyLength = Buffer.byteLength(body);
  const head = responseHead(status, { "content-type": "application/json" }, bodyLength, undefined);
  return Buffer.from(`${head}${body}`, "utf8");
}

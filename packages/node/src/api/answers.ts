/** Responses as every endpoint gives them: JSON, or an error with a code of the dialect. */
import type { AppResponse, Outcome } from "@coco/runtime";

const jsonHeaders = { "content-type": "application/json" };

/** Keys of `value` go out in the order in which they are there: alphabetical, as in CCF. */
export function jsonAnswer(value: unknown, status = 200): AppResponse {
  return { status, headers: jsonHeaders, body: JSON.stringify(value) };
}

export function errorAnswer(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): AppResponse {
  return {
    ...jsonAnswer({ error: { code, message } }, status),
    headers: { ...jsonHeaders, ...headers },
  };
}

export function emptyAnswer(
  status: number,
  headers: Readonly<Record<string, string>> = {},
): AppResponse {
  return { status, headers, body: "" };
}

export function textAnswer(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): AppResponse {
  return { status, headers: { "content-type": "text/plain", ...headers }, body };
}

export function answerToOutcome(response: AppResponse): Outcome {
  return { response, applyWrites: response.status < 400 };
}

/** Outcomes of governance endpoints: JSON with ordered keys, and errors in CCF's form. */
import type { Outcome } from "@coco/runtime";
import { canonicalJson } from "../canonical-json.ts";

interface ErrorDetail {
  readonly auth_policy: string;
  readonly code: string;
  readonly message: string;
}

const jsonType = { "content-type": "application/json" };

export function jsonOutcome(body: unknown, status = 200): Outcome {
  return {
    response: { status, headers: jsonType, body: canonicalJson(body) },
    applyWrites: status < 400,
  };
}

export function noContent(): Outcome {
  return { response: { status: 204, headers: {}, body: "" }, applyWrites: true };
}

export function scriptOutcome(source: string): Outcome {
  return {
    response: { status: 200, headers: { "content-type": "text/javascript" }, body: source },
    applyWrites: true,
  };
}

/** An error discards the transaction. */
export function errorOutcome(status: number, code: string, message: string): Outcome {
  return jsonOutcome({ error: { code, message } }, status);
}

/** A refused signed request, as the authentication policies answer. */
export function unauthorizedOutcome(policy: string, message: string): Outcome {
  const code = "InvalidAuthenticationInfo";
  const details: readonly ErrorDetail[] = [{ auth_policy: policy, code, message }];
  const error = { code, details, message: "Invalid authentication credentials." };
  return {
    response: {
      status: 401,
      headers: { ...jsonType, "www-authenticate": 'COSE-SIGN1 realm="Signed request access"' },
      body: canonicalJson({ error }),
    },
    applyWrites: false,
  };
}

/** What every authentication policy gets and gives. */
import type { Transaction } from "@coco/store";
import type { AppRequest, Caller } from "../application.ts";

export interface PolicyInput {
  readonly request: AppRequest;
  readonly transaction: Transaction;
  /** Host time. */
  readonly nowMs: number;
  /** The ccf.gov.msg.type that the endpoint asks of a member's signed request. */
  readonly expectedMessageType?: string;
}

export type PolicyResult =
  | { readonly ok: true; readonly caller: Caller }
  /** `reason` is sent to the client. */
  | { readonly ok: false; readonly reason: string };

/** Checks one policy. It throws only MalformedCose and what the store throws. */
export type PolicyCheck = (input: PolicyInput) => PolicyResult;

export function refused(reason: string): PolicyResult {
  return { ok: false, reason };
}

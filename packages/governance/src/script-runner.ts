/** Calls code of members under the time limit, and brings back plain data only. */
import { CocoError } from "@coco/base";
import type { FailureDescription, Guard } from "@coco/runtime";
import type { Failure } from "./table-values.ts";

export type ScriptResult<Value> =
  | { readonly kind: "returned"; readonly value: Value }
  | { readonly kind: "threw"; readonly failure: Failure; readonly isTimeout: boolean };

const textLengthMax = 4096;

function isTimeLimit(error: unknown): boolean {
  return error instanceof CocoError && error.code === "ExecutionTimeLimit";
}

/** The transaction has to run again: that says nothing about the script. */
function isConflict(error: unknown): boolean {
  return error instanceof CocoError && error.code === "TransactionConflict";
}

/** The script could not be loaded or called; what it threw itself comes as ScriptFailed. */
function isEngineError(error: unknown): error is CocoError {
  return error instanceof CocoError && error.code !== "ScriptFailed";
}

/** The error a script threw, unwrapped from the engine's own error around it. */
function originOf(error: unknown): unknown {
  const isWrapped = error instanceof CocoError && error.code === "ScriptFailed";
  return isWrapped && error.cause !== undefined ? error.cause : error;
}

/** Where the thrown value is described for people; may run code of the script. */
export type DescribeFailure = (thrown: unknown) => FailureDescription;

function toFailure({ reason, trace }: FailureDescription): Failure {
  const shortReason = reason.slice(0, textLengthMax);
  return trace === undefined
    ? { reason: shortReason }
    : { reason: shortReason, trace: trace.slice(0, textLengthMax) };
}

/**
 * Runs `action` under the guard.
 * @param action calls the script and reduces what it returns to plain data: whatever touches a
 *   script's values may run its code, so it has to happen inside the time limit
 */
export function runScript<Value>(
  guard: Guard,
  timeoutMs: number,
  describe: DescribeFailure,
  action: () => Value,
): ScriptResult<Value> {
  try {
    return guard.run(timeoutMs, (): ScriptResult<Value> => {
      try {
        return { kind: "returned", value: action() };
      } catch (thrown) {
        if (isTimeLimit(thrown) || isConflict(originOf(thrown))) throw originOf(thrown);
        const failure = isEngineError(thrown)
          ? { reason: thrown.message }
          : toFailure(describe(thrown));
        return { kind: "threw", failure, isTimeout: false };
      }
    });
  } catch (error) {
    if (isConflict(error)) throw error;
    const reason = isTimeLimit(error)
      ? "Operation took too long to complete."
      : "The error that was thrown cannot be shown.";
    return { kind: "threw", failure: { reason }, isTimeout: isTimeLimit(error) };
  }
}

/** Steps that throw typed errors, inside a list of checks. */
import { isCocoError } from "@coco/base";
import { type TeeErrorCode, teeErrors } from "./errors.ts";
import type { CheckList } from "./verification.ts";

/**
 * Runs a step; a typed error becomes a failed check with its own code, or with `fallback` when the
 * error comes from another room.
 */
export function attempt<Result>(
  list: CheckList,
  name: string,
  step: () => Result,
  fallback: TeeErrorCode = "EvidenceMalformed",
): Result | undefined {
  try {
    return step();
  } catch (cause) {
    if (!isCocoError(cause)) throw cause;
    const isOwn = Object.hasOwn(teeErrors.descriptions, cause.code);
    list.add(name, false, cause.message, isOwn ? (cause.code as TeeErrorCode) : fallback);
    return undefined;
  }
}

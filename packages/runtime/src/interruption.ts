/**
 * Errors that end a whole call whatever the program does with them: a conflict makes the executor
 * run the transaction again. Programs see a plain error in their place.
 */
import { CocoError } from "@coco/base";

const originals = new WeakMap<object, CocoError>();

export function isInterruption(error: unknown): error is CocoError {
  return (
    error instanceof CocoError &&
    (error.code === "TransactionConflict" || error.code === "TransactionEnded")
  );
}

/** Notes what `plain` stands for. */
export function markInterruption(plain: Error, original: CocoError): void {
  originals.set(plain, original);
}

/** What a thrown value stands for, when that is an interruption. */
export function originalInterruption(thrown: unknown): CocoError | undefined {
  return typeof thrown === "object" && thrown !== null ? originals.get(thrown) : undefined;
}

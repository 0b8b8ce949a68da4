/**
 * Programmer errors. A failed assertion means that the program itself is wrong: the step that
 * failed stops, and nothing catches it except the loop that owns the step.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** @throws {AssertionError} when `condition` is false; `sentence` says what must hold. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new AssertionError(sentence);
}

/** Marks a branch that no value can reach; the compiler checks it too. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable value: ${String(value)}`);
}

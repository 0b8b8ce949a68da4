/** JSON values that several requests share, so nobody may change them. */

/** Freezes a value that JSON.parse made, to its leaves. */
export function deepFreeze<Value>(value: Value): Value {
  const waiting: unknown[] = [value];
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    if (typeof item !== "object" || item === null) continue;
    Object.freeze(item);
    // Nulls would end the loop no earlier than undefined, which JSON does not have.
    waiting.push(...Object.values(item));
  }
  return value;
}

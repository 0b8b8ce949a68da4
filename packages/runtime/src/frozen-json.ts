/** JSON values that several requests share, so nobody may change them. */

/** Freezes a value that JSON.parse made, to its leaves. */
export function deepFreeze<Value>(value: Value): Value {
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const item = waiting.pop();
    if (typeof item !== "object" || item === null) continue;
    Object.freeze(item);
    for (const part of Object.values(item)) waiting.push(part);
  }
  return value;
}

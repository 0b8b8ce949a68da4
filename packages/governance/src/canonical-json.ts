/** JSON with the keys of every object in order, as CCF's own tables and responses have it. */

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function write(value: unknown, parts: string[]): void {
  if (typeof value !== "object" || value === null) {
    parts.push(JSON.stringify(value) ?? "null");
    return;
  }
  // One frame for each level, so that no stored value is too deep to be read again.
  let separator = "";
  if (Array.isArray(value)) {
    parts.push("[");
    for (const item of value) {
      parts.push(separator);
      write(item, parts);
      separator = ",";
    }
    parts.push("]");
    return;
  }
  parts.push("{");
  const members = value as Readonly<Record<string, unknown>>;
  // Written by hand because JSON.stringify puts keys that look like integers first.
  for (const key of Object.keys(members).sort(compareText)) {
    if (members[key] === undefined) continue;
    parts.push(separator, JSON.stringify(key), ":");
    write(members[key], parts);
    separator = ",";
  }
  parts.push("}");
}

/** Undefined members of objects are left out; everything else must be JSON. */
export function canonicalJson(value: unknown): string {
  const parts: string[] = [];
  write(value, parts);
  return parts.join("");
}

/** The object that `text` holds, or undefined when it is not JSON or not an object. */
export function parseJsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
}

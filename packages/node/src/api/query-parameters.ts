/** Query strings: `a=1&b=2`, percent-encoded; the first of duplicates counts. */
export function parseQuery(query: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  if (query === "") return parameters;
  for (const part of query.split("&")) {
    const split = part.indexOf("=");
    const name = decode(split < 0 ? part : part.slice(0, split));
    if (!parameters.has(name)) parameters.set(name, split < 0 ? "" : decode(part.slice(split + 1)));
  }
  return parameters;
}

/** Text that is not percent-encoded properly stands for itself. */
function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A whole number of at most 15 digits; undefined for anything else. */
export function parseSeqno(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Small helpers for requests and responses. */

const empty: ReadonlyMap<string, string> = new Map();

/** `id=1&scope=x` as a map; the first of duplicate names wins. */
export function parseQuery(query: string): ReadonlyMap<string, string> {
  if (query === "") return empty;
  const values = new Map<string, string>();
  for (const part of query.split("&")) {
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    if (!values.has(name)) values.set(name, at < 0 ? "" : decodeURIComponent(part.slice(at + 1)));
  }
  return values;
}

export function badRequest(code: string, message: string): AppResponse {
  return { statusCode: 400, body: { error: { code, message } } };
}

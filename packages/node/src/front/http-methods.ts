/**
 * Request methods the front understands. A method crosses threads as its index in this list, so
 * the order is part of the batch format of one build and nothing else.
 */
export const httpMethods: readonly string[] = [
  "GET",
  "POST",
  "PUT",
  "DELETE",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "TRACE",
  "CONNECT",
  "COPY",
  "LOCK",
  "MKCOL",
  "MOVE",
  "PROPFIND",
  "PROPPATCH",
  "SEARCH",
  "UNLOCK",
  "BIND",
  "REBIND",
  "UNBIND",
  "ACL",
  "REPORT",
  "MKACTIVITY",
  "CHECKOUT",
  "MERGE",
  "M-SEARCH",
  "NOTIFY",
  "SUBSCRIBE",
  "UNSUBSCRIBE",
  "PURGE",
  "MKCALENDAR",
  "LINK",
  "UNLINK",
  "QUERY",
];

/** Index of GET, which the parser finds without a look-up. */
export const methodGet = 0;
/** Index of POST. */
export const methodPost = 1;
/** Index of HEAD, whose responses carry no body. */
export const methodHead = 4;

const indexByMethod = new Map(httpMethods.map((method, index) => [method, index]));

/** Index of an upper-case method name; -1 when the front does not know it. */
export function methodToIndex(method: string): number {
  return indexByMethod.get(method) ?? -1;
}

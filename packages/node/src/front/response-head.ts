/**
 * The head of an HTTP/1.1 response as CCF writes it: reason phrases are names with underscores,
 * header names are lower case and sorted, and nothing is added (no date, server or connection).
 */

/**
 * Head text up to and with the empty line; undefined when a header cannot be sent safely.
 * content-length, connection and transfer-encoding of `headers` are ignored: framing belongs to
 * the front.
 * @param bodyLength octets that follow
 * @param transactionId view.seqno, or undefined for a response without one
 */
export function responseHead(
  status: number,
  headers: Readonly<Record<string, string>>,
  bodyLength: number,
  transactionId: string | undefined,
): string | undefined {
  let names: string[] | undefined;
  let previous = "content-length";
  let text = `${statusLine(status)}content-length: ${bodyLength}\r\n`;
  for (const name in headers) {
    if (name <= previous || name >= transactionIdHeader) {
      names = Object.keys(headers);
      break;
    }
    const value = headers[name] as string;
    if (!isHeaderSafe(name, value)) return undefined;
    if (!isFramingHeader(name)) text += `${name}: ${value}\r\n`;
    previous = name;
  }
  if (names !== undefined) return sortedHead(status, headers, names, bodyLength, transactionId);
  if (transactionId !== undefined) text += `${transactionIdHeader}: ${transactionId}\r\n`;
  return `${text}\r\n`;
}

/** Name of the header that carries view.seqno. */
const transactionIdHeader = "x-ms-ccf-transaction-id";

/** Reason phrase: `NOT_FOUND` for 404. */
function statusToReason(status: number): string {
  return reasons[status] ?? "UNKNOWN";
}

/** Body of an error response: `{"error":{"code","message"}}`. */
export function errorBody(code: string, message: string): string {
  return JSON.stringify({ error: { code, message } });
}

const statusLines = new Map<number, string>();

function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${statusToReason(status)}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

function sortedHead(
  status: number,
  headers: Readonly<Record<string, string>>,
  names: readonly string[],
  bodyLength: number,
  transactionId: string | undefined,
): string | undefined {
  const byName = new Map<string, string>();
  for (const name of names) {
    const value = headers[name] as string;
    const lowerName = name.toLowerCase();
    if (!isHeaderSafe(lowerName, value)) return undefined;
    if (!isFramingHeader(lowerName)) byName.set(lowerName, value);
  }
  byName.set("content-length", String(bodyLength));
  if (transactionId !== undefined) byName.set(transactionIdHeader, transactionId);
  let text = statusLine(status);
  for (const name of [...byName.keys()].sort()) text += `${name}: ${byName.get(name)}\r\n`;
  return `${text}\r\n`;
}

function isFramingHeader(name: string): boolean {
  return name === "content-length" || name === "transfer-encoding" || name === "connection";
}

const safeName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const unsafeValue = /[^\t\x20-\x7e\x80-\xff]/;

function isHeaderSafe(name: string, value: unknown): boolean {
  if (typeof value !== "string" || unsafeValue.test(value)) return false;
  return name === "content-type" || safeName.test(name);
}

/** All names CCF's parser library knows, non-standard ones and their spelling included. */
const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  201: "CREATED",
  202: "ACCEPTED",
  203: "NON_AUTHORITATIVE_INFORMATION",
  204: "NO_CONTENT",
  205: "RESET_CONTENT",
  206: "PARTIAL_CONTENT",
  207: "MULTI_STATUS",
  208: "ALREADY_REPORTED",
  214: "TRANSFORMATION_APPLIED",
  226: "IM_USED",
  299: "MISCELLANEOUS_PERSISTENT_WARNING",
  300: "MULTIPLE_CHOICES",
  301: "MOVED_PERMANENTLY",
  302: "FOUND",
  303: "SEE_OTHER",
  304: "NOT_MODIFIED",
  305: "USE_PROXY",
  306: "SWITCH_PROXY",
  307: "TEMPORARY_REDIRECT",
  308: "PERMANENT_REDIRECT",
  400: "BAD_REQUEST",
  401: "UNAUTHORIZED",
  402: "PAYMENT_REQUIRED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  406: "NOT_ACCEPTABLE",
  407: "PROXY_AUTHENTICATION_REQUIRED",
  408: "REQUEST_TIMEOUT",
  409: "CONFLICT",
  410: "GONE",
  411: "LENGTH_REQUIRED",
  412: "PRECONDITION_FAILED",
  413: "PAYLOAD_TOO_LARGE",
  414: "URI_TOO_LONG",
  415: "UNSUPPORTED_MEDIA_TYPE",
  416: "RANGE_NOT_SATISFIABLE",
  417: "EXPECTATION_FAILED",
  418: "IM_A_TEAPOT",
  419: "PAGE_EXPIRED",
  420: "ENHANCE_YOUR_CALM",
  421: "MISDIRECTED_REQUEST",
  422: "UNPROCESSABLE_ENTITY",
  423: "LOCKED",
  424: "FAILED_DEPENDENCY",
  425: "TOO_EARLY",
  426: "UPGRADE_REQUIRED",
  428: "PRECONDITION_REQUIRED",
  429: "TOO_MANY_REQUESTS",
  430: "REQUEST_HEADER_FIELDS_TOO_LARGE_UNOFFICIAL",
  431: "REQUEST_HEADER_FIELDS_TOO_LARGE",
  440: "LOGIN_TIMEOUT",
  444: "NO_RESPONSE",
  449: "RETRY_WITH",
  450: "BLOCKED_BY_PARENTAL_CONTROL",
  451: "UNAVAILABLE_FOR_LEGAL_REASONS",
  460: "CLIENT_CLOSED_LOAD_BALANCED_REQUEST",
  463: "INVALID_X_FORWARDED_FOR",
  494: "REQUEST_HEADER_TOO_LARGE",
  495: "SSL_CERTIFICATE_ERROR",
  496: "SSL_CERTIFICATE_REQUIRED",
  497: "HTTP_REQUEST_SENT_TO_HTTPS_PORT",
  498: "INVALID_TOKEN",
  499: "CLIENT_CLOSED_REQUEST",
  500: "INTERNAL_SERVER_ERROR",
  501: "NOT_IMPLEMENTED",
  502: "BAD_GATEWAY",
  503: "SERVICE_UNAVAILABLE",
  504: "GATEWAY_TIMEOUT",
  505: "HTTP_VERSION_NOT_SUPPORTED",
  506: "VARIANT_ALSO_NEGOTIATES",
  507: "INSUFFICIENT_STORAGE",
  508: "LOOP_DETECTED",
  509: "BANDWIDTH_LIMIT_EXCEEDED",
  510: "NOT_EXTENDED",
  511: "NETWORK_AUTHENTICATION_REQUIRED",
  520: "WEB_SERVER_UNKNOWN_ERROR",
  521: "WEB_SERVER_IS_DOWN",
  522: "CONNECTION_TIMEOUT",
  523: "ORIGIN_IS_UNREACHABLE",
  524: "TIMEOUT_OCCURED",
  525: "SSL_HANDSHAKE_FAILED",
  526: "INVALID_SSL_CERTIFICATE",
  527: "RAILGUN_ERROR",
  529: "SITE_IS_OVERLOADED",
  530: "SITE_IS_FROZEN",
  561: "IDENTITY_PROVIDER_AUTHENTICATION_ERROR",
  598: "NETWORK_READ_TIMEOUT",
  599: "NETWORK_CONNECT_TIMEOUT",
};

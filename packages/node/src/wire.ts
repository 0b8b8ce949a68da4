/**
 * Batches between a front worker and the executor. Many requests travel in ONE transferred
 * ArrayBuffer, many responses return in one, because a message per request would cost more than
 * the request.
 *
 * A batch is a row of records. Each begins with 32-bit words in the machine's byte order (a batch
 * never leaves the process) and is padded to a multiple of four octets:
 *
 * - opened: size, 1, sessionId, name length, certificate length; name, certificate DER
 * - closed: size, 2, sessionId
 * - request: size, 3, sessionId, requestId, method index, target end, headers start, headers end,
 *   body start, body end; octets (positions count from the end of these words, target from 0)
 * - response: size, 4, sessionId, requestId, status, flags, length; a complete HTTP/1.1 response
 */
import { createHash, X509Certificate } from "node:crypto";
import { assert } from "@coco/base";
import type { AppRequest, RequestHeaders, Session, SessionCertificate } from "@coco/runtime";
import { httpMethods } from "./front/http-methods.ts";
import { errorBody, responseHead } from "./front/response-head.ts";

/** Front side: collects the records of one turn of the event loop. */
export class RequestBatchWriter {
  private readonly records = new RecordBuffer();
  /** Requests in the batch. */
  requestCount = 0;

  /** Octets in the batch. */
  get sizeBytes(): number {
    return this.records.position;
  }

  /** Goes before the first request of a session. */
  openSession(sessionId: number, interfaceName: string, certificate: Uint8Array | undefined): void {
    const name = Buffer.from(interfaceName, "utf8");
    const certificateLength = certificate?.length ?? 0;
    const { records } = this;
    const start = records.begin(kindOpened, 5, name.length + certificateLength);
    const { words, bytes } = records;
    const at = start >>> 2;
    words[at + 2] = sessionId;
    words[at + 3] = name.length;
    words[at + 4] = certificateLength;
    bytes.set(name, start + 20);
    if (certificate !== undefined) bytes.set(certificate, start + 20 + name.length);
  }

  /** Goes after the last request of a session that was opened. */
  closeSession(sessionId: number): void {
    const start = this.records.begin(kindClosed, 3, 0);
    this.records.words[(start >>> 2) + 2] = sessionId;
  }

  /**
   * One request. Target and header block lie in `head`; the body may lie in the same array.
   * @param headersStart first octet of the header lines; equal to `headersEnd` when there are none
   */
  request(
    sessionId: number,
    requestId: number,
    methodIndex: number,
    head: Uint8Array,
    targetStart: number,
    targetEnd: number,
    headersStart: number,
    headersEnd: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
  ): void {
    const headLength = headersEnd - targetStart;
    const bodyLength = bodyEnd - bodyStart;
    const { records } = this;
    const start = records.begin(kindRequest, requestWords, headLength + bodyLength);
    const { words } = records;
    const at = start >>> 2;
    words[at + 2] = sessionId;
    words[at + 3] = requestId;
    words[at + 4] = methodIndex;
    words[at + 5] = targetEnd - targetStart;
    words[at + 6] = headersStart - targetStart;
    words[at + 7] = headLength;
    words[at + 8] = headLength;
    words[at + 9] = headLength + bodyLength;
    const to = start + requestWords * 4;
    records.copy(head, targetStart, headersEnd, to);
    if (bodyLength > 0) records.copy(body, bodyStart, bodyEnd, to + headLength);
    this.requestCount += 1;
  }

  /** The batch so far as an array of its own, ready to transfer; undefined when it is empty. */
  take(): ArrayBuffer | undefined {
    this.requestCount = 0;
    return this.records.take();
  }
}

/** Executor side: knows the sessions of one front worker and walks its batches. */
export class RequestBatchReader {
  /** Open sessions by id. */
  readonly sessions = new Map<number, Session>();

  /**
   * Gives each request of a batch, in order. Views and their bodies stay valid as long as they are
   * referenced: the batch is never reused.
   */
  read(batch: ArrayBuffer, onRequest: (request: RequestView) => void): void {
    const bytes = Buffer.from(batch);
    const words = new Int32Array(batch);
    let start = 0;
    while (start < batch.byteLength) {
      const at = start >>> 2;
      const size = words[at] as number;
      assert(size > 0 && size % 4 === 0, "a record of a batch has a size");
      const sessionId = (words[at + 2] as number) >>> 0;
      switch (words[at + 1]) {
        case kindRequest: {
          const session = this.sessions.get(sessionId);
          assert(session !== undefined, "a session is opened before its first request");
          onRequest(new RequestView(bytes, words, start, session));
          break;
        }
        case kindOpened:
          this.sessions.set(sessionId, readSession(bytes, words, start, sessionId));
          break;
        default:
          assert(words[at + 1] === kindClosed, "a record of a request batch has a known kind");
          this.sessions.delete(sessionId);
      }
      start += size;
    }
  }
}

/** A request inside a batch: text is decoded and headers are parsed when first asked for. */
export class RequestView implements AppRequest {
  readonly session: Session;
  /** Counts the requests of the session. */
  readonly requestId: number;
  private readonly bytes: Buffer;
  private readonly words: Int32Array;
  private readonly at: number;
  private urlText: string | undefined = undefined;
  private prefixText = "";
  private pathText: string | undefined = undefined;
  private queryText: string | undefined = undefined;
  private headerBlock: HeaderBlock | undefined = undefined;
  private bodyBytes: Uint8Array | undefined = undefined;

  constructor(bytes: Buffer, words: Int32Array, start: number, session: Session) {
    this.bytes = bytes;
    this.words = words;
    this.at = start >>> 2;
    this.session = session;
    this.requestId = (words[this.at + 3] as number) >>> 0;
  }

  get sessionId(): number {
    return this.session.id;
  }

  get method(): string {
    return httpMethods[this.words[this.at + 4] as number] as string;
  }

  get url(): string {
    this.urlText ??= this.latin1(0, this.words[this.at + 5] as number);
    return this.urlText;
  }

  /** Target without query: `/app/log/private`. */
  get fullPath(): string {
    if (this.pathText === undefined) {
      const { url } = this;
      const mark = url.indexOf("?");
      this.pathText = mark < 0 ? url : url.slice(0, mark);
    }
    return this.pathText;
  }

  get path(): string {
    return this.prefixText === "" ? this.fullPath : this.fullPath.slice(this.prefixText.length);
  }

  /** Says which leading part of `fullPath` is the application's prefix. */
  set prefix(prefix: string) {
    this.prefixText = prefix;
  }

  get query(): string {
    if (this.queryText === undefined) {
      const { url } = this;
      const mark = url.indexOf("?");
      const fragment = mark < 0 ? -1 : url.indexOf("#", mark + 1);
      this.queryText =
        mark < 0 ? "" : fragment < 0 ? url.slice(mark + 1) : url.slice(mark + 1, fragment);
    }
    return this.queryText;
  }

  get headers(): RequestHeaders {
    this.headerBlock ??= new HeaderBlock(
      this.latin1(this.words[this.at + 6] as number, this.words[this.at + 7] as number),
    );
    return this.headerBlock;
  }

  get body(): Uint8Array {
    if (this.bodyBytes === undefined) {
      const origin = this.at * 4 + requestWords * 4;
      this.bodyBytes = new Uint8Array(
        this.bytes.buffer,
        origin + (this.words[this.at + 8] as number),
        this.bodyLength,
      );
    }
    return this.bodyBytes;
  }

  /** Octets of the body, without making a view of it. */
  get bodyLength(): number {
    return (this.words[this.at + 9] as number) - (this.words[this.at + 8] as number);
  }

  /** Writes the request into another batch, as one of another session. */
  copyTo(writer: RequestBatchWriter, sessionId: number, requestId: number): void {
    const { words, at, bytes } = this;
    const origin = (at + requestWords) * 4;
    const word = (index: number) => origin + (words[at + index] as number);
    const method = words[at + 4] as number;
    const headers = [word(6), word(7)] as const;
    writer.request(
      sessionId,
      requestId,
      method,
      bytes,
      origin,
      word(5),
      headers[0],
      headers[1],
      bytes,
      word(8),
      word(9),
    );
  }

  private latin1(from: number, to: number): string {
    const origin = this.at * 4 + requestWords * 4;
    return this.bytes.toString("latin1", origin + from, origin + to);
  }
}

/** Lines `Name: value`, each ended by CR LF, already checked by the front. */
export class HeaderBlock implements RequestHeaders {
  private readonly text: string;
  private names: string[] | undefined = undefined;
  private values: string[] = [];

  constructor(text: string) {
    this.text = text;
  }

  get(name: string): string | undefined {
    const at = this.parsedNames().indexOf(name);
    return at < 0 ? undefined : this.values[at];
  }

  *entries(): Iterable<readonly [name: string, value: string]> {
    const names = this.parsedNames();
    for (let index = 0; index < names.length; index += 1) {
      yield [names[index] as string, this.values[index] as string];
    }
  }

  private parsedNames(): string[] {
    if (this.names !== undefined) return this.names;
    const { text } = this;
    const names: string[] = [];
    let start = 0;
    while (start < text.length) {
      const end = text.indexOf("\r\n", start);
      const colon = text.indexOf(":", start);
      const name = text.slice(start, colon).toLowerCase();
      if (!names.includes(name)) {
        names.push(name);
        this.values.push(trimOptionalSpace(text, colon + 1, end));
      }
      start = end + 2;
    }
    this.names = names;
    return names;
  }
}

/** What the executor answers. */
export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

/** Executor side: collects the responses of one batch, each a complete HTTP/1.1 response. */
export class ResponseBatchWriter {
  private readonly records = new RecordBuffer();
  /** Responses in the batch. */
  responseCount = 0;

  get sizeBytes(): number {
    return this.records.position;
  }

  /**
   * A response whose headers cannot be sent (control characters, not text) becomes a 500.
   * @param transactionId view.seqno, or undefined for a response without one
   * @param lengthShown content-length of an answer to HEAD, which has no body
   * @param isLast true closes the session after this response
   */
  respond(
    sessionId: number,
    requestId: number,
    response: WireResponse,
    transactionId: string | undefined,
    isLast = false,
    lengthShown?: number,
  ): void {
    const { body } = response;
    const isText = typeof body === "string";
    const bodyLength = isText ? Buffer.byteLength(body, "utf8") : body.length;
    const isStatusSent = response.status >= 200 && response.status <= 599;
    const head = isStatusSent
      ? responseHead(response.status, response.headers, lengthShown ?? bodyLength, transactionId)
      : undefined;
    if (head === undefined) {
      this.respond(sessionId, requestId, unsendable, undefined, isLast);
      return;
    }
    const length = head.length + bodyLength;
    const { records } = this;
    const start = records.begin(kindResponse, responseWords, length);
    const { words, bytes } = records;
    const at = start >>> 2;
    words[at + 2] = sessionId;
    words[at + 3] = requestId;
    words[at + 4] = response.status;
    words[at + 5] = isLast ? flagLast : 0;
    words[at + 6] = length;
    const to = start + responseWords * 4;
    bytes.write(head, to, "latin1");
    if (isText) bytes.write(body, to + head.length, "utf8");
    else records.copy(body, 0, bodyLength, to + head.length);
    this.responseCount += 1;
  }

  /** A complete HTTP/1.1 response that another node made. */
  relay(
    sessionId: number,
    requestId: number,
    status: number,
    source: Uint8Array,
    from: number,
    to: number,
  ): void {
    const { records } = this;
    const start = records.begin(kindResponse, responseWords, to - from);
    const { words } = records;
    const at = start >>> 2;
    words[at + 2] = sessionId;
    words[at + 3] = requestId;
    words[at + 4] = status;
    words[at + 5] = 0;
    words[at + 6] = to - from;
    records.copy(source, from, to, start + responseWords * 4);
    this.responseCount += 1;
  }

  /** The batch so far, ready to transfer; undefined when it is empty. */
  take(): ArrayBuffer | undefined {
    this.responseCount = 0;
    return this.records.take();
  }
}

/** Receives the responses of a batch; `bytes[start, end)` is a complete HTTP/1.1 response. */
export type ResponseSink = (
  sessionId: number,
  requestId: number,
  bytes: Buffer,
  start: number,
  end: number,
  isLast: boolean,
  status: number,
) => void;

/** Front side: walks the responses of a batch in order. */
export function readResponseBatch(batch: ArrayBuffer, onResponse: ResponseSink): void {
  const bytes = Buffer.from(batch);
  const words = new Int32Array(batch);
  let start = 0;
  while (start < batch.byteLength) {
    const at = start >>> 2;
    const size = words[at] as number;
    assert(size > 0 && words[at + 1] === kindResponse, "a response batch holds responses");
    const from = start + responseWords * 4;
    onResponse(
      (words[at + 2] as number) >>> 0,
      (words[at + 3] as number) >>> 0,
      bytes,
      from,
      from + (words[at + 6] as number),
      words[at + 5] === flagLast,
      words[at + 4] as number,
    );
    start += size;
  }
}

/** The certificate of a session; its fingerprint and PEM are computed when first asked for. */
function createSessionCertificate(der: Uint8Array): SessionCertificate {
  return new LazyCertificate(der);
}

class LazyCertificate implements SessionCertificate {
  readonly der: Uint8Array;
  private fingerprintText: string | undefined = undefined;
  private pemText: string | undefined = undefined;

  constructor(der: Uint8Array) {
    this.der = der;
  }

  get fingerprint(): string {
    this.fingerprintText ??= createHash("sha256").update(this.der).digest("hex");
    return this.fingerprintText;
  }

  get pem(): string {
    this.pemText ??= new X509Certificate(this.der).toString();
    return this.pemText;
  }
}

const kindOpened = 1;
const kindClosed = 2;
const kindRequest = 3;
const kindResponse = 4;
const requestWords = 10;
const responseWords = 7;
const flagLast = 1;

const unsendable: WireResponse = {
  status: 500,
  headers: { "content-type": "application/json" },
  body: errorBody("InternalError", "The response has a status or header that cannot be sent."),
};

function readSession(bytes: Buffer, words: Int32Array, start: number, id: number): Session {
  const at = start >>> 2;
  const nameEnd = start + 20 + (words[at + 3] as number);
  const certificateEnd = nameEnd + (words[at + 4] as number);
  const certificate = bytes.subarray(nameEnd, certificateEnd);
  return {
    id,
    interfaceName: bytes.toString("utf8", start + 20, nameEnd),
    certificate:
      certificate.length === 0 ? undefined : createSessionCertificate(Uint8Array.from(certificate)),
  };
}

/** Spaces and tabs around a field value do not belong to it. @source RFC 9110 section 5.5 */
function trimOptionalSpace(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isOptionalSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isOptionalSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isOptionalSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** A growing array that is reused: `take` copies out what was written. */
class RecordBuffer {
  private static readonly initialSizeBytes = 64 * 1024;
  /** A batch with a huge body must not pin its memory for ever. */
  private static readonly keptSizeBytesMax = 4 * 1024 * 1024;
  bytes = Buffer.from(new ArrayBuffer(RecordBuffer.initialSizeBytes));
  words = new Int32Array(this.bytes.buffer);
  position = 0;

  /** Reserves a record and returns its start. */
  begin(kind: number, wordCount: number, payloadLength: number): number {
    const start = this.position;
    const size = (wordCount * 4 + payloadLength + 3) & ~3;
    if (start + size > this.bytes.length) this.grow(start + size);
    this.words[start >>> 2] = size;
    this.words[(start >>> 2) + 1] = kind;
    this.position = start + size;
    return start;
  }

  copy(source: Uint8Array, from: number, to: number, target: number): void {
    if (source instanceof Buffer) source.copy(this.bytes, target, from, to);
    else this.bytes.set(source.subarray(from, to), target);
  }

  take(): ArrayBuffer | undefined {
    if (this.position === 0) return undefined;
    const batch = (this.bytes.buffer as ArrayBuffer).slice(0, this.position);
    this.position = 0;
    if (this.bytes.length > RecordBuffer.keptSizeBytesMax) {
      this.replace(RecordBuffer.initialSizeBytes);
    }
    return batch;
  }

  private grow(neededSize: number): void {
    const written = this.bytes.subarray(0, this.position);
    let size = this.bytes.length;
    while (size < neededSize) size *= 2;
    this.replace(size);
    this.bytes.set(written);
  }

  private replace(size: number): void {
    this.bytes = Buffer.from(new ArrayBuffer(size));
    this.words = new Int32Array(this.bytes.buffer);
  }
}

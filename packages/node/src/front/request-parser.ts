/**
 * Incremental HTTP/1.1 request parser. Octets are looked at once and copied only when a message
 * does not end in the chunk it began in. It is stricter than the RFC where leniency has let
 * requests be smuggled: one length per message, no bare LF, no folded lines, no space before the
 * colon. @source RFC 9112
 */
import { ChunkedBody } from "./chunked-body.ts";
import { type HeadLimits, HeadScanner } from "./head-scanner.ts";
import { bodyFailure, type ParseFailure, syntaxFailure } from "./parse-failure.ts";

export interface RequestLimits extends HeadLimits {
  readonly bodySizeBytesMax: number;
  /** The limit as configured, for the message to the client. */
  readonly bodySizeText: string;
}

/** Receives what the parser finds, synchronously: arrays are only valid during the call. */
export interface RequestSink {
  request(
    methodIndex: number,
    head: Buffer,
    targetStart: number,
    targetEnd: number,
    headersStart: number,
    headersEnd: number,
    body: Buffer,
    bodyStart: number,
    bodyEnd: number,
  ): void;
  /** The session cannot go on. @param fragment the chunk that was being read */
  failure(failure: ParseFailure, fragment: Buffer): void;
}

/** Reads the requests of one session. */
export class RequestParser {
  private readonly sink: RequestSink;
  private readonly limits: RequestLimits;
  private readonly head: HeadScanner;
  private chunked: ChunkedBody | undefined = undefined;
  private phase: "head" | "length" | "chunked" | "failed" = "head";
  /** The octets of a head that did not end in its chunk, from `storedHead[0]` on. */
  private storedHead = emptyBuffer;
  private storedHeadLength = 0;
  private storedBody = emptyBuffer;
  private storedBodyLength = 0;
  private bodyRemaining = 0;
  private isLastSeen = false;

  constructor(sink: RequestSink, limits: RequestLimits) {
    this.sink = sink;
    this.limits = limits;
    this.head = new HeadScanner(limits);
  }

  /** True between the first octet of a head and its end. */
  get isInHead(): boolean {
    return this.phase === "head" && this.storedHeadLength > 0;
  }

  /** True between the end of a head and the end of its body. */
  get isInBody(): boolean {
    return this.phase === "length" || this.phase === "chunked";
  }

  /** Octets held for a message that is not complete. */
  get storedSizeBytes(): number {
    return this.storedHeadLength + this.storedBodyLength;
  }

  /** Reads one chunk; after a failure further chunks are ignored. */
  feed(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length && this.phase !== "failed") {
      if (this.phase === "head") position = this.feedHead(chunk, position);
      else if (this.phase === "length") position = this.feedLength(chunk, position);
      else position = this.feedChunked(chunk, position);
    }
  }

  private feedHead(chunk: Buffer, position: number): number {
    const { head } = this;
    if (this.storedHeadLength === 0) {
      const from = skipEmptyLines(chunk, position);
      if (from === chunk.length) return from;
      if (this.isLastSeen) {
        return this.fail(
          syntaxFailure("CLOSED_CONNECTION", "Data after `Connection: close`", from + 1),
          chunk,
        );
      }
      head.begin(from);
      head.scan(chunk, chunk.length);
    } else {
      this.storeHead(chunk, position);
      head.scan(this.storedHead, this.storedHeadLength);
    }
    return this.afterScan(chunk);
  }

  /** Goes on according to what the scanner found; returns the position in `chunk`. */
  private afterScan(chunk: Buffer): number {
    const { head } = this;
    // Where the chunk lies in the scanned array.
    const isStored = this.storedHeadLength > 0;
    const offset = isStored ? this.storedHeadLength - chunk.length : 0;
    if (head.failure !== undefined) {
      const { failure } = head;
      return this.fail({ ...failure, position: Math.max(0, failure.position - offset) }, chunk);
    }
    if (!head.isComplete) {
      if (!isStored) {
        this.storeHead(chunk, head.start);
        head.rebase();
      }
      return chunk.length;
    }
    const end = head.end - offset;
    if (head.isLast) this.isLastSeen = true;
    if (isStored) this.storedHeadLength = head.end;
    if (head.isChunked) {
      if (!isStored) this.keepHead(chunk);
      this.chunked ??= new ChunkedBody();
      this.chunked.reset();
      this.phase = "chunked";
      return end;
    }
    const length = head.contentLength;
    if (chunk.length - end >= length && length <= this.limits.bodySizeBytesMax) {
      this.emit(isStored ? this.storedHead : chunk, chunk, end, end + length);
      return end + length;
    }
    if (!isStored) this.keepHead(chunk);
    this.bodyRemaining = length;
    this.phase = "length";
    return end;
  }

  private feedLength(chunk: Buffer, position: number): number {
    const end = Math.min(chunk.length, position + this.bodyRemaining);
    if (this.storedBodyLength === 0 && end - position === this.bodyRemaining) {
      if (this.bodyRemaining > this.limits.bodySizeBytesMax) return this.failBody(chunk);
      this.emit(this.storedHead, chunk, position, end);
      return end;
    }
    if (!this.storeBody(chunk, position, end)) return this.failBody(chunk);
    this.bodyRemaining -= end - position;
    if (this.bodyRemaining === 0) {
      this.emit(this.storedHead, this.storedBody, 0, this.storedBodyLength);
    }
    return end;
  }

  private feedChunked(chunk: Buffer, position: number): number {
    const chunked = this.chunked as ChunkedBody;
    let isRefused = false;
    const end = chunked.feed(chunk, position, (bytes, from, to) => {
      isRefused = !this.storeBody(bytes, from, to);
      return !isRefused;
    });
    if (isRefused) return this.failBody(chunk);
    if (chunked.failure !== undefined) return this.fail(chunked.failure, chunk);
    if (chunked.isComplete) this.emit(this.storedHead, this.storedBody, 0, this.storedBodyLength);
    return end;
  }

  private emit(source: Buffer, body: Buffer, bodyStart: number, bodyEnd: number): void {
    const { head } = this;
    this.phase = "head";
    this.sink.request(
      head.methodIndex,
      source,
      head.targetStart,
      head.targetEnd,
      head.headersStart,
      head.headersEnd,
      body,
      bodyStart,
      bodyEnd,
    );
    this.storedHeadLength = 0;
    this.storedBodyLength = 0;
    // An idle session keeps no large buffers.
    if (this.storedHead.length > keptSizeBytesMax) this.storedHead = emptyBuffer;
    if (this.storedBody.length > keptSizeBytesMax) this.storedBody = emptyBuffer;
  }

  private fail(failure: ParseFailure, chunk: Buffer): number {
    this.phase = "failed";
    this.storedHead = emptyBuffer;
    this.storedBody = emptyBuffer;
    this.storedHeadLength = 0;
    this.storedBodyLength = 0;
    this.sink.failure(failure, chunk);
    return chunk.length;
  }

  private failBody(chunk: Buffer): number {
    return this.fail(bodyFailure(this.limits.bodySizeText), chunk);
  }

  /** Keeps a complete head while its body arrives. */
  private keepHead(chunk: Buffer): void {
    this.storeHead(chunk.subarray(0, this.head.end), this.head.start);
    this.head.rebase();
  }

  private storeHead(chunk: Buffer, from: number): void {
    const length = this.storedHeadLength + chunk.length - from;
    this.storedHead = withRoom(this.storedHead, this.storedHeadLength, length);
    chunk.copy(this.storedHead, this.storedHeadLength, from);
    this.storedHeadLength = length;
  }

  /** False when the body grows over its limit. */
  private storeBody(chunk: Buffer, from: number, to: number): boolean {
    const length = this.storedBodyLength + to - from;
    if (length > this.limits.bodySizeBytesMax) return false;
    this.storedBody = withRoom(this.storedBody, this.storedBodyLength, length);
    chunk.copy(this.storedBody, this.storedBodyLength, from, to);
    this.storedBodyLength = length;
    return true;
  }
}

const emptyBuffer: Buffer = Buffer.alloc(0);
const keptSizeBytesMax = 4096;

/** Empty lines before a request are ignored. @source RFC 9112 section 2.2 */
function skipEmptyLines(chunk: Buffer, position: number): number {
  let at = position;
  while (at < chunk.length && (chunk[at] === 0x0d || chunk[at] === 0x0a)) at += 1;
  return at;
}

function withRoom(buffer: Buffer, usedLength: number, neededLength: number): Buffer {
  if (neededLength <= buffer.length) return buffer;
  let size = Math.max(1024, buffer.length);
  while (size < neededLength) size *= 2;
  const larger = Buffer.allocUnsafe(size);
  buffer.copy(larger, 0, 0, usedLength);
  return larger;
}

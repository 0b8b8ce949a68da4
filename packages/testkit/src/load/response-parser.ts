import { testkitErrors } from "../errors.ts";

/** One answer. `body` is a view that is valid only during the call. */
export interface LoadResponse {
  readonly status: number;
  /** `view.seqno`, when the node sent one. */
  readonly txId: string | undefined;
  readonly body: Uint8Array;
}

const headSizeMaxBytes = 65_536;
const bodySizeMaxBytes = 64 << 20;
const emptyBytes = Buffer.alloc(0);

/**
 * Cuts a stream of bytes into HTTP/1.1 answers with content-length, and nothing more: the work
 * per answer is one scan over its head. Chunked answers are refused.
 */
export class ResponseParser {
  #pending: Buffer = emptyBytes;
  readonly #onResponse: (response: LoadResponse) => void;

  constructor(onResponse: (response: LoadResponse) => void) {
    this.#onResponse = onResponse;
  }

  /** @throws {CocoError} BadResponse */
  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#pending.length > 0) bytes = Buffer.concat([this.#pending, chunk]);
    let offset = 0;
    while (offset < bytes.length) {
      const size = this.#parseOne(bytes, offset);
      if (size === 0) break;
      offset += size;
    }
    // The chunk's memory is used again by the next read, so the rest has to be a copy.
    this.#pending = offset < bytes.length ? Buffer.from(bytes.subarray(offset)) : emptyBytes;
  }

  /** Size of the answer at `offset`, after having reported it; 0 when it is not complete. */
  #parseOne(bytes: Buffer, offset: number): number {
    const headEnd = findHeadEnd(bytes, offset);
    if (headEnd < 0) {
      if (bytes.length - offset > headSizeMaxBytes) throw fail("its head is too long");
      return 0;
    }
    const status = parseStatus(bytes, offset);
    const head = bytes.toString("latin1", offset, headEnd);
    const sizeBytes = status === 204 || status === 304 ? 0 : contentLength(head);
    if (bytes.length - headEnd < sizeBytes) return 0;
    const body = bytes.subarray(headEnd, headEnd + sizeBytes);
    this.#onResponse({ status, txId: headerValue(head, txIdHeader), body });
    return headEnd + sizeBytes - offset;
  }
}

/** Names with the end of the line before them, so that no longer name fits. */
const txIdHeader = "\nx-ms-ccf-transaction-id: ";
const lengthHeader = "\ncontent-length: ";

function fail(detail: string) {
  return testkitErrors.create("BadResponse", detail);
}

function findHeadEnd(bytes: Buffer, offset: number): number {
  const end = bytes.indexOf("\r\n\r\n", offset, "latin1");
  return end < 0 ? -1 : end + 4;
}

/** The three digits after `HTTP/1.1 `. */
function parseStatus(bytes: Buffer, offset: number): number {
  const isHttp = bytes[offset] === 72 && bytes[offset + 5] === 49 && bytes[offset + 8] === 32;
  const digits = [bytes[offset + 9]! - 48, bytes[offset + 10]! - 48, bytes[offset + 11]! - 48];
  if (!isHttp || digits.some((digit) => !(digit >= 0 && digit <= 9))) {
    throw fail("it has no HTTP/1.1 status line");
  }
  return digits[0]! * 100 + digits[1]! * 10 + digits[2]!;
}

/** Nodes of this dialect send lower-case names; others cost a second search. */
function headerValue(head: string, name: string): string | undefined {
  let at = head.indexOf(name);
  if (at < 0) at = head.toLowerCase().indexOf(name);
  return at < 0 ? undefined : head.slice(at + name.length, head.indexOf("\r", at));
}

function contentLength(head: string): number {
  const text = headerValue(head, lengthHeader);
  if (text === undefined || !/^[0-9]{1,9}$/.test(text)) throw fail("it has no content-length");
  const sizeBytes = Number(text);
  if (sizeBytes > bodySizeMaxBytes) throw fail(`its body has ${sizeBytes} bytes`);
  return sizeBytes;
}

/** Finds request line, header lines and framing of one message head; resumable at any octet. */
import { httpMethods, methodGet, methodPost, methodToIndex } from "./http-methods.ts";
import {
  carriageReturn,
  colon,
  equalsIgnoreCase,
  isFieldValue,
  isTarget,
  isToken,
  lineFeed,
  space,
  tab,
} from "./octets.ts";
import { headerFailure, type ParseFailure, syntaxFailure } from "./parse-failure.ts";

export interface HeadLimits {
  /** Octets of one header name, and of one header value. */
  readonly headerSizeBytesMax: number;
  /** The limit as configured, for the message to the client. */
  readonly headerSizeText: string;
  readonly headerCountMax: number;
  /** Octets of request line and header lines together. */
  readonly headSizeBytesMax: number;
}

/** Positions are indices into the scanned array. */
export class HeadScanner {
  start = 0;
  methodIndex = 0;
  targetStart = 0;
  targetEnd = 0;
  headersStart = 0;
  /** After the CR LF of the last header line. */
  headersEnd = 0;
  /** After the empty line. */
  end = 0;
  /** 0 when the head declares none. */
  contentLength = 0;
  isChunked = false;
  /** The client sends nothing after this message. */
  isLast = false;
  isComplete = false;
  failure: ParseFailure | undefined = undefined;
  private readonly limits: HeadLimits;
  private state = stateMethod;
  /** Next octet to look at. */
  private at = 0;
  private literalIndex = 0;
  private isMinorZero = false;
  private headerCount = 0;
  private nameStart = 0;
  private nameEnd = 0;
  private valueStart = 0;
  private hasContentLength = false;
  private hasTransferEncoding = false;
  private saysClose = false;
  private saysKeepAlive = false;

  constructor(limits: HeadLimits) {
    this.limits = limits;
  }

  /** Starts a new head at `start`. */
  begin(start: number): void {
    this.start = start;
    this.at = start;
    this.state = stateMethod;
    this.contentLength = 0;
    this.isChunked = false;
    this.isLast = false;
    this.isComplete = false;
    this.failure = undefined;
    this.literalIndex = 0;
    this.headerCount = 0;
    this.hasContentLength = false;
    this.hasTransferEncoding = false;
    this.saysClose = false;
    this.saysKeepAlive = false;
  }

  /** The octets from `start` on were moved to index 0. */
  rebase(): void {
    const { start } = this;
    this.start = 0;
    this.at -= start;
    this.targetStart -= start;
    this.targetEnd -= start;
    this.headersStart -= start;
    this.headersEnd -= start;
    this.end -= start;
    this.nameStart -= start;
    this.nameEnd -= start;
    this.valueStart -= start;
  }

  /** Goes on until the head is complete, has failed, or `end` is reached. */
  scan(bytes: Buffer, end: number): void {
    const limit = Math.min(end, this.start + this.limits.headSizeBytesMax);
    while (this.at < limit && !this.isComplete && this.failure === undefined) {
      if (this.state >= stateLineStart) this.scanHeaders(bytes, limit);
      else if (this.state === stateMethod) this.scanMethod(bytes, limit);
      else if (this.state === stateTarget) this.scanTarget(bytes, limit);
      else if (this.state === stateVersion) this.scanVersion(bytes, limit);
      else this.scanPreface(bytes, limit);
    }
    if (limit < end && !this.isComplete && this.failure === undefined) {
      const sizeText = `${this.limits.headSizeBytesMax} bytes`;
      this.failure = headerFailure(`Request head is too large (max size allowed: ${sizeText})`);
    }
  }

  private scanMethod(bytes: Buffer, end: number): void {
    const { start } = this;
    let at = this.at;
    while (at < end && isToken[bytes[at] as number] === 1 && at - start <= methodLengthMax) at += 1;
    this.at = at;
    if (at === end && at - start <= methodLengthMax) {
      // A method that nobody knows is refused at once, not when its end arrives.
      if (longestPrefix(bytes, start, at) < at - start) this.failMethod(bytes, at);
      return;
    }
    const length = at - start;
    const first = bytes[start] as number;
    if (length === 3 && first === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) {
      this.methodIndex = methodGet;
    } else if (length === 4 && first === 0x50 && bytes.readInt32LE(start) === postWord) {
      this.methodIndex = methodPost;
    } else {
      const method = bytes.toString("latin1", start, at);
      this.methodIndex = methodToIndex(method);
      if (method === "PRI") {
        this.state = statePreface;
        this.literalIndex = 3;
        return;
      }
      if (this.methodIndex < 0) {
        this.failMethod(bytes, at);
        return;
      }
    }
    if (bytes[at] !== space) {
      this.fail("INVALID_METHOD", "Expected space after method", at);
      return;
    }
    this.at = at + 1;
    this.targetStart = at + 1;
    this.state = stateTarget;
  }

  private failMethod(bytes: Buffer, end: number): void {
    const position = this.start + longestPrefix(bytes, this.start, end);
    const isMethod = methodToIndex(bytes.toString("latin1", this.start, position)) >= 0;
    const reason = isMethod ? "Expected space after method" : "Invalid method encountered";
    this.fail("INVALID_METHOD", reason, position);
  }

  private scanTarget(bytes: Buffer, end: number): void {
    let at = this.at;
    while (at < end && isTarget[bytes[at] as number] === 1) at += 1;
    this.at = at;
    if (at === end) return;
    const problem = this.targetProblem(bytes, at);
    if (problem !== undefined) {
      this.failure = problem;
      return;
    }
    this.targetEnd = at;
    this.at = at + 1;
    this.literalIndex = 0;
    this.state = stateVersion;
  }

  /** The target is origin form, asterisk form, absolute form, or the authority of CONNECT. */
  private targetProblem(bytes: Buffer, end: number): ParseFailure | undefined {
    const start = this.targetStart;
    const first = bytes[start] as number;
    if (first !== slash && first !== asterisk && httpMethods[this.methodIndex] !== "CONNECT") {
      const target = bytes.toString("latin1", start, end);
      const scheme = /^[A-Za-z]*/.exec(target)?.[0].length ?? 0;
      if (scheme === 0) return syntaxFailure("INVALID_URL", "Unexpected start char in url", start);
      if (!target.startsWith("://", scheme)) {
        return syntaxFailure("INVALID_URL", "Unexpected char in url schema", start + scheme);
      }
      const authority = authorityOctets.exec(target.slice(scheme + 3))?.[0].length ?? 0;
      const after = target.charAt(scheme + 3 + authority);
      if (after !== "" && !"/?".includes(after)) {
        const position = start + scheme + 3 + authority;
        return syntaxFailure("INVALID_URL", "Unexpected char in url server", position);
      }
    }
    if (bytes[end] === space && end > start) return undefined;
    const part = bytes.indexOf("?", start) >= 0 && bytes.indexOf("?", start) < end;
    const reason = `Invalid char in url ${part ? "query" : "path"}`;
    return syntaxFailure("INVALID_URL", reason, end);
  }

  private scanVersion(bytes: Buffer, end: number): void {
    let at = this.at;
    for (; at < end; at += 1) {
      const octet = bytes[at] as number;
      const index = this.literalIndex;
      if (index === minorIndex) {
        if (octet !== 0x30 && octet !== 0x31) {
          this.fail("INVALID_VERSION", "Invalid HTTP version", at + 1);
          return;
        }
        this.isMinorZero = octet === 0x30;
      } else if (octet !== versionLiteral.charCodeAt(index)) {
        if (index < 5) {
          this.fail("INVALID_CONSTANT", "Expected HTTP/, RTSP/ or ICE/", at);
          return;
        }
        if (index > minorIndex) {
          const position = octet === lineFeed ? at + 1 : at;
          this.fail("INVALID_VERSION", "Expected CRLF after version", position);
          return;
        }
        this.fail("INVALID_VERSION", "Invalid HTTP version", at);
        return;
      }
      this.literalIndex = index + 1;
      if (this.literalIndex === versionLiteral.length) {
        this.at = at + 1;
        this.headersStart = at + 1;
        this.state = stateLineStart;
        return;
      }
    }
    this.at = at;
  }

  /** HTTP/2 with prior knowledge on an HTTP/1.1 interface. */
  private scanPreface(bytes: Buffer, end: number): void {
    for (; this.at < end; this.at += 1) {
      if (bytes[this.at] !== prefaceLiteral.charCodeAt(this.literalIndex)) {
        this.fail("INVALID_VERSION", "Expected HTTP/2 Connection Preface", this.at);
        return;
      }
      this.literalIndex += 1;
      if (this.literalIndex === prefaceLiteral.length) {
        this.fail("PAUSED_H2_UPGRADE", "Pause on PRI/Upgrade", this.at + 1);
        return;
      }
    }
  }

  private scanHeaders(bytes: Buffer, end: number): void {
    while (this.at < end && !this.isComplete && this.failure === undefined) {
      switch (this.state) {
        case stateLineStart:
          this.scanLineStart(bytes);
          break;
        case stateName:
          this.scanName(bytes, end);
          break;
        case stateValueStart:
          this.scanValueStart(bytes, end);
          break;
        case stateValue:
          this.scanValue(bytes, end);
          break;
        case stateValueFeed:
          this.scanValueFeed(bytes);
          break;
        default:
          this.scanEnd(bytes);
      }
    }
  }

  private scanLineStart(bytes: Buffer): void {
    const { at } = this;
    const octet = bytes[at] as number;
    if (octet === carriageReturn) {
      this.headersEnd = at;
      this.at = at + 1;
      this.state = stateEndFeed;
      return;
    }
    if (octet === space || octet === tab) {
      if (this.headerCount === 0) {
        this.fail("UNEXPECTED_SPACE", "Unexpected space after start line", at + 1);
        return;
      }
      this.fail("INVALID_HEADER_TOKEN", "Unexpected whitespace after header value", at);
      return;
    }
    if (octet === lineFeed) {
      this.fail("INVALID_HEADER_TOKEN", "Invalid header field char", at + 1);
      return;
    }
    if (isToken[octet] === 0) {
      this.fail("INVALID_HEADER_TOKEN", "Invalid header token", at);
      return;
    }
    const { headerCountMax } = this.limits;
    this.headerCount += 1;
    if (this.headerCount > headerCountMax) {
      this.failure = headerFailure(`Too many headers (max number allowed: ${headerCountMax})`);
      return;
    }
    this.nameStart = at;
    this.state = stateName;
  }

  private scanName(bytes: Buffer, end: number): void {
    // The limit is part of the loop's bound, so that any split of the input fails alike.
    const limit = Math.min(end, this.nameStart + this.limits.headerSizeBytesMax + 1);
    let at = this.at;
    while (at < limit && isToken[bytes[at] as number] === 1) at += 1;
    this.at = at;
    if (at - this.nameStart > this.limits.headerSizeBytesMax) {
      this.nameEnd = at;
      this.failSize(bytes, "key");
    } else if (at < limit) {
      if (bytes[at] !== colon) {
        this.fail("INVALID_HEADER_TOKEN", "Invalid header token", at);
        return;
      }
      this.nameEnd = at;
      this.valueStart = at + 1;
      this.at = at + 1;
      this.state = stateValueStart;
    }
  }

  private scanValueStart(bytes: Buffer, end: number): void {
    const limit = Math.min(end, this.nameEnd + this.limits.headerSizeBytesMax + 1);
    let at = this.at;
    while (at < limit && (bytes[at] === space || bytes[at] === tab)) at += 1;
    this.at = at;
    if (at - this.nameEnd > this.limits.headerSizeBytesMax) {
      this.failSize(bytes, "value");
      return;
    }
    this.valueStart = at;
    if (at < limit) this.state = stateValue;
  }

  private scanValue(bytes: Buffer, end: number): void {
    const limit = Math.min(end, this.valueStart + this.limits.headerSizeBytesMax + 1);
    let at = this.at;
    while (at < limit && isFieldValue[bytes[at] as number] === 1) at += 1;
    this.at = at;
    if (at - this.valueStart > this.limits.headerSizeBytesMax) {
      this.failSize(bytes, "value");
    } else if (at < limit) {
      const octet = bytes[at];
      if (octet === carriageReturn) {
        this.at = at + 1;
        this.state = stateValueFeed;
      } else if (octet === lineFeed) {
        this.fail("CR_EXPECTED", "Missing expected CR after header value", at);
      } else {
        this.fail("INVALID_HEADER_TOKEN", "Invalid header value char", at);
      }
    }
  }

  private scanValueFeed(bytes: Buffer): void {
    const { at } = this;
    if (bytes[at] !== lineFeed) {
      this.fail("LF_EXPECTED", "Missing expected LF after header value", at);
      return;
    }
    this.at = at + 1;
    this.state = stateLineStart;
    const { nameStart, nameEnd } = this;
    const length = nameEnd - nameStart;
    if (length === 14 && equalsIgnoreCase(bytes, nameStart, nameEnd, "content-length")) {
      this.readContentLength(bytes, at - 1);
    } else if (length === 17 && equalsIgnoreCase(bytes, nameStart, nameEnd, "transfer-encoding")) {
      this.readTransferEncoding(bytes, at - 1);
    } else if (length === 10 && equalsIgnoreCase(bytes, nameStart, nameEnd, "connection")) {
      this.readConnection(bytes, at - 1);
    }
  }

  private readContentLength(bytes: Buffer, lineEnd: number): void {
    if (this.hasContentLength) {
      this.fail("UNEXPECTED_CONTENT_LENGTH", "Duplicate Content-Length", this.valueStart);
      return;
    }
    if (this.hasTransferEncoding) {
      const reason = "Content-Length can't be present with Transfer-Encoding";
      this.fail("INVALID_CONTENT_LENGTH", reason, this.nameEnd + 1);
      return;
    }
    const end = trimmedEnd(bytes, this.valueStart, lineEnd);
    if (end === this.valueStart) {
      this.fail("INVALID_CONTENT_LENGTH", "Empty Content-Length", lineEnd + 2);
      return;
    }
    let length = 0;
    for (let at = this.valueStart; at < end; at += 1) {
      const digit = (bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) {
        const reason = "Invalid character in Content-Length";
        this.fail("INVALID_CONTENT_LENGTH", reason, at);
        return;
      }
      length = length * 10 + digit;
      if (length >= 2 ** 64) {
        this.fail("INVALID_CONTENT_LENGTH", "Content-Length overflow", at + 1);
        return;
      }
    }
    this.hasContentLength = true;
    this.contentLength = length;
  }

  /** Only `chunked`, once: everything else would leave the length to interpretation. */
  private readTransferEncoding(bytes: Buffer, lineEnd: number): void {
    if (this.hasContentLength) {
      const reason = "Transfer-Encoding can't be present with Content-Length";
      this.fail("INVALID_TRANSFER_ENCODING", reason, this.nameEnd + 1);
      return;
    }
    const end = trimmedEnd(bytes, this.valueStart, lineEnd);
    const isChunked = equalsIgnoreCase(bytes, this.valueStart, end, "chunked");
    if (!isChunked || this.hasTransferEncoding || this.isMinorZero) {
      const reason = "Request has invalid `Transfer-Encoding`";
      this.fail("INVALID_TRANSFER_ENCODING", reason, lineEnd + 4);
      return;
    }
    this.hasTransferEncoding = true;
    this.isChunked = true;
  }

  private readConnection(bytes: Buffer, lineEnd: number): void {
    const options = bytes.toString("latin1", this.valueStart, lineEnd).toLowerCase().split(",");
    for (const option of options) {
      const name = option.trim();
      if (name === "close") this.saysClose = true;
      else if (name === "keep-alive") this.saysKeepAlive = true;
    }
  }

  private scanEnd(bytes: Buffer): void {
    const { at } = this;
    if (bytes[at] !== lineFeed) {
      this.fail("STRICT", "Expected LF after headers", at);
      return;
    }
    this.at = at + 1;
    this.end = at + 1;
    this.isLast = this.saysClose || (this.isMinorZero && !this.saysKeepAlive);
    this.isComplete = true;
  }

  private failSize(bytes: Buffer, part: "key" | "value"): void {
    const nameEnd = Math.min(this.nameEnd, this.nameStart + shownNameLengthMax);
    const name = bytes.toString("latin1", this.nameStart, nameEnd).toLowerCase();
    const limit = this.limits.headerSizeText;
    this.failure = headerFailure(
      `Header ${part} for '${name}' is too large (max size allowed: ${limit})`,
    );
  }

  private fail(code: string, message: string, position: number): void {
    this.failure = syntaxFailure(code, message, position);
  }
}

const methodLengthMax = 16;
const slash = 0x2f;
const asterisk = 0x2a;
const authorityOctets = /^[-A-Za-z0-9._~!$&'()*+,;=%:@[\]]*/;
const shownNameLengthMax = 256;
const versionLiteral = "HTTP/1.1\r\n";
const minorIndex = 7;
const prefaceLiteral = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const postWord = Buffer.from("POST").readInt32LE(0);

const stateMethod = 0;
const stateTarget = 1;
const stateVersion = 2;
const statePreface = 3;
const stateLineStart = 4;
const stateName = 5;
const stateValueStart = 6;
const stateValue = 7;
const stateValueFeed = 8;
const stateEndFeed = 9;

/** Framing fields may have spaces behind them, and nothing else. */
function trimmedEnd(bytes: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && bytes[at - 1] === space) at -= 1;
  return at;
}

/** How many octets agree with the beginning of some method. */
function longestPrefix(bytes: Buffer, start: number, end: number): number {
  let longest = 0;
  for (const method of [...httpMethods, "PRI"]) {
    let length = 0;
    while (
      length < method.length &&
      start + length < end &&
      bytes[start + length] === method.charCodeAt(length)
    ) {
      length += 1;
    }
    longest = Math.max(longest, length);
  }
  return longest;
}

/**
 * The chunked transfer coding, one octet class at a time, so that any split of the input gives the
 * same result. Extensions and trailers are checked, counted and dropped: nothing that follows the
 * head may change what the head said. @source RFC 9112 section 7.1
 */

import {
  backslash,
  carriageReturn,
  colon,
  hexValue,
  isFieldValue,
  isToken,
  lineFeed,
  quote,
  semicolon,
  space,
  tab,
} from "./octets.ts";
import type { ParseFailure } from "./parse-failure.ts";
import { syntaxFailure } from "./parse-failure.ts";

type ExtensionPart =
  | "nameStart"
  | "name"
  | "valueStart"
  | "value"
  | "quoted"
  | "escaped"
  | "afterQuoted";

/** Where decoded octets go; false refuses them (the body grew too large). */
export type BodySink = (bytes: Buffer, start: number, end: number) => boolean;

/** Decodes one body; `reset` makes it ready for the next. */
export class ChunkedBody {
  /** True once the last trailer line is read. */
  isComplete = false;
  /** Set when the coding is broken; its position counts from the start of the fed chunk. */
  failure: ParseFailure | undefined = undefined;
  private state = stateSize;
  private remaining = 0;
  private digitCount = 0;
  private overheadCount = 0;
  private part: ExtensionPart = "nameStart";
  private trailerName = "";

  reset(): void {
    this.isComplete = false;
    this.failure = undefined;
    this.state = stateSize;
    this.remaining = 0;
    this.digitCount = 0;
    this.overheadCount = 0;
  }

  /**
   * Reads octets from `position` on and returns the position after the last one it used.
   * Stops at the end of the body, at a failure, or when the sink refuses.
   */
  feed(chunk: Buffer, position: number, sink: BodySink): number {
    let at = position;
    while (at < chunk.length && !this.isComplete && this.failure === undefined) {
      if (this.state === stateData) {
        const end = Math.min(chunk.length, at + this.remaining);
        if (!sink(chunk, at, end)) return end;
        this.remaining -= end - at;
        at = end;
        if (this.remaining === 0) this.state = stateDataReturn;
      } else {
        const problem = this.step(chunk[at] as number);
        if (problem !== undefined) {
          this.failure = { ...problem, position: at + problem.position };
        }
        at += 1;
      }
    }
    return at;
  }

  private step(octet: number): ParseFailure | undefined {
    switch (this.state) {
      case stateSize:
        return this.stepSize(octet);
      case stateExtension:
        return this.stepExtension(octet);
      case stateSizeFeed:
        if (octet !== lineFeed) return syntaxFailure("STRICT", "Expected LF after chunk size");
        this.state = this.remaining > 0 ? stateData : stateTrailerStart;
        return undefined;
      case stateDataReturn:
        if (octet === lineFeed) {
          return syntaxFailure("CR_EXPECTED", "Missing expected CR after chunk data", 1);
        }
        if (octet !== carriageReturn)
          return syntaxFailure("STRICT", "Expected LF after chunk data");
        this.state = stateDataFeed;
        return undefined;
      case stateDataFeed:
        if (octet !== lineFeed) return syntaxFailure("STRICT", "Expected LF after chunk data");
        this.state = stateSize;
        this.digitCount = 0;
        return undefined;
      default:
        return this.stepTrailer(octet);
    }
  }

  private stepSize(octet: number): ParseFailure | undefined {
    const digit = hexValue[octet] as number;
    if (digit !== 255) {
      this.digitCount += 1;
      this.remaining = this.remaining * 16 + digit;
      return this.digitCount > digitCountMax
        ? syntaxFailure("INVALID_CHUNK_SIZE", "Chunk size overflow", 1)
        : undefined;
    }
    if (octet === lineFeed && this.digitCount > 0) {
      return syntaxFailure("CR_EXPECTED", "Missing expected CR after chunk size", 1);
    }
    if (this.digitCount === 0 || (octet !== carriageReturn && octet !== semicolon)) {
      const position = octet === space ? 1 : 0;
      return syntaxFailure("INVALID_CHUNK_SIZE", "Invalid character in chunk size", position);
    }
    this.state = octet === carriageReturn ? stateSizeFeed : stateExtension;
    this.part = "nameStart";
    return undefined;
  }

  /** `;name`, `;name=value` or `;name="quoted"`, any number of times. */
  private stepExtension(octet: number): ParseFailure | undefined {
    const tooMuch = this.countOverhead("Chunk extensions are too long");
    if (tooMuch !== undefined) return tooMuch;
    const { part } = this;
    if (part === "quoted" || part === "escaped") return this.stepQuoted(octet);
    const isEmpty = part === "nameStart" || part === "valueStart";
    if (octet === lineFeed && !isEmpty) {
      return syntaxFailure("CR_EXPECTED", "Missing expected CR after chunk extension name");
    }
    if (octet === carriageReturn && !isEmpty) this.state = stateSizeFeed;
    else if (octet === semicolon && !isEmpty) this.part = "nameStart";
    else if (octet === equalsSign && part === "name") this.part = "valueStart";
    else if (octet === quote && part === "valueStart") this.part = "quoted";
    else if (isToken[octet] === 1 && part !== "afterQuoted") {
      this.part = part === "nameStart" || part === "name" ? "name" : "value";
    } else {
      return syntaxFailure("STRICT", "Invalid character in chunk extensions", 1);
    }
    return undefined;
  }

  /** A quoted string may hold what a token may not. @source RFC 9110 section 5.6.4 */
  private stepQuoted(octet: number): ParseFailure | undefined {
    if (isFieldValue[octet] === 0) {
      const reason = "Invalid character in chunk extensions quoted value";
      return syntaxFailure("STRICT", reason, 1);
    }
    if (this.part === "escaped") this.part = "quoted";
    else if (octet === backslash) this.part = "escaped";
    else if (octet === quote) this.part = "afterQuoted";
    return undefined;
  }

  private stepTrailer(octet: number): ParseFailure | undefined {
    const tooMuch = this.countOverhead("Trailers are too long");
    if (tooMuch !== undefined) return tooMuch;
    switch (this.state) {
      case stateTrailerStart:
        this.trailerName = "";
        if (octet === carriageReturn) {
          this.state = stateEndFeed;
          return undefined;
        }
        this.state = stateTrailerName;
        return this.stepTrailerName(octet, "Unexpected whitespace after header value");
      case stateTrailerName:
        if (octet !== colon) return this.stepTrailerName(octet, "Invalid header token");
        this.state = stateTrailerValue;
        return framingNames.has(this.trailerName)
          ? syntaxFailure("INVALID_HEADER_TOKEN", "Framing fields can't be trailers")
          : undefined;
      case stateTrailerValue:
        if (octet === carriageReturn) this.state = stateTrailerFeed;
        else if (octet === lineFeed) {
          return syntaxFailure("CR_EXPECTED", "Missing expected CR after header value");
        } else if (isFieldValue[octet] === 0 && octet !== tab) {
          return syntaxFailure("INVALID_HEADER_TOKEN", "Invalid header value char");
        }
        return undefined;
      default:
        if (octet !== lineFeed) return syntaxFailure("STRICT", "Expected LF after headers");
        if (this.state === stateEndFeed) this.isComplete = true;
        this.state = stateTrailerStart;
        return undefined;
    }
  }

  private stepTrailerName(octet: number, reason: string): ParseFailure | undefined {
    if (isToken[octet] === 0) return syntaxFailure("INVALID_HEADER_TOKEN", reason);
    if (this.trailerName.length < 32) {
      this.trailerName += String.fromCharCode(octet).toLowerCase();
    }
    return undefined;
  }

  private countOverhead(reason: string): ParseFailure | undefined {
    this.overheadCount += 1;
    return this.overheadCount > overheadCountMax ? syntaxFailure("STRICT", reason) : undefined;
  }
}

/** As many as 64 bits need; more digits would only be padding. */
const digitCountMax = 16;
/** Octets of extensions and trailers in one body. */
const overheadCountMax = 4096;
const equalsSign = 0x3d;
/** They would contradict the framing that has just been used. @source RFC 9110 section 6.5.1 */
const framingNames = new Set(["content-length", "transfer-encoding"]);

const stateSize = 0;
const stateExtension = 1;
const stateSizeFeed = 2;
const stateData = 3;
const stateDataReturn = 4;
const stateDataFeed = 5;
const stateTrailerStart = 6;
const stateTrailerName = 7;
const stateTrailerValue = 8;
const stateTrailerFeed = 9;
const stateEndFeed = 10;

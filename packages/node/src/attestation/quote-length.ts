/** Where Intel's quotes end: kernels and clouds pad them, and verifiers refuse what follows. */
import { readU32 } from "./byte-fields.ts";
import { attestationErrors } from "./errors.ts";

const headerSizeBytes = 48;
const sgxBodySizeBytes = 384;
const tdBodySizeBytes = 584;

/** Offset of the length of the signature data. */
function lengthOffset(quote: Uint8Array): number | undefined {
  const version = quote[0];
  if (quote.length < 600 || quote[1] !== 0) return undefined;
  if (version === 3) return headerSizeBytes + sgxBodySizeBytes;
  if (version === 4) return headerSizeBytes + tdBodySizeBytes;
  return version === 5 ? headerSizeBytes + 6 + readU32(quote, headerSizeBytes + 2) : undefined;
}

/** @throws {CocoError} DeviceAnswerMalformed */
export function trimQuote(quote: Uint8Array): Uint8Array {
  const at = lengthOffset(quote);
  const isInside = at !== undefined && at + 4 <= quote.length;
  const end = isInside ? at + 4 + readU32(quote, at) : Number.POSITIVE_INFINITY;
  if (end <= quote.length) return quote.subarray(0, end);
  throw attestationErrors.create("DeviceAnswerMalformed", `a quote of ${quote.length} bytes`);
}

import type { CocoError } from "@coco/base";

/**
 * Reads a format from its start to its end and never past it. Every shortage becomes the error
 * that `fail` makes, with the offset where it was found.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  offset: number;
  readonly end: number;
  readonly #fail: (detail: string, offset: number) => CocoError;
  readonly #view: DataView;

  constructor(
    bytes: Uint8Array,
    fail: (detail: string, offset: number) => CocoError,
    offset = 0,
    end = bytes.length,
  ) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
    this.#fail = fail;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.end - this.offset;
  }

  error(detail: string, offset = this.offset): CocoError {
    return this.#fail(detail, offset);
  }

  #need(countBytes: number, what: string): number {
    const start = this.offset;
    if (countBytes > this.end - start) {
      throw this.#fail(`${what} needs ${countBytes} bytes, ${this.end - start} are left`, start);
    }
    this.offset = start + countBytes;
    return start;
  }

  u8(what: string): number {
    return this.bytes[this.#need(1, what)]!;
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#need(4, what), true);
  }

  /** A little-endian integer that must be below 2^53. */
  u64(what: string): number {
    const start = this.#need(8, what);
    const high = this.#view.getUint32(start + 4, true);
    if (high >= 0x20_0000) throw this.#fail(`${what} is 2^53 or more`, start);
    return high * 0x1_0000_0000 + this.#view.getUint32(start, true);
  }

  /** A view of the next bytes, not a copy. */
  take(countBytes: number, what: string): Uint8Array {
    const start = this.#need(countBytes, what);
    return this.bytes.subarray(start, start + countBytes);
  }

  /** Length as 8 bytes, then a view of that many bytes. */
  sized(what: string): Uint8Array {
    return this.take(this.u64(what), what);
  }

  /** A number of items of at least `itemBytesMin` bytes each, so that the rest can hold them. */
  count(what: string, itemBytesMin: number): number {
    const start = this.offset;
    const count = this.u64(what);
    if (count * itemBytesMin > this.left) throw this.#fail(`${what} is too large`, start);
    return count;
  }
}

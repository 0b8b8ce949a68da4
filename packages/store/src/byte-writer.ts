import { assert } from "@coco/base";

/** Bytes, or a text with one character U+0000..U+00FF for each byte. */
export type ByteText = Uint8Array | string;

/**
 * A growing buffer that is written from its start to its end and then reused: one for a batch of
 * ledger entries instead of one for each. Integers are little-endian.
 */
export class ByteWriter {
  bytes: Uint8Array;
  /** Bytes written so far; writing goes on here. */
  length = 0;
  #view: DataView;

  constructor(sizeBytes = 65536) {
    this.bytes = new Uint8Array(sizeBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `countBytes` more. */
  reserve(countBytes: number): void {
    const needed = this.length + countBytes;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Writes an integer below 2^53 as 8 bytes. */
  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a length or version is below 2^53");
    this.reserve(8);
    this.#view.setUint32(this.length, value >>> 0, true);
    this.#view.setUint32(this.length + 4, Math.floor(value / 0x1_0000_0000), true);
    this.length += 8;
  }

  /** Overwrites 8 bytes at `offset`, which must have been written before. */
  patchU64(offset: number, value: number): void {
    this.#view.setUint32(offset, value >>> 0, true);
    this.#view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  zeros(countBytes: number): void {
    this.reserve(countBytes);
    this.bytes.fill(0, this.length, this.length + countBytes);
    this.length += countBytes;
  }

  text(text: ByteText): void {
    if (typeof text !== "string") {
      this.raw(text);
      return;
    }
    const count = text.length;
    this.reserve(count);
    const { bytes, length } = this;
    for (let index = 0; index < count; index++) bytes[length + index] = text.charCodeAt(index);
    this.length += count;
  }

  /** Length as 8 bytes, then the bytes. */
  sized(text: ByteText): void {
    this.u64(text.length);
    this.text(text);
  }

  /** A copy of what was written from `start` on. */
  slice(start = 0): Uint8Array {
    return this.bytes.slice(start, this.length);
  }
}

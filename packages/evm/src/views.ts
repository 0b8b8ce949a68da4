/** The module's memory, as the host reads and writes it. Words are 32 bytes, the lowest first. */

export interface Memory {
  readonly memory: { readonly buffer: ArrayBuffer };
}

const lowMask = 0xffffffffffffffffn;

export class Views {
  readonly #memory: Memory["memory"];
  #bytes = new Uint8Array(0);
  #data = new DataView(new ArrayBuffer(0));

  constructor(memory: Memory["memory"]) {
    this.#memory = memory;
  }

  /** Whenever the memory grew, its buffer is another one. */
  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.#memory.buffer) this.#refresh();
    return this.#bytes;
  }

  get data(): DataView {
    if (this.#data.buffer !== this.#memory.buffer) this.#refresh();
    return this.#data;
  }

  #refresh(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#data = new DataView(this.#memory.buffer);
  }

  copy(at: number, size: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.bytes.subarray(at, at + size));
  }

  number(at: number): number {
    return this.data.getUint32(at, true);
  }

  readWord(at: number): bigint {
    const data = this.data;
    const low = data.getBigUint64(at, true);
    if (data.getBigUint64(at + 8, true) === 0n && this.#isNarrow(at)) return low;
    const middle = data.getBigUint64(at + 8, true) | (data.getBigUint64(at + 16, true) << 64n);
    return low | (middle << 64n) | (data.getBigUint64(at + 24, true) << 192n);
  }

  #isNarrow(at: number): boolean {
    const data = this.data;
    return data.getBigUint64(at + 16, true) === 0n && data.getBigUint64(at + 24, true) === 0n;
  }

  writeWord(at: number, value: bigint): void {
    const data = this.data;
    data.setBigUint64(at, value & lowMask, true);
    const isWide = value > lowMask;
    data.setBigUint64(at + 8, isWide ? (value >> 64n) & lowMask : 0n, true);
    data.setBigUint64(at + 16, isWide ? (value >> 128n) & lowMask : 0n, true);
    data.setBigUint64(at + 24, isWide ? (value >> 192n) & lowMask : 0n, true);
  }

  /** Writes at most 32 bytes, the highest first, as a word. */
  writeBytesAsWord(at: number, bytes: Uint8Array): void {
    const target = this.bytes;
    const size = bytes.length;
    for (let i = 0; i < size; i++) target[at + i] = bytes[size - 1 - i]!;
    target.fill(0, at + size, at + 32);
  }

  /** Reads the lowest `size` bytes of a word, the highest first. */
  readWordAsBytes(at: number, size: number): Uint8Array {
    return this.copy(at, size).reverse();
  }
}

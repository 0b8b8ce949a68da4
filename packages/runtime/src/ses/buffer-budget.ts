/** Counts the memory of buffers, which the heap limit of a thread does not cover. */

const callShare = 16;
export const bufferBytesDefault = 100 * 1024 * 1024;

interface BufferConstructor {
  new (...args: unknown[]): object;
  readonly BYTES_PER_ELEMENT?: number;
}

export class BufferBudget {
  #bytesMax = bufferBytesDefault;
  #used = 0;

  /** To be called when a call from the host begins. */
  begin(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#used = 0;
  }

  /** Stands for `new Maker(...args)` in the text of programs. @throws {RangeError} */
  readonly allocate = (Maker: BufferConstructor, ...args: unknown[]): object => {
    const [length] = args;
    if (typeof length === "number") this.#take(length * (Maker.BYTES_PER_ELEMENT ?? 1));
    return Reflect.construct(Maker, args);
  };

  #take(bytes: number): void {
    if (!(bytes > 0)) return;
    this.#used += bytes;
    if (bytes > this.#bytesMax || this.#used > this.#bytesMax * callShare) {
      throw new RangeError("Array buffer allocation failed: the limit of memory is reached");
    }
  }
}

/** Constructors whose first argument can be a length. */
export const bufferConstructorNames: ReadonlySet<string> = new Set([
  "ArrayBuffer",
  "BigInt64Array",
  "BigUint64Array",
  "Float32Array",
  "Float64Array",
  "Int16Array",
  "Int32Array",
  "Int8Array",
  "Uint16Array",
  "Uint32Array",
  "Uint8Array",
  "Uint8ClampedArray",
]);

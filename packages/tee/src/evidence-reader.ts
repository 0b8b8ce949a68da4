/** Reads fixed-layout evidence: bounded, in either byte order, refusing what is left over. */
import { teeErrors } from "./errors.ts";

/** Every method throws EvidenceMalformed instead of reading past the end; nothing is copied. */
export class EvidenceReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what names the structure in errors */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  take(lengthBytes: number): Uint8Array {
    if (lengthBytes > this.remaining) {
      this.fail(`${lengthBytes - this.remaining} bytes are missing at ${this.#at}`);
    }
    this.#at += lengthBytes;
    return this.#bytes.subarray(this.#at - lengthBytes, this.#at);
  }

  u8(): number {
    return this.take(1)[0]!;
  }

  /** Little endian, as CPUs write. */
  u16(): number {
    const [a, b] = this.take(2);
    return a! | (b! << 8);
  }

  u32(): number {
    return readU32(this.take(4), 0);
  }

  u64(): bigint {
    return readU64(this.take(8), 0);
  }

  /** Big endian, as TPMs write. */
  u16be(): number {
    const [a, b] = this.take(2);
    return (a! << 8) | b!;
  }

  u32be(): number {
    return this.u16be() * 0x1_0000 + this.u16be();
  }

  u64be(): bigint {
    return BigInt(this.u32be()) * 0x1_0000_0000n + BigInt(this.u32be());
  }

  /** A TPM2B: 16-bit big-endian size, then the bytes. */
  sized(): Uint8Array {
    return this.take(this.u16be());
  }

  zeros(lengthBytes: number): void {
    const start = this.#at;
    if (!isZero(this.take(lengthBytes))) this.fail(`reserved bytes at ${start} are not zero`);
  }

  end(): void {
    if (this.remaining > 0) this.fail(`${this.remaining} bytes are left over`);
  }

  fail(detail: string): never {
    throw teeErrors.create("EvidenceMalformed", `${this.#what}: ${detail}`);
  }
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Unsigned, little endian; `at` must lie inside. */
export function readU32(bytes: Uint8Array, at: number): number {
  const high = bytes[at + 3]! * 0x100_0000;
  return high + (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16));
}

export function readU64(bytes: Uint8Array, at: number): bigint {
  return BigInt(readU32(bytes, at + 4)) * 0x1_0000_0000n + BigInt(readU32(bytes, at));
}

/** Names of the bits that are set; a bit without a name is called `unknown_<number>`. */
export function bitNames(value: bigint, names: Readonly<Record<number, string>>): string[] {
  const found: string[] = [];
  for (let bit = 0; value >> BigInt(bit) !== 0n; bit++) {
    if (((value >> BigInt(bit)) & 1n) === 1n) found.push(names[bit] ?? `unknown_${bit}`);
  }
  return found;
}

/** What the precompiled contracts have in common. */

export interface PrecompileResult {
  readonly gasUsed: bigint;
  readonly output: Uint8Array;
}

/** Runs what has a price that is known beforehand; whatever the libraries refuse is a failure. */
export function priced(
  gasUsed: bigint,
  gas: bigint,
  run: () => Uint8Array | undefined,
): PrecompileResult | undefined {
  if (gasUsed > gas) return undefined;
  try {
    const output = run();
    return output === undefined ? undefined : { gasUsed, output };
  } catch {
    return undefined;
  }
}

/** The `size` bytes from `at`, with zeros behind the end of the input. */
export function slice(input: Uint8Array, at: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  if (at < input.length) bytes.set(input.subarray(at, at + size));
  return bytes;
}

const hexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function bytesToNumber(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  let text = "0x";
  for (const byte of bytes) text += hexDigits[byte];
  return BigInt(text);
}

export function numberToBytes(value: bigint, size: number): Uint8Array {
  const text = value.toString(16).padStart(2 * size, "0");
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/**
 * Modular exponentiation.
 * @source EIP-198, EIP-2565, EIP-7823, EIP-7883
 */
import { type Fork, isForkFrom } from "./forks.ts";
import { bytesToNumber, numberToBytes, type PrecompileResult, slice } from "./precompile-input.ts";

const sizeMax = 1024n;

export function modularExponentiation(
  input: Uint8Array,
  gas: bigint,
  fork: Fork,
): PrecompileResult | undefined {
  const [baseSize, exponentSize, modulusSize] = [0, 32, 64].map((at) => {
    return bytesToNumber(slice(input, at, 32));
  }) as [bigint, bigint, bigint];
  const isBounded = isForkFrom(fork, "osaka");
  const largest = [baseSize, exponentSize, modulusSize].reduce(max);
  if (isBounded && largest > sizeMax) return undefined;
  const head = readHead(input, baseSize, exponentSize);
  const gasUsed = gasOf({ baseSize, exponentSize, modulusSize, head }, fork);
  if (gasUsed > gas) return undefined;
  if (modulusSize === 0n) return { gasUsed, output: new Uint8Array() };
  // More than this cannot be paid for; the number keeps the sizes within what arrays can have.
  if (largest > 0x4000_0000n) return undefined;
  const [base, exponent, modulus] = readNumbers(input, baseSize, exponentSize, modulusSize);
  const result = modulus < 2n ? 0n : power(base % modulus, exponent, modulus);
  return { gasUsed, output: numberToBytes(result, Number(modulusSize)) };
}

interface Sizes {
  readonly baseSize: bigint;
  readonly exponentSize: bigint;
  readonly modulusSize: bigint;
  /** The first 32 bytes of the exponent. */
  readonly head: bigint;
}

function gasOf(sizes: Sizes, fork: Fork): bigint {
  const { baseSize, exponentSize, modulusSize, head } = sizes;
  const size = max(baseSize, modulusSize);
  const headBits = head === 0n ? 0n : BigInt(head.toString(2).length - 1);
  const words = (size + 7n) / 8n;
  const isLong = exponentSize > 32n;
  if (isForkFrom(fork, "osaka")) {
    const iterations = max(1n, isLong ? 16n * (exponentSize - 32n) + headBits : headBits);
    const complexity = size > 32n ? 2n * words * words : 16n;
    return max(500n, complexity * iterations);
  }
  const iterations = max(1n, isLong ? 8n * (exponentSize - 32n) + headBits : headBits);
  if (isForkFrom(fork, "berlin")) return max(200n, (words * words * iterations) / 3n);
  return (oldComplexity(size) * iterations) / 20n;
}

function oldComplexity(size: bigint): bigint {
  if (size <= 64n) return size * size;
  if (size <= 1024n) return (size * size) / 4n + 96n * size - 3072n;
  return (size * size) / 16n + 480n * size - 199_680n;
}

function max(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

function readHead(input: Uint8Array, baseSize: bigint, exponentSize: bigint): bigint {
  const size = Number(exponentSize > 32n ? 32n : exponentSize);
  if (baseSize > BigInt(input.length)) return 0n;
  return bytesToNumber(slice(input, 96 + Number(baseSize), size));
}

function readNumbers(
  input: Uint8Array,
  baseSize: bigint,
  exponentSize: bigint,
  modulusSize: bigint,
): [base: bigint, exponent: bigint, modulus: bigint] {
  const exponentAt = 96 + Number(baseSize);
  const modulusAt = exponentAt + Number(exponentSize);
  const modulus = bytesToNumber(slice(input, modulusAt, Number(modulusSize)));
  if (modulus === 0n) return [0n, 0n, 0n];
  const base = bytesToNumber(slice(input, 96, Number(baseSize)));
  return [base, bytesToNumber(slice(input, exponentAt, Number(exponentSize))), modulus];
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  const bits = exponent.toString(2);
  let result = 1n;
  for (const bit of bits) {
    result = (result * result) % modulus;
    if (bit === "1") result = (result * base) % modulus;
  }
  return result % modulus;
}

/** Randomness that a seed repeats, for tests. */
import type { Rng } from "@coco/base";

/** Whole numbers below a limit. @source xoshiro128**, Blackman and Vigna 2018 */
export function createSeededRandom(seed: number): (limit: number) => number {
  let [a, b, c, d] = [seed | 1, seed ^ 0x9e3779b9, 0x243f6a88, 0xb7e15162];
  const next = (): number => {
    const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return scrambled;
  };
  for (let round = 0; round < 12; round++) next();
  return (limit) => Math.floor((next() / 2 ** 32) * limit);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

export function createSeededRng(seed: number): Rng {
  const random = createSeededRandom(seed);
  return { bytes: (lengthBytes) => Uint8Array.from({ length: lengthBytes }, () => random(256)) };
}

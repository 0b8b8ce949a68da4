/**
 * SHA-256 of short messages in plain JavaScript: for inputs of one or two blocks it costs less
 * than a call into a native library. Digests are 8 words of 32 bits in an Int32Array.
 * @source FIPS 180-4 section 6.2
 */
import { assert } from "@coco/base";

// biome-ignore format: a table
const roundConstants = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
  0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
  0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

const initialState = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** Words of a digest. */
export const digestWords = 8;

/** Message schedule with the round constants added: input of `compress`. */
const schedule = new Int32Array(64);
const words = new Int32Array(64);

/** Expands the 16 words of a block in `words` into `schedule`. */
function expand(): void {
  for (let index = 0; index < 16; index++) {
    schedule[index] = words[index]! + roundConstants[index]!;
  }
  for (let index = 16; index < 64; index++) {
    const w15 = words[index - 15]!;
    const w2 = words[index - 2]!;
    const s0 = ((w15 >>> 7) | (w15 << 25)) ^ ((w15 >>> 18) | (w15 << 14)) ^ (w15 >>> 3);
    const s1 = ((w2 >>> 17) | (w2 << 15)) ^ ((w2 >>> 19) | (w2 << 13)) ^ (w2 >>> 10);
    const word = (words[index - 16]! + s0 + words[index - 7]! + s1) | 0;
    words[index] = word;
    schedule[index] = word + roundConstants[index]!;
  }
}

function sum0(a: number): number {
  return ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
}

function sum1(e: number): number {
  return ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
}

/** One compression: `input` state through `rounds` to `output` at `outputAt`. */
function compress(
  input: Int32Array,
  rounds: Int32Array,
  output: Int32Array,
  outputAt: number,
): void {
  let a = input[0]!;
  let b = input[1]!;
  let c = input[2]!;
  let d = input[3]!;
  let e = input[4]!;
  let f = input[5]!;
  let g = input[6]!;
  let h = input[7]!;
  // Eight rounds a turn, so that the eight variables need not be moved.
  for (let index = 0; index < 64; index += 8) {
    h = (h + sum1(e) + (g ^ (e & (f ^ g))) + rounds[index]!) | 0;
    d = (d + h) | 0;
    h = (h + sum0(a) + (((a ^ b) & c) ^ (a & b))) | 0;
    g = (g + sum1(d) + (f ^ (d & (e ^ f))) + rounds[index + 1]!) | 0;
    c = (c + g) | 0;
    g = (g + sum0(h) + (((h ^ a) & b) ^ (h & a))) | 0;
    f = (f + sum1(c) + (e ^ (c & (d ^ e))) + rounds[index + 2]!) | 0;
    b = (b + f) | 0;
    f = (f + sum0(g) + (((g ^ h) & a) ^ (g & h))) | 0;
    e = (e + sum1(b) + (d ^ (b & (c ^ d))) + rounds[index + 3]!) | 0;
    a = (a + e) | 0;
    e = (e + sum0(f) + (((f ^ g) & h) ^ (f & g))) | 0;
    d = (d + sum1(a) + (c ^ (a & (b ^ c))) + rounds[index + 4]!) | 0;
    h = (h + d) | 0;
    d = (d + sum0(e) + (((e ^ f) & g) ^ (e & f))) | 0;
    c = (c + sum1(h) + (b ^ (h & (a ^ b))) + rounds[index + 5]!) | 0;
    g = (g + c) | 0;
    c = (c + sum0(d) + (((d ^ e) & f) ^ (d & e))) | 0;
    b = (b + sum1(g) + (a ^ (g & (h ^ a))) + rounds[index + 6]!) | 0;
    f = (f + b) | 0;
    b = (b + sum0(c) + (((c ^ d) & e) ^ (c & d))) | 0;
    a = (a + sum1(f) + (h ^ (f & (g ^ h))) + rounds[index + 7]!) | 0;
    e = (e + a) | 0;
    a = (a + sum0(b) + (((b ^ c) & d) ^ (b & c))) | 0;
  }
  output[outputAt] = (input[0]! + a) | 0;
  output[outputAt + 1] = (input[1]! + b) | 0;
  output[outputAt + 2] = (input[2]! + c) | 0;
  output[outputAt + 3] = (input[3]! + d) | 0;
  output[outputAt + 4] = (input[4]! + e) | 0;
  output[outputAt + 5] = (input[5]! + f) | 0;
  output[outputAt + 6] = (input[6]! + g) | 0;
  output[outputAt + 7] = (input[7]! + h) | 0;
}

/** The padding block of every 64-byte message is the same, so its schedule is made once. */
const pairPadding = (() => {
  words.fill(0, 0, 16);
  words[0] = 0x8000_0000 | 0;
  words[15] = 512;
  expand();
  return schedule.slice();
})();
const pairState = new Int32Array(8);

/** SHA-256 of two digests, one after the other: an inner node of the Merkle tree. */
export function hashNodePair(
  left: Int32Array,
  leftAt: number,
  right: Int32Array,
  rightAt: number,
  output: Int32Array,
  outputAt: number,
): void {
  for (let index = 0; index < 8; index++) {
    words[index] = left[leftAt + index]!;
    words[index + 8] = right[rightAt + index]!;
  }
  expand();
  compress(initialState, schedule, pairState, 0);
  compress(pairState, pairPadding, output, outputAt);
}

/** A state of the hash after a whole number of blocks. */
export interface HashState {
  readonly state: Int32Array;
  readonly lengthBytes: number;
}

export const emptyHashState: HashState = { state: initialState, lengthBytes: 0 };

function loadBlock(bytes: Uint8Array, offset: number): void {
  for (let index = 0; index < 16; index++) {
    const at = offset + 4 * index;
    words[index] =
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  expand();
}

/** The state after one further block of 64 bytes. */
export function absorbBlock(before: HashState, block: Uint8Array): HashState {
  assert(block.length === 64, "a block has 64 bytes");
  loadBlock(block, 0);
  const state = new Int32Array(8);
  compress(before.state, schedule, state, 0);
  return { state, lengthBytes: before.lengthBytes + 64 };
}

const messageState = new Int32Array(8);

/**
 * Finishes a hash with the first `lengthBytes` bytes of `message`, which must have room for the
 * padding behind them: it is overwritten up to the next multiple of 64 after 9 more bytes.
 */
export function finishHash(
  before: HashState,
  message: Uint8Array,
  lengthBytes: number,
  output: Int32Array,
): void {
  const end = (lengthBytes + 9 + 63) & ~63;
  assert(end <= message.length, "the message has room for its padding");
  message[lengthBytes] = 0x80;
  message.fill(0, lengthBytes + 1, end);
  const bits = (before.lengthBytes + lengthBytes) * 8;
  message[end - 4] = bits >>> 24;
  message[end - 3] = bits >>> 16;
  message[end - 2] = bits >>> 8;
  message[end - 1] = bits;
  messageState.set(before.state);
  for (let offset = 0; offset < end; offset += 64) {
    loadBlock(message, offset);
    compress(messageState, schedule, messageState, 0);
  }
  output.set(messageState);
}

/** The 32 bytes of a digest, big-endian words. */
export function wordsToBytes(
  source: Int32Array,
  at = 0,
  target: Uint8Array = new Uint8Array(32),
  offset = 0,
): Uint8Array {
  for (let index = 0; index < 8; index++) {
    const word = source[at + index]!;
    const start = offset + 4 * index;
    target[start] = word >>> 24;
    target[start + 1] = word >>> 16;
    target[start + 2] = word >>> 8;
    target[start + 3] = word;
  }
  return target;
}

/** The 8 words of 32 bytes. */
export function bytesToWords(
  bytes: Uint8Array,
  offset = 0,
  target: Int32Array = new Int32Array(8),
  at = 0,
): Int32Array {
  for (let index = 0; index < 8; index++) {
    const start = offset + 4 * index;
    target[at + index] =
      (bytes[start]! << 24) |
      (bytes[start + 1]! << 16) |
      (bytes[start + 2]! << 8) |
      bytes[start + 3]!;
  }
  return target;
}

/** A keyed hash whose key blocks are hashed once. @source RFC 2104 */
export interface HmacKey {
  readonly inner: HashState;
  readonly outer: HashState;
}

/** @param key at most 64 bytes */
export function createHmacKey(key: Uint8Array): HmacKey {
  assert(key.length <= 64, "an HMAC key of at most one block");
  const block = new Uint8Array(64);
  block.set(key);
  const inner = absorbBlock(
    emptyHashState,
    block.map((byte) => byte ^ 0x36),
  );
  const outer = absorbBlock(
    emptyHashState,
    block.map((byte) => byte ^ 0x5c),
  );
  return { inner, outer };
}

const hmacScratch = new Uint8Array(64);

/** HMAC-SHA-256 of the first `lengthBytes` bytes of `message` (overwritten by padding). */
export function hmacShort(
  key: HmacKey,
  message: Uint8Array,
  lengthBytes: number,
  output: Int32Array,
): void {
  finishHash(key.inner, message, lengthBytes, output);
  wordsToBytes(output, 0, hmacScratch);
  finishHash(key.outer, hmacScratch, 32, output);
}

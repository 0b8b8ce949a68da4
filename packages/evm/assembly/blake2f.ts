/**
 * The compression function of BLAKE2b (EIP-152).
 * @source RFC 7693, section 3.2
 */

const work: usize = memory.data(128, 16);
const words: usize = memory.data(128, 16);

const initial: usize = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);

const schedule: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11,
  7, 5, 3, 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4, 7, 9, 3, 1, 13, 12, 11, 14, 2, 6,
  5, 10, 4, 0, 15, 8, 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13, 2, 12, 6, 10, 0, 11, 8,
  3, 4, 13, 7, 5, 15, 14, 1, 9, 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11, 13, 11, 7, 14,
  12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10, 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5, 10,
  2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
]);

function word(row: usize, index: usize): u64 {
  return load<u64>(words + ((load<u8>(schedule + row + index) as usize) << 3));
}

function mix(a: usize, b: usize, c: usize, d: usize, x: u64, y: u64): void {
  let va = load<u64>(work + a);
  let vb = load<u64>(work + b);
  let vc = load<u64>(work + c);
  let vd = load<u64>(work + d);
  va += vb + x;
  vd = rotr<u64>(vd ^ va, 32);
  vc += vd;
  vb = rotr<u64>(vb ^ vc, 24);
  va += vb + y;
  vd = rotr<u64>(vd ^ va, 16);
  vc += vd;
  vb = rotr<u64>(vb ^ vc, 63);
  store<u64>(work + a, va);
  store<u64>(work + b, vb);
  store<u64>(work + c, vc);
  store<u64>(work + d, vd);
}

/** The number of rounds of an input of 213 bytes. */
export function blakeRounds(input: usize): u32 {
  return bswap<u32>(load<u32>(input));
}

/** Writes the 64 bytes of the new state. */
export function blakeCompress(input: usize, out: usize): void {
  memory.copy(work, input + 4, 64);
  memory.copy(work + 64, initial, 64);
  memory.copy(words, input + 68, 128);
  store<u64>(work, load<u64>(work, 96) ^ load<u64>(input, 196), 96);
  store<u64>(work, load<u64>(work, 104) ^ load<u64>(input, 204), 104);
  if (load<u8>(input, 212) !== 0) store<u64>(work, ~load<u64>(work, 112), 112);
  const rounds = blakeRounds(input);
  let row: usize = 0;
  for (let round: u32 = 0; round < rounds; round++) {
    mix(0, 32, 64, 96, word(row, 0), word(row, 1));
    mix(8, 40, 72, 104, word(row, 2), word(row, 3));
    mix(16, 48, 80, 112, word(row, 4), word(row, 5));
    mix(24, 56, 88, 120, word(row, 6), word(row, 7));
    mix(0, 40, 80, 120, word(row, 8), word(row, 9));
    mix(8, 48, 88, 96, word(row, 10), word(row, 11));
    mix(16, 56, 64, 104, word(row, 12), word(row, 13));
    mix(24, 32, 72, 112, word(row, 14), word(row, 15));
    row = row === 144 ? 0 : row + 16;
  }
  for (let i: usize = 0; i < 64; i += 8) {
    const state = load<u64>(input + 4 + i);
    store<u64>(out + i, state ^ load<u64>(work + i) ^ load<u64>(work + 64 + i));
  }
}

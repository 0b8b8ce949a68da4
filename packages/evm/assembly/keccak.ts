/**
 * Keccak-256 with the padding of Ethereum (0x01).
 * @source The Keccak reference, version 3.0
 */

const lanes: usize = memory.data(200, 16);
const mixed: usize = memory.data(200, 16);
const rate: usize = 136;

const roundConstants: usize = memory.data<u64>([
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
  0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
  0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
  0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
  0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
  0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
]);

function column(x: usize): u64 {
  const at = lanes + (x << 3);
  const low = load<u64>(at) ^ load<u64>(at, 40) ^ load<u64>(at, 80);
  return low ^ load<u64>(at, 120) ^ load<u64>(at, 160);
}

/** Moves the lane `from` to the place `to`, mixed and rotated. */
function move(from: usize, to: usize, mix: u64, bits: u64): void {
  store<u64>(mixed + (to << 3), rotl<u64>(load<u64>(lanes + (from << 3)) ^ mix, bits));
}

/** The steps theta, rho and pi. */
function diffuse(): void {
  const c0 = column(0);
  const c1 = column(1);
  const c2 = column(2);
  const c3 = column(3);
  const c4 = column(4);
  const d0 = c4 ^ rotl<u64>(c1, 1);
  const d1 = c0 ^ rotl<u64>(c2, 1);
  const d2 = c1 ^ rotl<u64>(c3, 1);
  const d3 = c2 ^ rotl<u64>(c4, 1);
  const d4 = c3 ^ rotl<u64>(c0, 1);
  move(0, 0, d0, 0);
  move(6, 1, d1, 44);
  move(12, 2, d2, 43);
  move(18, 3, d3, 21);
  move(24, 4, d4, 14);
  move(3, 5, d3, 28);
  move(9, 6, d4, 20);
  move(10, 7, d0, 3);
  move(16, 8, d1, 45);
  move(22, 9, d2, 61);
  move(1, 10, d1, 1);
  move(7, 11, d2, 6);
  move(13, 12, d3, 25);
  move(19, 13, d4, 8);
  move(20, 14, d0, 18);
  move(4, 15, d4, 27);
  move(5, 16, d0, 36);
  move(11, 17, d1, 10);
  move(17, 18, d2, 15);
  move(23, 19, d3, 56);
  move(2, 20, d2, 62);
  move(8, 21, d3, 55);
  move(14, 22, d4, 39);
  move(15, 23, d0, 41);
  move(21, 24, d1, 2);
}

/** The step chi of one row. */
function chi(row: usize): void {
  const from = mixed + row;
  const to = lanes + row;
  const b0 = load<u64>(from);
  const b1 = load<u64>(from, 8);
  const b2 = load<u64>(from, 16);
  const b3 = load<u64>(from, 24);
  const b4 = load<u64>(from, 32);
  store<u64>(to, b0 ^ (~b1 & b2));
  store<u64>(to, b1 ^ (~b2 & b3), 8);
  store<u64>(to, b2 ^ (~b3 & b4), 16);
  store<u64>(to, b3 ^ (~b4 & b0), 24);
  store<u64>(to, b4 ^ (~b0 & b1), 32);
}

function permute(): void {
  for (let round: usize = 0; round < 192; round += 8) {
    diffuse();
    chi(0);
    chi(40);
    chi(80);
    chi(120);
    chi(160);
    store<u64>(lanes, load<u64>(lanes) ^ load<u64>(roundConstants + round));
  }
}

/** Hashes `length` bytes into 32 bytes at `out`. */
export function keccak256(input: usize, length: usize, out: usize): void {
  memory.fill(lanes, 0, 200);
  let at = input;
  let left = length;
  while (left >= rate) {
    for (let i: usize = 0; i < rate; i += 8) {
      store<u64>(lanes + i, load<u64>(lanes + i) ^ load<u64>(at + i));
    }
    permute();
    at += rate;
    left -= rate;
  }
  let done: usize = 0;
  for (; done + 8 <= left; done += 8) {
    store<u64>(lanes + done, load<u64>(lanes + done) ^ load<u64>(at + done));
  }
  for (; done < left; done++) {
    store<u8>(lanes + done, load<u8>(lanes + done) ^ load<u8>(at + done));
  }
  store<u8>(lanes + left, load<u8>(lanes + left) ^ 0x01);
  store<u8>(lanes + rate - 1, load<u8>(lanes + rate - 1) ^ 0x80);
  permute();
  memory.copy(out, lanes, 32);
}

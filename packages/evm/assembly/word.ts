/** 256-bit words: four 64-bit limbs in linear memory, the lowest first. */

export function isZero(a: usize): bool {
  return (load<u64>(a) | load<u64>(a, 8) | load<u64>(a, 16) | load<u64>(a, 24)) === 0;
}

export function isEqual(a: usize, b: usize): bool {
  const low = (load<u64>(a) ^ load<u64>(b)) | (load<u64>(a, 8) ^ load<u64>(b, 8));
  const high = (load<u64>(a, 16) ^ load<u64>(b, 16)) | (load<u64>(a, 24) ^ load<u64>(b, 24));
  return (low | high) === 0;
}

/** Unsigned. */
export function isLess(a: usize, b: usize): bool {
  if (load<u64>(a, 24) !== load<u64>(b, 24)) return load<u64>(a, 24) < load<u64>(b, 24);
  if (load<u64>(a, 16) !== load<u64>(b, 16)) return load<u64>(a, 16) < load<u64>(b, 16);
  if (load<u64>(a, 8) !== load<u64>(b, 8)) return load<u64>(a, 8) < load<u64>(b, 8);
  return load<u64>(a) < load<u64>(b);
}

export function isNegative(a: usize): bool {
  return load<i64>(a, 24) < 0;
}

/** Two's complement. */
export function isLessSigned(a: usize, b: usize): bool {
  if (load<i64>(a, 24) !== load<i64>(b, 24)) return load<i64>(a, 24) < load<i64>(b, 24);
  return isLess(a, b);
}

export function set(out: usize, value: u64): void {
  store<u64>(out, value);
  store<u64>(out, 0, 8);
  store<u64>(out, 0, 16);
  store<u64>(out, 0, 24);
}

export function copy(out: usize, a: usize): void {
  const a0 = load<u64>(a);
  const a1 = load<u64>(a, 8);
  const a2 = load<u64>(a, 16);
  const a3 = load<u64>(a, 24);
  store<u64>(out, a0);
  store<u64>(out, a1, 8);
  store<u64>(out, a2, 16);
  store<u64>(out, a3, 24);
}

/** True when the word is more than 64 bits wide. */
export function isWide(a: usize): bool {
  return (load<u64>(a, 8) | load<u64>(a, 16) | load<u64>(a, 24)) !== 0;
}

/** The word, or the largest 64-bit number when it is larger. */
export function saturate(a: usize): u64 {
  return isWide(a) ? u64.MAX_VALUE : load<u64>(a);
}

/** `out = a + b`; gives the carry back. */
export function add(a: usize, b: usize, out: usize): u64 {
  const a0 = load<u64>(a);
  const a1 = load<u64>(a, 8);
  const a2 = load<u64>(a, 16);
  const a3 = load<u64>(a, 24);
  const s0 = a0 + load<u64>(b);
  let carry = u64(s0 < a0);
  const t1 = a1 + load<u64>(b, 8);
  const s1 = t1 + carry;
  carry = u64(t1 < a1) | u64(s1 < t1);
  const t2 = a2 + load<u64>(b, 16);
  const s2 = t2 + carry;
  carry = u64(t2 < a2) | u64(s2 < t2);
  const t3 = a3 + load<u64>(b, 24);
  const s3 = t3 + carry;
  store<u64>(out, s0);
  store<u64>(out, s1, 8);
  store<u64>(out, s2, 16);
  store<u64>(out, s3, 24);
  return u64(t3 < a3) | u64(s3 < t3);
}

/** `out = a - b`; gives the borrow back. */
export function subtract(a: usize, b: usize, out: usize): u64 {
  const a0 = load<u64>(a);
  const a1 = load<u64>(a, 8);
  const a2 = load<u64>(a, 16);
  const a3 = load<u64>(a, 24);
  const b0 = load<u64>(b);
  const b1 = load<u64>(b, 8);
  const b2 = load<u64>(b, 16);
  const b3 = load<u64>(b, 24);
  let borrow = u64(a0 < b0);
  const t1 = a1 - b1;
  const d1 = t1 - borrow;
  borrow = u64(a1 < b1) | u64(t1 < borrow);
  const t2 = a2 - b2;
  const d2 = t2 - borrow;
  borrow = u64(a2 < b2) | u64(t2 < borrow);
  const t3 = a3 - b3;
  store<u64>(out, a0 - b0);
  store<u64>(out, d1, 8);
  store<u64>(out, d2, 16);
  store<u64>(out, t3 - borrow, 24);
  return u64(a3 < b3) | u64(t3 < borrow);
}

export function negate(a: usize, out: usize): void {
  const a0 = load<u64>(a);
  const a1 = load<u64>(a, 8);
  const a2 = load<u64>(a, 16);
  const a3 = load<u64>(a, 24);
  store<u64>(out, -a0);
  store<u64>(out, ~a1 + u64(a0 === 0), 8);
  store<u64>(out, ~a2 + u64((a0 | a1) === 0), 16);
  store<u64>(out, ~a3 + u64((a0 | a1 | a2) === 0), 24);
}

/** The upper half of a 64 by 64 bit product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const cross = aHigh * bLow + ((aLow * bLow) >> 32);
  const middle = aLow * bHigh + (cross & 0xffffffff);
  return aHigh * bHigh + (cross >> 32) + (middle >> 32);
}

/** `out = a * b` modulo 2^256. */
export function multiply(a: usize, b: usize, out: usize): void {
  const a0 = load<u64>(a);
  const a1 = load<u64>(a, 8);
  const a2 = load<u64>(a, 16);
  const b0 = load<u64>(b);
  const b1 = load<u64>(b, 8);
  const b2 = load<u64>(b, 16);
  let r3 = a0 * load<u64>(b, 24) + load<u64>(a, 24) * b0;
  let low = a0 * b1;
  let carry = multiplyHigh(a0, b0);
  let r1 = low + carry;
  carry = multiplyHigh(a0, b1) + u64(r1 < low);
  low = a0 * b2;
  let r2 = low + carry;
  r3 += multiplyHigh(a0, b2) + u64(r2 < low);
  if ((a1 | a2) !== 0) {
    low = a1 * b0;
    r1 += low;
    carry = multiplyHigh(a1, b0) + u64(r1 < low);
    low = a1 * b1;
    const t = low + carry;
    carry = multiplyHigh(a1, b1) + u64(t < low);
    r2 += t;
    carry += u64(r2 < t);
    r3 += a1 * b2 + carry;
    low = a2 * b0;
    r2 += low;
    r3 += multiplyHigh(a2, b0) + u64(r2 < low) + a2 * b1;
  }
  store<u64>(out, a0 * b0);
  store<u64>(out, r1, 8);
  store<u64>(out, r2, 16);
  store<u64>(out, r3, 24);
}

/** `out = a << count` for counts below 256; the two may not overlap. */
export function shiftLeft(a: usize, count: u32, out: usize): void {
  const limbs = (count >> 6) as i32;
  const bits = u64(count & 63);
  for (let i: i32 = 3; i >= 0; i--) {
    let value: u64 = 0;
    const from = i - limbs;
    if (from >= 0) value = load<u64>(a + ((from as usize) << 3)) << bits;
    if (from >= 1 && bits !== 0)
      value |= load<u64>(a + (((from - 1) as usize) << 3)) >> (64 - bits);
    store<u64>(out + ((i as usize) << 3), value);
  }
}

/** `out = a >> count` for counts below 256, with copies of `fill` above; no overlap. */
export function shiftRight(a: usize, count: u32, fill: u64, out: usize): void {
  const limbs = (count >> 6) as i32;
  const bits = u64(count & 63);
  for (let i: i32 = 0; i < 4; i++) {
    const from = i + limbs;
    const low = from < 4 ? load<u64>(a + ((from as usize) << 3)) : fill;
    const high = from < 3 ? load<u64>(a + (((from + 1) as usize) << 3)) : fill;
    const value = bits === 0 ? low : (low >> bits) | (high << (64 - bits));
    store<u64>(out + ((i as usize) << 3), value);
  }
}

/** How many bits the word has up to its highest set bit. */
export function bitLength(a: usize): u32 {
  for (let i: i32 = 3; i >= 0; i--) {
    const limb = load<u64>(a + ((i as usize) << 3));
    if (limb !== 0) return ((i as u32) << 6) + 64 - u32(clz<u64>(limb));
  }
  return 0;
}

/** Reads 32 bytes, the highest first. */
export function fromBytes(bytes: usize, out: usize): void {
  const w0 = bswap<u64>(load<u64>(bytes, 24));
  const w1 = bswap<u64>(load<u64>(bytes, 16));
  const w2 = bswap<u64>(load<u64>(bytes, 8));
  const w3 = bswap<u64>(load<u64>(bytes));
  store<u64>(out, w0);
  store<u64>(out, w1, 8);
  store<u64>(out, w2, 16);
  store<u64>(out, w3, 24);
}

/** Writes 32 bytes, the highest first. */
export function toBytes(a: usize, bytes: usize): void {
  const w0 = bswap<u64>(load<u64>(a));
  const w1 = bswap<u64>(load<u64>(a, 8));
  const w2 = bswap<u64>(load<u64>(a, 16));
  const w3 = bswap<u64>(load<u64>(a, 24));
  store<u64>(bytes, w3);
  store<u64>(bytes, w2, 8);
  store<u64>(bytes, w1, 16);
  store<u64>(bytes, w0, 24);
}

/** Reads the 20 bytes of an address. */
export function fromAddressBytes(bytes: usize, out: usize): void {
  store<u64>(out, bswap<u64>(load<u64>(bytes, 12)));
  store<u64>(out, bswap<u64>(load<u64>(bytes, 4)), 8);
  store<u64>(out, u64(bswap<u32>(load<u32>(bytes))), 16);
  store<u64>(out, 0, 24);
}

/** Writes the lower 20 bytes, the highest first. */
export function toAddressBytes(a: usize, bytes: usize): void {
  store<u32>(bytes, bswap<u32>(load<u32>(a, 16)));
  store<u64>(bytes, bswap<u64>(load<u64>(a, 8)), 4);
  store<u64>(bytes, bswap<u64>(load<u64>(a)), 12);
}

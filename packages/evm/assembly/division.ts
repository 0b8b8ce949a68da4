/** Division of words, and what stands on it. Digits are 32 bits wide, the lowest first. */
import * as word from "./word";

const numerator: usize = memory.data(80, 16);
const divisor: usize = memory.data(48, 16);
const quotient: usize = memory.data(80, 16);
const product: usize = memory.data(64, 16);
const left: usize = memory.data(32, 16);
const right: usize = memory.data(32, 16);
const power: usize = memory.data(32, 16);

function digit(base: usize, index: i32): u64 {
  return u64(load<u32>(base + ((index as usize) << 2)));
}

function setDigit(base: usize, index: i32, value: u64): void {
  store<u32>(base + ((index as usize) << 2), value as u32);
}

function countDigits(base: usize, max: i32): i32 {
  let count = max;
  while (count > 0 && digit(base, count - 1) === 0) count--;
  return count;
}

/** Shifts up by fewer than 32 bits; the digit above the last takes what leaves it. */
function normalise(base: usize, count: i32, bits: u64): void {
  let carry: u64 = 0;
  for (let i: i32 = 0; i < count; i++) {
    const value = (digit(base, i) << bits) | carry;
    setDigit(base, i, value);
    carry = value >> 32;
  }
  setDigit(base, count, carry);
}

/** One digit: `numerator` from `at` minus `guess` times `divisor`; the true digit comes back. */
function subtractProduct(at: i32, count: i32, guess: u64): u64 {
  let carry: u64 = 0;
  let borrow: i64 = 0;
  for (let i: i32 = 0; i < count; i++) {
    const term = guess * digit(divisor, i) + carry;
    carry = term >> 32;
    const value = (digit(numerator, at + i) as i64) - ((term & 0xffffffff) as i64) + borrow;
    setDigit(numerator, at + i, value as u64);
    borrow = value >> 32;
  }
  const top = (digit(numerator, at + count) as i64) - (carry as i64) + borrow;
  setDigit(numerator, at + count, top as u64);
  if (top >= 0) return guess;
  carry = 0;
  for (let i: i32 = 0; i < count; i++) {
    const value = digit(numerator, at + i) + digit(divisor, i) + carry;
    setDigit(numerator, at + i, value);
    carry = value >> 32;
  }
  setDigit(numerator, at + count, digit(numerator, at + count) + carry);
  return guess - 1;
}

/**
 * Divides `numerator` (`size` digits, one more for its use) by `divisor` (8 digits, not zero).
 * The remainder is left in `numerator`.
 * @source Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D
 */
function divideDigits(size: i32): void {
  memory.fill(quotient, 0, 80);
  const count = countDigits(divisor, 8);
  const length = countDigits(numerator, size);
  if (count === 1) {
    const by = digit(divisor, 0);
    let rest: u64 = 0;
    for (let i = length - 1; i >= 0; i--) {
      const value = (rest << 32) | digit(numerator, i);
      setDigit(quotient, i, value / by);
      setDigit(numerator, i, 0);
      rest = value % by;
    }
    setDigit(numerator, 0, rest);
    return;
  }
  if (length < count) return;
  const bits = u64(clz<u32>(digit(divisor, count - 1) as u32));
  normalise(divisor, count, bits);
  normalise(numerator, length, bits);
  const first = digit(divisor, count - 1);
  const second = digit(divisor, count - 2);
  for (let at = length - count; at >= 0; at--) {
    const top = (digit(numerator, at + count) << 32) | digit(numerator, at + count - 1);
    let guess = top / first;
    let rest = top - guess * first;
    const next = digit(numerator, at + count - 2);
    while (guess > 0xffffffff || guess * second > ((rest << 32) | next)) {
      guess--;
      rest += first;
      if (rest > 0xffffffff) break;
    }
    setDigit(quotient, at, subtractProduct(at, count, guess));
  }
  for (let i: i32 = 0; i < count; i++) {
    const pair = (digit(numerator, i + 1) << 32) | digit(numerator, i);
    setDigit(numerator, i, pair >> bits);
  }
}

function prepare(a: usize, b: usize): void {
  word.copy(numerator, a);
  store<u64>(numerator, 0, 32);
  word.copy(divisor, b);
  store<u64>(divisor, 0, 32);
}

export function divide(a: usize, b: usize, out: usize): void {
  if (!word.isWide(a) && !word.isWide(b)) {
    const by = load<u64>(b);
    word.set(out, by === 0 ? 0 : load<u64>(a) / by);
    return;
  }
  if (word.isZero(b)) return word.set(out, 0);
  prepare(a, b);
  divideDigits(8);
  word.copy(out, quotient);
}

export function modulo(a: usize, b: usize, out: usize): void {
  if (!word.isWide(a) && !word.isWide(b)) {
    const by = load<u64>(b);
    word.set(out, by === 0 ? 0 : load<u64>(a) % by);
    return;
  }
  if (word.isZero(b)) return word.set(out, 0);
  prepare(a, b);
  divideDigits(8);
  word.copy(out, numerator);
}

function magnitude(a: usize, out: usize): void {
  if (word.isNegative(a)) word.negate(a, out);
  else word.copy(out, a);
}

export function divideSigned(a: usize, b: usize, out: usize): void {
  const isNegative = word.isNegative(a) !== word.isNegative(b);
  magnitude(a, left);
  magnitude(b, right);
  divide(left, right, out);
  if (isNegative) word.negate(out, out);
}

export function moduloSigned(a: usize, b: usize, out: usize): void {
  const isNegative = word.isNegative(a);
  magnitude(a, left);
  magnitude(b, right);
  modulo(left, right, out);
  if (isNegative) word.negate(out, out);
}

/** `out = (a + b) % m` with a sum that may be 257 bits wide. */
export function addModulo(a: usize, b: usize, m: usize, out: usize): void {
  if (word.isZero(m)) return word.set(out, 0);
  prepare(a, m);
  const carry = word.add(a, b, numerator);
  store<u64>(numerator, carry, 32);
  store<u64>(numerator, 0, 40);
  divideDigits(9);
  word.copy(out, numerator);
}

/** `out = (a * b) % m` with a product of 512 bits. */
export function multiplyModulo(a: usize, b: usize, m: usize, out: usize): void {
  if (word.isZero(m)) return word.set(out, 0);
  memory.fill(product, 0, 64);
  for (let i: usize = 0; i < 32; i += 8) {
    const limb = load<u64>(a + i);
    if (limb === 0) continue;
    let carry: u64 = 0;
    for (let j: usize = 0; j < 32; j += 8) {
      const other = load<u64>(b + j);
      const low = limb * other;
      const sum = low + carry;
      carry = word.multiplyHigh(limb, other) + u64(sum < low);
      const total = load<u64>(product + i + j) + sum;
      carry += u64(total < sum);
      store<u64>(product + i + j, total);
    }
    store<u64>(product + i + 32, carry);
  }
  word.copy(divisor, m);
  store<u64>(divisor, 0, 32);
  memory.copy(numerator, product, 64);
  store<u64>(numerator, 0, 64);
  divideDigits(16);
  word.copy(out, numerator);
}

/** `out = base ** exponent` modulo 2^256. */
export function exponentiate(base: usize, exponent: usize, out: usize): void {
  word.copy(power, base);
  word.copy(left, exponent);
  const bits = word.bitLength(exponent);
  word.set(right, 1);
  for (let i: u32 = 0; i < bits; i++) {
    const limb = load<u64>(left + (((i >> 6) as usize) << 3));
    if (((limb >> u64(i & 63)) & 1) !== 0) word.multiply(right, power, right);
    if (i + 1 < bits) word.multiply(power, power, power);
  }
  word.copy(out, right);
}

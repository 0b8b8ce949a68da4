// Goal: the 256-bit arithmetic of the module equals that of BigInt, at the edges of limbs too.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadEvmModule } from "./node/index.ts";
import { Views } from "./views.ts";

type Binary = (a: number, b: number, out: number) => number | undefined;
type Ternary = (a: number, b: number, c: number, out: number) => void;

interface WordExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  reset(fork: number, memoryLimit: number, codeSizeMax: number): void;
  allocate(size: number): number;
  readonly add: Binary;
  readonly subtract: Binary;
  readonly multiply: Binary;
  readonly divide: Binary;
  readonly divideSigned: Binary;
  readonly modulo: Binary;
  readonly moduloSigned: Binary;
  readonly exponentiate: Binary;
  readonly addModulo: Ternary;
  readonly multiplyModulo: Ternary;
  isLess(a: number, b: number): number;
  isLessSigned(a: number, b: number): number;
  bitLength(a: number): number;
  negate(a: number, out: number): void;
  shiftLeft(a: number, count: number, out: number): void;
  shiftRight(a: number, count: number, fill: bigint, out: number): void;
}

const noHost = new Proxy({}, { get: () => () => 0 });
const host = Object.fromEntries(
  ["loadAccount", "loadSlot", "hasStorage", "loadCode", "copyCode", "blockHash", "precompile"]
    .concat(["outputSize", "copyOutput", "traceStep", "traceEnter", "traceExit"])
    .map((name) => [name, Reflect.get(noHost, name)]),
);
const word = loadEvmModule().instantiate({ host }) as WordExports;
word.reset(14, 1_000_000, 24_576);
const views = new Views(word.memory);
const [a, b, c, out] = [0, 1, 2, 3].map(() => word.allocate(32)) as [
  number,
  number,
  number,
  number,
];

const limit = 1n << 256n;

/** Numbers with few bits set, few bits clear, or around the edges of limbs. */
const words = fc.oneof(
  fc.bigInt({ min: 0n, max: limit - 1n }),
  fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
  fc.bigInt({ min: 0n, max: 40n }),
  fc.bigInt({ min: 1n, max: 40n }).map((small) => limit - small),
  fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.bigInt({ min: -2n, max: 2n }))
    .map(([bit, by]) => BigInt.asUintN(256, (1n << BigInt(bit)) + by)),
  fc
    .array(fc.constantFrom(0n, 1n, 0x7fffffffn, 0x80000000n, 0xfffffffen, 0xffffffffn), {
      minLength: 8,
      maxLength: 8,
    })
    .map((digits) => digits.reduce((sum, digit) => (sum << 32n) | digit, 0n as bigint)),
);

function compute(operation: Binary, x: bigint, y: bigint): bigint {
  views.writeWord(a, x);
  views.writeWord(b, y);
  operation(a, b, out);
  return views.readWord(out);
}

function signed(value: bigint): bigint {
  return BigInt.asIntN(256, value);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % limit;
    square = (square * square) % limit;
  }
  return result;
}

const binary: Readonly<Record<string, (x: bigint, y: bigint) => bigint>> = {
  add: (x, y) => x + y,
  subtract: (x, y) => x - y,
  multiply: (x, y) => x * y,
  divide: (x, y) => (y === 0n ? 0n : x / y),
  modulo: (x, y) => (y === 0n ? 0n : x % y),
  divideSigned: (x, y) => (y === 0n ? 0n : signed(x) / signed(y)),
  moduloSigned: (x, y) => (y === 0n ? 0n : signed(x) % signed(y)),
  exponentiate: power,
};

describe("256-bit arithmetic equals BigInt:", () => {
  for (const [name, expected] of Object.entries(binary)) {
    it(name, () => {
      const operation = Reflect.get(word, name) as Binary;
      fc.assert(
        fc.property(words, words, (x, y) => {
          expect(compute(operation, x, y)).toBe(BigInt.asUintN(256, expected(x, y)));
        }),
        { numRuns: name === "exponentiate" ? 200 : 2000 },
      );
    });
  }

  it("addModulo and multiplyModulo", () => {
    fc.assert(
      fc.property(words, words, words, (x, y, z) => {
        views.writeWord(a, x);
        views.writeWord(b, y);
        views.writeWord(c, z);
        word.addModulo(a, b, c, out);
        expect(views.readWord(out)).toBe(z === 0n ? 0n : (x + y) % z);
        word.multiplyModulo(a, b, c, out);
        expect(views.readWord(out)).toBe(z === 0n ? 0n : (x * y) % z);
      }),
      { numRuns: 3000 },
    );
  });

  it("comparisons, negation, length and shifts", () => {
    fc.assert(
      fc.property(words, words, fc.integer({ min: 0, max: 255 }), (x, y, count) => {
        views.writeWord(a, x);
        views.writeWord(b, y);
        expect(word.isLess(a, b) !== 0).toBe(x < y);
        expect(word.isLessSigned(a, b) !== 0).toBe(signed(x) < signed(y));
        expect(word.bitLength(a)).toBe(x === 0n ? 0 : x.toString(2).length);
        word.negate(a, out);
        expect(views.readWord(out)).toBe(BigInt.asUintN(256, -x));
        word.shiftLeft(a, count, out);
        expect(views.readWord(out)).toBe(BigInt.asUintN(256, x << BigInt(count)));
        word.shiftRight(a, count, signed(x) < 0n ? -1n : 0n, out);
        expect(views.readWord(out)).toBe(BigInt.asUintN(256, signed(x) >> BigInt(count)));
      }),
      { numRuns: 2000 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesToHex,
  DerReader,
  derElement,
  derInteger,
  derObjectIdentifier,
  derSequence,
  derTag,
  derTime,
  ecdsaDerToRaw,
  ecdsaRawToDer,
  hexToBytes,
  isCocoError,
} from "./index.ts";

const runs = 500;

/** Visits every element, as a hostile input would like it best. */
function walk(bytes: Uint8Array): number {
  const waiting = [bytes];
  let count = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const reader = new DerReader(next);
    while (!reader.isAtEnd) {
      const element = reader.element();
      count++;
      if ((element.tag & 0x20) !== 0) waiting.push(element.content);
    }
  }
  return count;
}

describe("DER reader", () => {
  it("refuses what BER allows and DER forbids", () => {
    const cases: [hex: string, read: (reader: DerReader) => unknown][] = [
      ["3080 0000", (reader) => reader.element()],
      ["3081 00", (reader) => reader.element()],
      ["30820001 00", (reader) => reader.element()],
      ["3085 0000000001 00", (reader) => reader.element()],
      ["1f01 00", (reader) => reader.element()],
      ["3003 0201", (reader) => reader.element()],
      ["30", (reader) => reader.element()],
      ["", (reader) => reader.element()],
      ["0200", (reader) => reader.integer()],
      ["0202 0001", (reader) => reader.integer()],
      ["0202 ff80", (reader) => reader.integer()],
      ["0201 ff", (reader) => reader.unsignedInteger()],
      ["0207 01000000000000", (reader) => reader.smallInteger()],
      ["0101 01", (reader) => reader.boolean()],
      ["0603 2a8001", (reader) => reader.objectIdentifier()],
      ["0602 2a86", (reader) => reader.objectIdentifier()],
      ["0302 01ff", (reader) => reader.bitString()],
      ["170b 3236313132303130303430", (reader) => reader.timeMs()],
      ["170d 3236303233303130303430305a", (reader) => reader.timeMs()],
      ["0500", (reader) => reader.end()],
    ];
    for (const [hex, read] of cases) {
      const reader = new DerReader(hexToBytes(hex.replaceAll(" ", "")));
      expect(() => read(reader), hex).toThrow(expect.objectContaining({ code: "BadDer" }));
    }
  });

  it("reads back whatever the writer wrote: integers, identifiers, times, long contents", () => {
    const arcs = fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.nat(0x7fff_ffff), (value) => {
        expect(new DerReader(derInteger(value)).smallInteger()).toBe(value);
      }),
      { numRuns: runs },
    );
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 2), fc.nat(39), arcs, (first, second, rest) => {
        const identifier = [first, second, ...rest].join(".");
        expect(new DerReader(derObjectIdentifier(identifier)).objectIdentifier()).toBe(identifier);
      }),
      { numRuns: runs },
    );
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 2e11 }), (seconds) => {
        expect(new DerReader(derTime(seconds * 1000)).timeMs()).toBe(seconds * 1000);
      }),
      { numRuns: runs },
    );
    for (const sizeBytes of [0, 127, 128, 255, 256, 65_535, 65_536]) {
      const element = derElement(derTag.octetString, new Uint8Array(sizeBytes));
      expect(new DerReader(element).octetString().length).toBe(sizeBytes);
    }
  });

  it("throws BadDer and nothing else for random and for damaged bytes", () => {
    const sample = derSequence(
      derSequence(derInteger(5), derTime(0)),
      derObjectIdentifier("1.2.3"),
    );
    const damaged = fc
      .tuple(fc.nat(sample.length - 1), fc.nat(255))
      .map(([at, value]) => sample.map((byte, index) => (index === at ? value : byte)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (bytes) => {
        try {
          expect(walk(bytes)).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(isCocoError(error) && error.code).toBe("BadDer");
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe("ECDSA signatures", () => {
  it("convert between r||s and DER without loss, for every curve size", () => {
    fc.assert(
      fc.property(fc.constantFrom(32, 48, 66), fc.infiniteStream(fc.nat(255)), (size, stream) => {
        const raw = Uint8Array.from(stream.take(2 * size));
        expect(bytesToHex(ecdsaDerToRaw(ecdsaRawToDer(raw), size))).toBe(bytesToHex(raw));
      }),
      { numRuns: runs },
    );
  });

  it("refuse numbers that do not fit the curve", () => {
    const der = ecdsaRawToDer(new Uint8Array(96).fill(0xff));
    expect(() => ecdsaDerToRaw(der, 32)).toThrow(expect.objectContaining({ code: "BadDer" }));
  });
});

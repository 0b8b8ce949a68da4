import * as fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "./bytes.ts";

test("goal: bytes and one-byte text are each other's inverse at every length and offset", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), fc.nat(5), (bytes, offset) => {
      const part = bytes.subarray(Math.min(offset, bytes.length));
      const text = bytesToLatin1(part);
      expect(text).toHaveLength(part.length);
      expect(Array.from(text, (character) => character.charCodeAt(0))).toEqual([...part]);
      expect(latin1ToBytes(text)).toEqual(new Uint8Array(part));
    }),
  );
});

test("goal: characters above U+00FF lose their upper bits, in short and in long text", () => {
  for (const count of [1, 1000]) {
    const bytes = latin1ToBytes("\u0141\u00ff".repeat(count));
    expect([...bytes.subarray(0, 2)]).toEqual([0x41, 0xff]);
    expect(bytes).toHaveLength(2 * count);
  }
});

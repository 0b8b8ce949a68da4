import { describe, expect, it } from "vitest";
import { decodeCbor } from "./cbor.ts";
import { hexToBytes, isCocoError } from "./index.ts";

describe("decodeCbor", () => {
  // Goal: a break code outside of an indefinite length is malformed wherever it stands.
  it.each(["ff", "81ff", "82ff01", "a1ff01", "a101ff", "81a101ff", "d281a101ff", "a1a101ff01"])(
    "refuses %s",
    (hex) => {
      let caught: unknown;
      try {
        decodeCbor(hexToBytes(hex));
      } catch (error) {
        caught = error;
      }
      expect(isCocoError(caught) && caught.code).toBe("BadCbor");
    },
  );

  // Goal: keys whose duplicates could not be seen are refused: lists, maps, bytes, tags.
  it.each(["a18101", "a1810101", "a1a001", "a1410101", "a2410101410102", "a1c10101"])(
    "refuses the keys of %s",
    (hex) => expect(() => decodeCbor(hexToBytes(hex))).toThrow(/not the expected CBOR/),
  );

  // Goal: nesting as deep as the input allows is refused with the same error, not with a crash.
  it("survives deep nesting", () => {
    const deep = new Uint8Array(1_000_000).fill(0x81);
    expect(() => decodeCbor(deep)).toThrow(/not the expected CBOR/);
  });
});

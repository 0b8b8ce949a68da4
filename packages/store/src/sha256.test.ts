import { createNodeCrypto } from "@coco/base/node";
import { describe, expect, test } from "vitest";
import {
  absorbBlock,
  bytesToWords,
  createHmacKey,
  emptyHashState,
  finishHash,
  hashNodePair,
  hmacShort,
  wordsToBytes,
} from "./sha256.ts";

const crypto = createNodeCrypto();
const output = new Int32Array(8);

function message(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 37 + length) % 256);
}

describe("SHA-256 in plain JavaScript", () => {
  // Goal: every length around the borders of blocks agrees with the platform's hash.
  test.each(Array.from({ length: 200 }, (_, length) => length))("%i bytes", (length) => {
    const scratch = new Uint8Array(320);
    scratch.set(message(length));
    finishHash(emptyHashState, scratch, length, output);
    expect(wordsToBytes(output)).toEqual(new Uint8Array(crypto.sha256(message(length))));
  });

  test("a state after one block can be finished many times", () => {
    // Goal: the prefix is hashed once, as in HMAC.
    const prefix = message(64);
    const state = absorbBlock(emptyHashState, prefix);
    for (const length of [0, 1, 55, 56, 64, 100]) {
      const scratch = new Uint8Array(192);
      scratch.set(message(length));
      finishHash(state, scratch, length, output);
      const whole = new Uint8Array([...prefix, ...message(length)]);
      expect(wordsToBytes(output)).toEqual(new Uint8Array(crypto.sha256(whole)));
    }
  });

  test("node pairs", () => {
    // Goal: an inner node is the hash of the two digests, also in place.
    const [left, right] = [message(32), message(33).subarray(1)];
    const pair = new Int32Array(16);
    bytesToWords(left, 0, pair, 0);
    bytesToWords(right, 0, pair, 8);
    hashNodePair(pair, 0, pair, 8, pair, 0);
    const expected = crypto.sha256(new Uint8Array([...left, ...right]));
    expect(wordsToBytes(pair)).toEqual(new Uint8Array(expected));
  });

  test("HMAC", () => {
    // Goal: keyed hashes agree with the platform's.
    for (const keyLength of [0, 20, 32, 64]) {
      const key = createHmacKey(message(keyLength));
      for (const length of [0, 8, 55]) {
        const scratch = new Uint8Array(128);
        scratch.set(message(length));
        hmacShort(key, scratch, length, output);
        const expected = crypto.hmacSha256(message(keyLength), message(length));
        expect(wordsToBytes(output)).toEqual(new Uint8Array(expected));
      }
    }
  });
});

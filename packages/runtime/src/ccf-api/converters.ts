/** The functions that stand directly on `ccf`. */
import { bytesToHex, type Hash } from "@coco/base";
import type { AppCrypto } from "./app-crypto.ts";
import { expectBuffer, expectCount, hostFunctions, toPlainError } from "./host-function.ts";
import { tcbHexToPolicy } from "./snp-tcb.ts";
import { bytesToText, textToBuffer } from "./text.ts";

/** Conversions between text, JSON and ArrayBuffers. */
export const converters = {
  strToBuf(text: string): ArrayBuffer {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    if (typeof text !== "string") throw new TypeError("Argument must be a string");
    return textToBuffer(text);
  },

  bufToStr(buffer: ArrayBuffer): string {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    return bytesToText(expectBuffer(buffer));
  },

  jsonCompatibleToBuf(value: unknown): ArrayBuffer {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    const text: unknown = JSON.stringify(value);
    if (typeof text !== "string") throw new TypeError("Argument must be a string");
    return textToBuffer(text);
  },

  bufToJsonCompatible(buffer: ArrayBuffer): unknown {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    return JSON.parse(bytesToText(expectBuffer(buffer)));
  },
};

/** `ccf.pemToId`, `ccf.tcbHexToPolicy`. */
export function createIdentifiers(crypto: AppCrypto, hash: Pick<Hash, "sha256">) {
  return hostFunctions({
    pemToId(...args: unknown[]): string {
      expectCount(args, 1);
      const pem = String(args[0]);
      try {
        return bytesToHex(hash.sha256(crypto.certificateToDer(pem)));
      } catch (error) {
        throw new Error(`Failed to parse PEM: ${toPlainError(error).message}`);
      }
    },

    tcbHexToPolicy(...args: unknown[]): object {
      expectCount(args, 2);
      return tcbHexToPolicy(String(args[0]), String(args[1]));
    },
  });
}

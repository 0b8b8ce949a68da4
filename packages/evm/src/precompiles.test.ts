// Goal: every precompiled contract gives the output and takes the gas of another implementation,
// for inputs that are good, too short, too long and broken.
import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM } from "@ethereumjs/evm";
import { SimpleStateManager } from "@ethereumjs/statemanager";
import { Address } from "@ethereumjs/util";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, it } from "vitest";
import { createEvm } from "./evm.ts";
import { fromHex, MemoryState, toHex } from "./node/conformance/memory-state.ts";
import { loadEvmModule } from "./node/index.ts";
import type { EvmBlock } from "./types.ts";

const gas = 3_000_000n;
const caller = fromHex("c0".repeat(20));
const block: EvmBlock = {
  number: 1n,
  timestamp: 1n,
  coinbase: caller,
  gasLimit: gas,
  chainId: 1n,
};

function number(value: bigint | number, size = 32): string {
  return value.toString(16).padStart(2 * size, "0");
}

function bnPoint(factor: bigint): string {
  const { x, y } = bn254.G1.Point.BASE.multiply(factor).toAffine();
  return number(x) + number(y);
}

function bnTwist(factor: bigint): string {
  const { x, y } = bn254.G2.Point.BASE.multiply(factor).toAffine();
  return number(x.c1) + number(x.c0) + number(y.c1) + number(y.c0);
}

function blsPoint(factor: bigint): string {
  const { x, y } = bls12_381.G1.Point.BASE.multiply(factor).toAffine();
  return number(x, 64) + number(y, 64);
}

function blsTwist(factor: bigint): string {
  const { x, y } = bls12_381.G2.Point.BASE.multiply(factor).toAffine();
  return [x.c0, x.c1, y.c0, y.c1].map((value) => number(value, 64)).join("");
}

const order = bn254.fields.Fr.ORDER;
const blsOrder = bls12_381.fields.Fr.ORDER;

function signed(): readonly [id: number, input: string][] {
  const hash = sha256(Uint8Array.of(1, 2, 3));
  const key = fromHex(number(77));
  const ethereum = secp256k1.sign(hash, key, { prehash: false, format: "recovered" });
  const recovery = number(27 + ethereum[0]!);
  const nist = toHex(p256.sign(hash, key, { prehash: false, lowS: false }));
  const publicKey = toHex(p256.getPublicKey(key, false).subarray(1));
  return [
    [1, toHex(hash) + recovery + toHex(ethereum.subarray(1))],
    [1, toHex(hash) + number(29) + toHex(ethereum.subarray(1))],
    [1, toHex(hash) + recovery + number(0) + number(1)],
    [0x100, toHex(hash) + nist + publicKey],
    [0x100, toHex(sha256(hash)) + nist + publicKey],
  ];
}

const inputs: readonly (readonly [id: number, input: string])[] = [
  ...signed(),
  [2, ""],
  [2, "abcdef"],
  [3, "abcdef"],
  [4, "ab".repeat(70)],
  [5, number(1) + number(2) + number(3) + "03ffff".padEnd(12, "7")],
  [5, number(32) + number(32) + number(32) + number(3n ** 99n) + number(7n ** 80n) + number(5n)],
  [5, number(0) + number(0) + number(0)],
  [5, number(40) + number(64) + number(33) + "7f".repeat(137)],
  [5, number(1024) + number(2) + number(1024) + "7f".repeat(2050)],
  [5, number(1025) + number(2) + number(1) + "7f".repeat(1028)],
  [6, bnPoint(3n) + bnPoint(4n)],
  [6, bnPoint(3n) + bnPoint(order - 3n)],
  [6, number(1) + number(1)],
  [7, bnPoint(3n) + number((1n << 256n) - 1n)],
  [7, bnPoint(3n) + number(0)],
  [8, ""],
  [8, bnPoint(3n) + bnTwist(4n) + bnPoint(order - 12n) + bnTwist(1n)],
  [8, bnPoint(3n) + bnTwist(4n)],
  [8, `${bnPoint(3n) + bnTwist(4n)}00`],
  [9, `${number(12, 4) + "1f".repeat(192) + "11".repeat(16)}01`],
  [9, `${number(0, 4) + "1f".repeat(192) + "11".repeat(16)}00`],
  [9, `${number(12, 4) + "1f".repeat(192) + "11".repeat(16)}02`],
  [0x0b, blsPoint(3n) + blsPoint(5n)],
  [0x0b, blsPoint(3n) + number(0, 128)],
  [0x0b, blsPoint(3n) + number(1, 128)],
  [0x0c, blsPoint(3n) + number(9) + blsPoint(7n) + number(blsOrder + 1n)],
  [0x0c, ""],
  [0x0d, blsTwist(3n) + blsTwist(5n)],
  [0x0e, blsTwist(3n) + number(9) + blsTwist(7n) + number(11) + blsTwist(1n) + number(0)],
  [0x0f, blsPoint(3n) + blsTwist(4n) + blsPoint(blsOrder - 12n) + blsTwist(1n)],
  [0x0f, blsPoint(3n) + blsTwist(4n)],
  [0x10, number(12345, 64)],
  [0x10, number((1n << 381n) - 1n, 64)],
  [0x11, number(12345, 64) + number(6789, 64)],
];

it("outputs and gas are the same", async () => {
  const common = new Common({ chain: Mainnet, hardfork: Hardfork.Osaka });
  const there = await createEVM({ common, stateManager: new SimpleStateManager({ common }) });
  const evm = createEvm({ module: loadEvmModule(), state: new MemoryState() });
  for (const [id, hex] of inputs) {
    const to = fromHex(number(id, 20));
    const data = fromHex(hex);
    evm.beginTransaction();
    const here = evm.execute({ caller, to, data, gas, block });
    const { execResult } = await there.runCall({
      caller: new Address(caller),
      to: new Address(to),
      data,
      gasLimit: gas,
    });
    const expected = [
      execResult.exceptionError === undefined,
      execResult.executionGasUsed,
      toHex(execResult.returnValue),
    ];
    const found = [here.status === "success", here.gasUsed, toHex(here.output)];
    expect(found, `${id.toString(16)} ${hex.slice(0, 80)}`).toEqual(expected);
  }
});

// Goal: a true opening of a committed polynomial is accepted, and no other value.
it("evaluates a point of a committed polynomial", () => {
  // The polynomial is the constant 5: its commitment is 5 G, every value is 5, the proof is zero.
  const commitment = bls12_381.G1.Point.BASE.multiply(5n).toBytes(true);
  const versionedHash = sha256(commitment);
  versionedHash[0] = 1;
  const proof = `c0${"00".repeat(47)}`;
  const evm = createEvm({ module: loadEvmModule(), state: new MemoryState() });
  const run = (value: bigint) => {
    const words = toHex(versionedHash) + number(3) + number(value) + toHex(commitment) + proof;
    evm.beginTransaction();
    return evm.execute({ caller, to: fromHex(number(10, 20)), data: fromHex(words), gas, block });
  };
  expect(run(5n)).toMatchObject({ status: "success", gasUsed: 50_000n });
  expect(toHex(run(5n).output)).toBe(number(4096) + number(blsOrder));
  expect(run(6n)).toMatchObject({ status: "precompileFailed", gasUsed: gas });
});

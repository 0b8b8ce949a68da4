/** Runs the same message here and in another implementation, and compares every step. */
import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM } from "@ethereumjs/evm";
import { SimpleStateManager } from "@ethereumjs/statemanager";
import { Account, Address } from "@ethereumjs/util";
import { createEvm } from "./evm.ts";
import type { Fork } from "./forks.ts";
import { fromHex, MemoryState, toHex } from "./node/conformance/memory-state.ts";
import { loadEvmModule } from "./node/index.ts";
import { precompileAddresses } from "./transaction.ts";
import type { EvmBlock } from "./types.ts";

/** A small generator of numbers, so that a seed names a case for ever. */
function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const caller = fromHex("c0".repeat(20));
const contracts = ["a1", "a2", "a3"].map((byte) => fromHex(byte.repeat(20)));
const coinbase = fromHex("cb".repeat(20));

const block: EvmBlock = {
  number: 5n,
  timestamp: 1000n,
  coinbase,
  gasLimit: 30_000_000n,
  chainId: 1n,
  baseFee: 7n,
  blobBaseFee: 1n,
  randao: 99n,
};

export interface Case {
  readonly codes: readonly Uint8Array[];
  readonly data: Uint8Array;
  readonly gas: bigint;
  readonly value: bigint;
}

export function createCase(seed: number): Case {
  const random = createRandom(seed);
  return {
    codes: contracts.map(() => randomCode(random)),
    data: Uint8Array.from({ length: random(200) }, () => random(256)),
    gas: BigInt(10 + random(random(4) === 0 ? 3_000 : 400_000)),
    value: BigInt(random(3)),
  };
}

type Random = (below: number) => number;

function randomCode(random: Random): Uint8Array {
  const code: number[] = [];
  const length = 10 + random(120);
  while (code.length < length) appendSnippet(code, random);
  return Uint8Array.from(code);
}

const wordOperations = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 22, 23, 24, 26,
].concat([27, 28, 29, 0x1a, 0x1e, 0x15, 0x19]);
const readOperations = [
  0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x44,
].concat([0x45, 0x46, 0x47, 0x48, 0x4a, 0x58, 0x59, 0x5a, 0x5f]);
const accountOperations = [0x31, 0x3b, 0x3f];
const copyOperations = [0x37, 0x39, 0x3e, 0x5e];

function appendSnippet(code: number[], random: Random): unknown {
  switch (random(13)) {
    case 0:
    case 1:
      appendNumber(code, random);
      appendNumber(code, random);
      if (random(3) === 0) appendNumber(code, random);
      return code.push(wordOperations[random(wordOperations.length)]!);
    case 2:
      return code.push(readOperations[random(readOperations.length)]!);
    case 3:
      appendSmall(code, random);
      return code.push([0x35, 0x51, 0x54, 0x5c, 0x40, 0x49][random(6)]!);
    case 4:
      appendNumber(code, random);
      appendSmall(code, random);
      return code.push([0x52, 0x53, 0x55, 0x5d][random(4)]!);
    case 5:
      for (let i = 0; i < 3; i++) appendSmall(code, random);
      return code.push(copyOperations[random(4)]!);
    case 6:
      appendAddress(code, random);
      return code.push(accountOperations[random(3)]!);
    case 7:
    case 8:
      return appendCall(code, random);
    case 9:
      for (let i = random(5); i >= 0; i--) appendSmall(code, random);
      return code.push([0x20, 0xa0, 0xa1, 0xa2, 0xf3, 0xfd, 0xf0, 0xf5, 0xff][random(9)]!);
    case 10:
      return code.push(0x80 + random(32));
    case 11:
      return code.push(...[0x5b, 0x60, code.length + random(8), random(2) ? 0x56 : 0x57]);
    default:
      return code.push(random(40) === 0 ? random(256) : 0x5b);
  }
}

function appendSmall(code: number[], random: Random): void {
  if (random(20) === 0) appendNumber(code, random);
  else code.push(0x60, random(random(3) === 0 ? 256 : 70));
}

function appendNumber(code: number[], random: Random): void {
  const size = [1, 1, 2, 8, 9, 16, 20, 31, 32, 32][random(10)]!;
  const fill = random(4);
  code.push(0x5f + size);
  for (let i = 0; i < size; i++) code.push(fill === 0 ? 0xff : fill === 1 ? 0 : random(256));
}

function appendAddress(code: number[], random: Random): void {
  const kind = random(5);
  if (kind === 0) code.push(0x30);
  else if (kind === 1) code.push(0x60, random(10));
  else code.push(0x73, ...(kind === 2 ? caller : contracts[random(3)]!));
}

function appendCall(code: number[], random: Random): void {
  const operation = [0xf1, 0xf1, 0xf2, 0xf4, 0xfa][random(5)]!;
  for (let i = 0; i < 4; i++) appendSmall(code, random);
  if (operation <= 0xf2) code.push(0x60, random(2));
  appendAddress(code, random);
  if (random(2) === 0) code.push(0x5a);
  else code.push(0x61, random(200), random(256));
  code.push(operation);
}

/** What both implementations have to agree on, as lines of text. */
export type Trace = readonly string[];

/**
 * The first line at which the traces differ, or -1. The other implementation leaves some steps out
 * that fail for want of stack items, so the last step of a frame may be here alone.
 */
export function findDifference(here: Trace, there: Trace): number {
  let j = 0;
  for (let i = 0; i < here.length; i++, j++) {
    if (here[i] === there[j]) continue;
    const [depth, nextDepth] = [here[i], here[i + 1]].map((line) => Number(line?.split(" ")[0]));
    const isLastOfFrame = Number.isNaN(nextDepth) || nextDepth! < depth!;
    if (!isLastOfFrame || here[i + 1] !== there[j]) return i;
    j--;
  }
  return j === there.length ? -1 : here.length;
}

/**
 * Leaves the last step of every frame out: the end of the code and operations that cannot run are
 * steps in one implementation and not in the other. Their effects are compared all the same.
 */
function stepFilter(trace: string[]): (depth: number, line: string) => void {
  const waiting: string[] = [];
  return (depth, line) => {
    const isDeeper = depth >= waiting.length;
    waiting.length = Math.min(waiting.length, depth + 1);
    const last = isDeeper ? waiting.at(-1) : waiting[depth];
    if (last !== undefined && last !== "") trace.push(last);
    if (isDeeper && depth > 0) waiting[depth - 1] = "";
    waiting[depth] = `${depth} ${line}`;
  };
}

export function runHere({ codes, data, gas, value }: Case, fork: Fork): Trace {
  const state = new MemoryState();
  state.put(caller, { balance: 10n ** 18n });
  for (const [i, address] of contracts.entries()) {
    state.put(address, { nonce: 1n, balance: BigInt(i), code: codes[i]! });
  }
  const trace: string[] = [];
  const addStep = stepFilter(trace);
  const evm = createEvm({
    module: loadEvmModule({ isTracing: true }),
    state,
    fork,
    host: { blockHash: () => new Uint8Array(32) },
    tracer: {
      step: ({ pc, operation, gas, depth, stack }) => {
        const top = stack().at(-1) ?? "";
        if (operation !== 0)
          addStep(depth - 1, `${pc} ${operation.toString(16)} ${gas} ${top.toString(16)}`);
      },
    },
  });
  evm.beginTransaction();
  for (const address of [caller, contracts[0]!, coinbase]) evm.warm(address);
  for (const address of precompileAddresses(evm)) evm.warm(address);
  const result = evm.execute({ caller, to: contracts[0]!, data, gas, value, block });
  const isLost = result.status !== "success";
  const refund = isLost ? 0n : result.gasRefund;
  trace.push(`${!isLost} ${result.gasUsed} ${refund} ${toHex(result.output)}`);
  for (const { address, topics, data } of result.logs) {
    trace.push([address, ...topics, data].map(toHex).join(" "));
  }
  for (const address of contracts) {
    const account = evm.account(address);
    trace.push(`${account?.nonce} ${account?.balance}`);
  }
  return trace;
}

const hardforks: Partial<Record<Fork, Hardfork>> = {
  istanbul: Hardfork.Istanbul,
  berlin: Hardfork.Berlin,
  london: Hardfork.London,
  shanghai: Hardfork.Shanghai,
  cancun: Hardfork.Cancun,
  prague: Hardfork.Prague,
  osaka: Hardfork.Osaka,
};

export async function runThere({ codes, data, gas, value }: Case, fork: Fork): Promise<Trace> {
  const common = new Common({ chain: Mainnet, hardfork: hardforks[fork]! });
  const stateManager = new SimpleStateManager({ common });
  const evm = await createEVM({ common, stateManager });
  const addresses = contracts.map((address) => new Address(address));
  await stateManager.putAccount(new Address(caller), new Account(0n, 10n ** 18n));
  for (const [i, address] of addresses.entries()) {
    await stateManager.putAccount(address, new Account(1n, BigInt(i)));
    await stateManager.putCode(address, codes[i]!);
  }
  const trace: string[] = [];
  const addStep = stepFilter(trace);
  evm.events?.on("step", ({ pc, opcode, gasLeft, depth, stack }, next) => {
    const top = stack.at(-1)?.toString(16) ?? "";
    if (opcode.code !== 0) addStep(depth, `${pc} ${opcode.code.toString(16)} ${gasLeft} ${top}`);
    next?.();
  });
  for (const address of [caller, contracts[0]!, coinbase, ...precompileAddresses({ fork })]) {
    evm.journal.addAlwaysWarmAddress(new Address(address).toString());
  }
  const header = {
    number: block.number,
    timestamp: block.timestamp,
    coinbase: new Address(coinbase),
    difficulty: 99n,
    prevRandao: fromHex("63".padStart(64, "0")),
    gasLimit: block.gasLimit,
    baseFeePerGas: block.baseFee!,
    getBlobGasPrice: () => 1n,
  };
  const { execResult } = await evm.runCall({
    caller: new Address(caller),
    to: addresses[0]!,
    data,
    gasLimit: gas,
    value,
    block: { header } as never,
  });
  const isGood = execResult.exceptionError === undefined;
  const refund = isGood ? (execResult.gasRefund ?? 0n) : 0n;
  const output = toHex(execResult.returnValue);
  trace.push(`${isGood} ${execResult.executionGasUsed} ${refund} ${output}`);
  for (const [address, topics, bytes] of execResult.logs ?? []) {
    trace.push([address, ...topics, bytes].map(toHex).join(" "));
  }
  for (const address of addresses) {
    const account = await stateManager.getAccount(address);
    trace.push(`${account?.nonce} ${account?.balance}`);
  }
  return trace;
}

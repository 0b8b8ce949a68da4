/**
 * ERC-20 transfers and a loop of arithmetic, here and in @ethereumjs/evm, in one run.
 * Run: npm run bench:evm
 */
import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM, type EVM } from "@ethereumjs/evm";
import { SimpleStateManager } from "@ethereumjs/statemanager";
import { Account, Address } from "@ethereumjs/util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { loopInitCode, tokenInitCode } from "./contracts.testing.ts";
import { createEvm } from "./evm.ts";
import { fromHex, MemoryState, toHex } from "./node/conformance/memory-state.ts";
import { loadEvmModule } from "./node/index.ts";
import { runTransaction } from "./transaction.ts";
import type { EvmBlock } from "./types.ts";

const caller = fromHex("c0".repeat(20));
const gas = 5_000_000n;
const block: EvmBlock = {
  number: 5n,
  timestamp: 1000n,
  coinbase: new Uint8Array(20),
  gasLimit: 30_000_000n,
  chainId: 1n,
};

function encodeCall(signature: string, ...words: readonly string[]): Uint8Array {
  const selector = toHex(keccak_256(new TextEncoder().encode(signature)).subarray(0, 4));
  return fromHex(selector + words.map((word) => word.padStart(64, "0")).join(""));
}

const transfer = encodeCall("transfer(address,uint256)", "dd".repeat(20), "1");
const loop = encodeCall("loop(uint256)", (1000).toString(16));

const state = new MemoryState();
state.put(caller, { balance: 10n ** 24n });
const evm = createEvm({ module: loadEvmModule(), state, fork: "osaka" });

function createHere(initCode: string): Uint8Array {
  evm.beginTransaction();
  const { created } = evm.execute({ caller, data: fromHex(initCode), gas, block });
  if (created === undefined) throw new Error("the contract was not created");
  state.apply(evm.takeWriteSet());
  return created;
}

async function createThere(initCode: string): Promise<{ there: EVM; to: Address }> {
  const common = new Common({ chain: Mainnet, hardfork: Hardfork.Osaka });
  const stateManager = new SimpleStateManager({ common });
  const there = await createEVM({ common, stateManager });
  const sender = new Address(caller);
  await stateManager.putAccount(sender, new Account(0n, 10n ** 24n));
  const result = await there.runCall({ caller: sender, data: fromHex(initCode), gasLimit: gas });
  return { there, to: result.createdAddress! };
}

const token = createHere(tokenInitCode);
const looper = createHere(loopInitCode);
const tokenThere = await createThere(tokenInitCode);
const looperThere = await createThere(loopInitCode);

function callHere(to: Uint8Array, data: Uint8Array): void {
  evm.beginTransaction();
  const { status } = evm.execute({ caller, to, data, gas, block });
  if (status !== "success") throw new Error(status);
  evm.endTransaction();
}

async function callThere(given: { there: EVM; to: Address }, data: Uint8Array): Promise<void> {
  const { there, to } = given;
  const { execResult } = await there.runCall({
    caller: new Address(caller),
    to,
    data,
    gasLimit: gas,
  });
  if (execResult.exceptionError !== undefined) throw new Error("the call failed");
  there.journal.cleanJournal();
}

/** The median processor time of a call over five samples, in microseconds. */
async function measure(count: number, run: () => unknown): Promise<number> {
  const samples: number[] = [];
  for (let sample = 0; sample < 6; sample++) {
    const start = process.cpuUsage();
    for (let i = 0; i < count; i++) await run();
    const { user, system } = process.cpuUsage(start);
    // The first sample warms up.
    if (sample > 0) samples.push((user + system) / count);
  }
  return samples.sort((a, b) => a - b)[2]!;
}

/** Without the cost of a promise for each call. */
function repeat(times: number, run: () => void): () => void {
  return () => {
    for (let i = 0; i < times; i++) run();
  };
}

let nonce = 2n;

function transactHere(): void {
  const rest = { gasLimit: 100_000n, value: 0n, data: transfer, maxFeePerGas: 0n };
  const transaction = { type: 2, sender: caller, nonce: nonce++, to: token, ...rest };
  const { kind } = runTransaction(evm, transaction, block);
  if (kind !== "executed") throw new Error("the transaction was rejected");
  evm.takeWriteSet();
}

const transferMicros =
  (await measure(
    100,
    repeat(100, () => callHere(token, transfer)),
  )) / 100;
console.log(`ERC-20 transfer, here: ${transferMicros.toFixed(1)} us of processor time`);
const transactMicros = (await measure(100, repeat(100, transactHere))) / 100;
console.log(`  as a transaction with fees and write set: ${transactMicros.toFixed(1)} us`);
const transferThere = await measure(300, () => callThere(tokenThere, transfer));
console.log(`  @ethereumjs/evm: ${transferThere.toFixed(0)} us`);
console.log(`  ratio: ${(transferThere / transferMicros).toFixed(0)}`);
const loopMicros =
  (await measure(
    20,
    repeat(10, () => callHere(looper, loop)),
  )) / 10;
console.log(`loop of 1,000 rounds, here: ${loopMicros.toFixed(0)} us of processor time`);
const loopThere = await measure(20, () => callThere(looperThere, loop));
console.log(`  @ethereumjs/evm: ${loopThere.toFixed(0)} us`);
console.log(`  ratio: ${(loopThere / loopMicros).toFixed(0)}`);

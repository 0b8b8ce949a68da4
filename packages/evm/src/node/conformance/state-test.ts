/**
 * Runs official state tests: a state, a transaction with variants, and the state roots and hashes
 * of the logs that each fork has to arrive at.
 * @source The format of ethereum/tests, GeneralStateTests
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { createEvm, type Evm } from "../../evm.ts";
import type { Fork } from "../../forks.ts";
import { recoverPublicKey } from "../../precompiles.ts";
import { runTransaction } from "../../transaction.ts";
import type { EvmTransaction } from "../../transaction-rules.ts";
import type { EvmBlock, EvmLog } from "../../types.ts";
import { loadEvmModule } from "../load-module.ts";
import { fromHex, MemoryState, toHex } from "./memory-state.ts";
import { encodeNumber, encodeRlp } from "./rlp.ts";

interface TestAccount {
  readonly balance: string;
  readonly nonce: string;
  readonly code: string;
  readonly storage: Readonly<Record<string, string>>;
}

interface TestTransaction {
  readonly data: readonly string[];
  readonly gasLimit: readonly string[];
  readonly value: readonly string[];
  readonly nonce: string;
  readonly to: string;
  readonly sender: string;
  readonly gasPrice?: string;
  readonly maxFeePerGas?: string;
  readonly maxPriorityFeePerGas?: string;
  readonly maxFeePerBlobGas?: string;
  readonly blobVersionedHashes?: readonly string[];
  readonly accessLists?: readonly (readonly TestAccessItem[] | null)[];
  readonly authorizationList?: readonly Readonly<Record<string, string>>[];
}

interface TestAccessItem {
  readonly address: string;
  readonly storageKeys: readonly string[];
}

interface TestPost {
  readonly hash: string;
  readonly logs: string;
  readonly indexes: { readonly data: number; readonly gas: number; readonly value: number };
  readonly expectException?: string;
}

export interface StateTest {
  readonly env: Readonly<Record<string, string>>;
  readonly pre: Readonly<Record<string, TestAccount>>;
  readonly transaction: TestTransaction;
  readonly post: Readonly<Record<string, readonly TestPost[]>>;
}

export interface SubtestResult {
  readonly name: string;
  /** Empty when the subtest passed. */
  readonly difference: string;
}

const forkNames: Readonly<Record<string, Fork>> = {
  Frontier: "frontier",
  Homestead: "homestead",
  EIP150: "tangerineWhistle",
  EIP158: "spuriousDragon",
  Byzantium: "byzantium",
  Constantinople: "constantinople",
  ConstantinopleFix: "petersburg",
  Istanbul: "istanbul",
  Berlin: "berlin",
  London: "london",
  Paris: "paris",
  Merge: "paris",
  Shanghai: "shanghai",
  Cancun: "cancun",
  Prague: "prague",
  Osaka: "osaka",
};

/** Runs every subtest of a file, or those of one fork. */
export function* runStateTests(
  tests: Readonly<Record<string, StateTest>>,
  only?: string,
): Generator<SubtestResult> {
  for (const [name, test] of Object.entries(tests)) {
    for (const [forkName, posts] of Object.entries(test.post)) {
      if (only !== undefined && only !== forkName) continue;
      const fork = forkNames[forkName];
      for (const [index, post] of posts.entries()) {
        const label = `${name} ${forkName} ${index}`;
        if (fork === undefined) yield { name: label, difference: "the fork is not known" };
        else yield { name: label, difference: runSubtest(test, fork, post) };
      }
    }
  }
}

const machines = new Map<Fork, { readonly evm: Evm; state: MemoryState }>();

/** One machine for each fork, reset before each subtest. */
function machineFor(fork: Fork, state: MemoryState): Evm {
  const known = machines.get(fork);
  if (known !== undefined) {
    known.state = state;
    known.evm.reset();
    return known.evm;
  }
  const machine = { state } as { evm: Evm; state: MemoryState };
  machine.evm = createEvm({
    module: loadEvmModule(),
    fork,
    // One official test fills a mebibyte in each of 1,024 frames.
    memorySizeMax: 1536 * 1024 * 1024,
    state: {
      account: (address) => machine.state.account(address),
      slot: (address, key) => machine.state.slot(address, key),
      code: (codeHash) => machine.state.code(codeHash),
      hasStorage: (address) => machine.state.hasStorage(address),
    },
    host: { blockHash: (number) => keccak_256(new TextEncoder().encode(number.toString())) },
  });
  machines.set(fork, machine);
  return machine.evm;
}

function runSubtest(test: StateTest, fork: Fork, post: TestPost): string {
  const state = toState(test);
  const evm = machineFor(fork, state);
  const transaction = toTransaction(test.transaction, post.indexes);
  let outcome: ReturnType<typeof runTransaction> | undefined;
  if (transaction !== undefined) outcome = runTransaction(evm, transaction, toBlock(test, fork));
  state.apply(evm.takeWriteSet());
  const logs = outcome?.kind === "executed" ? outcome.result.logs : [];
  const differences: string[] = [];
  const isRejected = outcome?.kind !== "executed";
  if (isRejected !== (post.expectException !== undefined)) {
    const reason = outcome?.kind === "rejected" ? outcome.reason : "nothing";
    differences.push(`rejected for ${reason}, expected ${post.expectException}`);
  }
  if (`0x${toHex(state.root())}` !== post.hash) differences.push("state root");
  if (`0x${toHex(hashLogs(logs))}` !== post.logs) differences.push("logs");
  return differences.join(", ");
}

function toState(test: Pick<StateTest, "pre">): MemoryState {
  const state = new MemoryState();
  for (const [address, account] of Object.entries(test.pre)) {
    state.put(fromHex(address), {
      nonce: BigInt(account.nonce),
      balance: BigInt(account.balance),
      code: fromHex(account.code),
      slots: Object.entries(account.storage).map(([key, value]) => {
        return [toWord(key), toWord(value)] as const;
      }),
    });
  }
  return state;
}

function toWord(text: string): Uint8Array {
  return fromHex(BigInt(text).toString(16).padStart(64, "0"));
}

function toBlock({ env }: Pick<StateTest, "env">, fork: Fork): EvmBlock {
  const random = env["currentRandom"];
  const isMerged = ["paris", "shanghai", "cancun", "prague", "osaka"].includes(fork);
  return {
    number: BigInt(env["currentNumber"]!),
    timestamp: BigInt(env["currentTimestamp"]!),
    coinbase: fromHex(env["currentCoinbase"]!),
    gasLimit: BigInt(env["currentGasLimit"]!),
    chainId: 1n,
    baseFee: BigInt(env["currentBaseFee"] ?? 0),
    blobBaseFee: blobBaseFee(BigInt(env["currentExcessBlobGas"] ?? 0), fork),
    randao: BigInt((isMerged ? random : undefined) ?? env["currentDifficulty"] ?? 0),
  };
}

/** EIP-4844's approximation of an exponential. */
function blobBaseFee(excessBlobGas: bigint, fork: Fork): bigint {
  const fraction = fork === "cancun" ? 3_338_477n : 5_007_716n;
  let output = 0n;
  let term = fraction;
  for (let i = 1n; term > 0n; i++) {
    output += term;
    term = (term * excessBlobGas) / (fraction * i);
  }
  return output / fraction;
}

/** Undefined when the test cannot even be written as a transaction. */
function toTransaction(
  test: TestTransaction,
  indexes: TestPost["indexes"],
): EvmTransaction | undefined {
  const accessList = test.accessLists?.[indexes.data] ?? undefined;
  const value = BigInt(test.value[indexes.value]!.replace("0x:bigint ", ""));
  if (value >= 1n << 256n) return undefined;
  const { gasPrice, maxFeePerGas, maxPriorityFeePerGas, maxFeePerBlobGas } = test;
  const prices = { gasPrice, maxFeePerGas, maxPriorityFeePerGas, maxFeePerBlobGas };
  const entries = Object.entries(prices).filter(([, price]) => price !== undefined);
  const list = accessList?.map(({ address, storageKeys }) => {
    return { address: fromHex(address), keys: storageKeys.map(toWord) };
  });
  const hashes = test.blobVersionedHashes?.map(fromHex);
  let type = maxFeePerGas !== undefined ? 2 : list !== undefined ? 1 : 0;
  if (hashes !== undefined) type = 3;
  if (test.authorizationList !== undefined) type = 4;
  return {
    type,
    sender: fromHex(test.sender),
    nonce: BigInt(test.nonce),
    gasLimit: BigInt(test.gasLimit[indexes.gas]!),
    value,
    data: fromHex(test.data[indexes.data]!),
    ...(test.to === "" ? {} : { to: fromHex(test.to) }),
    ...Object.fromEntries(entries.map(([name, price]) => [name, BigInt(price!)])),
    ...(list === undefined ? {} : { accessList: list }),
    ...(hashes === undefined ? {} : { blobHashes: hashes }),
    ...(test.authorizationList === undefined
      ? {}
      : { authorizations: test.authorizationList.map(toAuthorization) }),
  };
}

function toAuthorization(test: Readonly<Record<string, string>>) {
  const chainId = BigInt(test["chainId"]!);
  const address = fromHex(test["address"]!);
  const nonce = BigInt(test["nonce"]!);
  const fields = [encodeNumber(chainId), address, encodeNumber(nonce)];
  const hash = keccak_256(Uint8Array.of(5, ...encodeRlp(fields)));
  let authority: Uint8Array | undefined;
  try {
    const signature = Buffer.concat([toWord(test["r"]!), toWord(test["s"]!)]);
    const recovery = Number(BigInt(test["yParity"] ?? test["v"]!));
    authority = keccak_256(recoverPublicKey(hash, signature, recovery)).subarray(12);
  } catch {
    authority = undefined;
  }
  return { chainId, address, nonce, authority };
}

function hashLogs(logs: readonly EvmLog[]): Uint8Array {
  return keccak_256(encodeRlp(logs.map(({ address, topics, data }) => [address, topics, data])));
}

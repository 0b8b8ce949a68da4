/** The rules that a transaction has to keep before it may run, and what it costs at least. */
import type { Evm } from "./evm.ts";
import { type Fork, isForkFrom } from "./forks.ts";
import type { EvmBlock } from "./types.ts";

export interface EvmTransaction {
  /** 0 to 4: legacy, access list, dynamic fee, blob, set code. */
  readonly type: number;
  /** Recovered from the signature by the caller. */
  readonly sender: Uint8Array;
  readonly nonce: bigint;
  readonly gasLimit: bigint;
  /** Of types 0 and 1. */
  readonly gasPrice?: bigint;
  readonly maxFeePerGas?: bigint;
  readonly maxPriorityFeePerGas?: bigint;
  readonly to?: Uint8Array;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly accessList?: readonly AccessListItem[];
  readonly maxFeePerBlobGas?: bigint;
  readonly blobHashes?: readonly Uint8Array[];
  readonly authorizations?: readonly Authorization[];
}

export interface AccessListItem {
  readonly address: Uint8Array;
  readonly keys: readonly Uint8Array[];
}

/** EIP-7702. */
export interface Authorization {
  readonly chainId: bigint;
  readonly address: Uint8Array;
  readonly nonce: bigint;
  /** The signer; undefined when the signature is not valid. */
  readonly authority: Uint8Array | undefined;
}

export type Rejection =
  | "typeNotSupported"
  | "intrinsicGasTooLow"
  | "gasLimitTooHigh"
  | "nonceTooLow"
  | "nonceTooHigh"
  | "nonceOverflow"
  | "senderNotExternallyOwned"
  | "insufficientFunds"
  | "feeBelowBaseFee"
  | "priorityFeeAboveFee"
  | "feeOverflow"
  | "initCodeTooLarge"
  | "blobsMissing"
  | "tooManyBlobs"
  | "badBlobHash"
  | "blobFeeTooLow"
  | "creationNotAllowed"
  | "authorizationsMissing";

const gasPerBlob = 131_072n;
const wordLimit = 1n << 256n;
/** EIP-7825. */
const transactionGasMax = 1n << 24n;
const initCodeSizeMax = 49_152;

/** Since which fork each type of transaction exists. */
const typeForks: readonly Fork[] = ["frontier", "berlin", "london", "cancun", "prague"];

/** Why the transaction may not run; undefined when it may. */
export function checkTransaction(
  evm: Evm,
  transaction: EvmTransaction,
  block: EvmBlock,
): Rejection | undefined {
  const { fork } = evm;
  const since = typeForks[transaction.type];
  if (since === undefined || !isForkFrom(fork, since)) return "typeNotSupported";
  const { gasLimit } = transaction;
  if (gasLimit > block.gasLimit) return "gasLimitTooHigh";
  if (isForkFrom(fork, "osaka") && gasLimit > transactionGasMax) return "gasLimitTooHigh";
  const isCreation = transaction.to === undefined;
  if (isCreation && isForkFrom(fork, "shanghai") && transaction.data.length > initCodeSizeMax) {
    return "initCodeTooLarge";
  }
  const least = intrinsicGas(transaction, fork);
  const floor = floorGas(transaction, fork);
  if (gasLimit < least || gasLimit < floor) return "intrinsicGasTooLow";
  return (
    checkFees(transaction, block, fork) ??
    checkBlobs(transaction, block, fork) ??
    checkAuthorizations(transaction) ??
    checkSender(evm, transaction, block)
  );
}

function checkFees(
  transaction: EvmTransaction,
  block: EvmBlock,
  fork: Fork,
): Rejection | undefined {
  const most = feeLimit(transaction);
  if (most >= wordLimit || most * transaction.gasLimit >= wordLimit) return "feeOverflow";
  if ((transaction.maxPriorityFeePerGas ?? 0n) > most) return "priorityFeeAboveFee";
  if (isForkFrom(fork, "london") && most < (block.baseFee ?? 0n)) return "feeBelowBaseFee";
  return undefined;
}

function checkBlobs(
  transaction: EvmTransaction,
  block: EvmBlock,
  fork: Fork,
): Rejection | undefined {
  if (transaction.type !== 3) return undefined;
  if (transaction.to === undefined) return "creationNotAllowed";
  const hashes = transaction.blobHashes ?? [];
  if (hashes.length === 0) return "blobsMissing";
  const most = isForkFrom(fork, "osaka") ? 6 : isForkFrom(fork, "prague") ? 9 : 6;
  if (hashes.length > most) return "tooManyBlobs";
  if (hashes.some((hash) => hash.length !== 32 || hash[0] !== 1)) return "badBlobHash";
  if ((transaction.maxFeePerBlobGas ?? 0n) < (block.blobBaseFee ?? 1n)) return "blobFeeTooLow";
  return undefined;
}

function checkAuthorizations(transaction: EvmTransaction): Rejection | undefined {
  if (transaction.type !== 4) return undefined;
  if (transaction.to === undefined) return "creationNotAllowed";
  return (transaction.authorizations ?? []).length === 0 ? "authorizationsMissing" : undefined;
}

function checkSender(
  evm: Evm,
  transaction: EvmTransaction,
  block: EvmBlock,
): Rejection | undefined {
  const { sender } = transaction;
  const account = evm.account(sender) ?? { nonce: 0n, balance: 0n };
  if (transaction.nonce < account.nonce) return "nonceTooLow";
  if (transaction.nonce > account.nonce) return "nonceTooHigh";
  if (account.nonce >= 0xffffffffffffffffn) return "nonceOverflow";
  const code = evm.code(sender);
  if (code.length > 0 && !(isForkFrom(evm.fork, "prague") && isDelegation(code))) {
    return "senderNotExternallyOwned";
  }
  const blobGas = gasPerBlob * BigInt(transaction.blobHashes?.length ?? 0);
  const isDynamic = isForkFrom(evm.fork, "london");
  const price = isDynamic ? feeLimit(transaction) : effectiveGasPrice(transaction, block);
  const cost = transaction.gasLimit * price + blobGas * (transaction.maxFeePerBlobGas ?? 0n);
  return account.balance < cost + transaction.value ? "insufficientFunds" : undefined;
}

function feeLimit(transaction: EvmTransaction): bigint {
  return transaction.maxFeePerGas ?? transaction.gasPrice ?? 0n;
}

/** What the sender pays for each gas (EIP-1559). */
export function effectiveGasPrice(transaction: EvmTransaction, block: EvmBlock): bigint {
  const { maxFeePerGas, maxPriorityFeePerGas = 0n, gasPrice = 0n } = transaction;
  if (maxFeePerGas === undefined) return gasPrice;
  const baseFee = block.baseFee ?? 0n;
  const most = maxFeePerGas - baseFee;
  return baseFee + (maxPriorityFeePerGas < most ? maxPriorityFeePerGas : most);
}

function countZeros(data: Uint8Array): number {
  let count = 0;
  for (const byte of data) if (byte === 0) count++;
  return count;
}

/** The gas that is due before anything runs. */
export function intrinsicGas(transaction: EvmTransaction, fork: Fork): bigint {
  const { data } = transaction;
  const zeros = countZeros(data);
  const byteGas = isForkFrom(fork, "istanbul") ? 16 : 68;
  let gas = 21_000 + 4 * zeros + byteGas * (data.length - zeros);
  if (transaction.to === undefined) {
    if (isForkFrom(fork, "homestead")) gas += 32_000;
    if (isForkFrom(fork, "shanghai")) gas += 2 * Math.ceil(data.length / 32);
  }
  for (const { keys } of transaction.accessList ?? []) gas += 2400 + 1900 * keys.length;
  gas += 25_000 * (transaction.authorizations?.length ?? 0);
  return BigInt(gas);
}

/** What a transaction uses at least for its data (EIP-7623). */
export function floorGas({ data }: EvmTransaction, fork: Fork): bigint {
  if (!isForkFrom(fork, "prague")) return 0n;
  const zeros = countZeros(data);
  return BigInt(21_000 + 10 * (zeros + 4 * (data.length - zeros)));
}

/** True for the code that stands for a delegation (EIP-7702). */
export function isDelegation(code: Uint8Array): boolean {
  return code.length === 23 && code[0] === 0xef && code[1] === 1 && code[2] === 0;
}

/** What a transaction does around its message: its rules, fees, authorisations and refunds. */
import type { Evm } from "./evm.ts";
import { isForkFrom } from "./forks.ts";
import {
  checkTransaction,
  type EvmTransaction,
  effectiveGasPrice,
  floorGas,
  intrinsicGas,
  isDelegation,
  type Rejection,
} from "./transaction-rules.ts";
import type { EvmBlock, EvmResult } from "./types.ts";

export type TransactionResult =
  | { readonly kind: "rejected"; readonly reason: Rejection }
  | {
      readonly kind: "executed";
      readonly result: EvmResult;
      /** After refunds. */
      readonly gasUsed: bigint;
      readonly gasPrice: bigint;
    };

const gasPerBlob = 131_072n;
const emptyAccountGas = 25_000n;
const authorizationGas = 12_500n;

/** Runs a transaction; one that is rejected changes nothing. */
export function runTransaction(
  evm: Evm,
  transaction: EvmTransaction,
  block: EvmBlock,
): TransactionResult {
  const reason = checkTransaction(evm, transaction, block);
  if (reason !== undefined) return { kind: "rejected", reason };
  const { sender, gasLimit } = transaction;
  const gasPrice = effectiveGasPrice(transaction, block);
  const blobGas = gasPerBlob * BigInt(transaction.blobHashes?.length ?? 0);
  const account = evm.account(sender) ?? { balance: 0n, nonce: 0n };
  evm.beginTransaction();
  const fee = gasLimit * gasPrice + blobGas * (block.blobBaseFee ?? 1n);
  evm.setBalance(sender, account.balance - fee);
  // A creation raises the nonce itself, because the address follows from it.
  if (transaction.to !== undefined) evm.setNonce(sender, account.nonce + 1n);
  warmUp(evm, transaction, block);
  if (transaction.authorizations !== undefined) authorize(evm, transaction, block);
  const intrinsic = intrinsicGas(transaction, evm.fork);
  const result = evm.execute({
    caller: sender,
    ...(transaction.to === undefined ? {} : { to: transaction.to }),
    value: transaction.value,
    data: transaction.data,
    gas: gasLimit - intrinsic,
    block,
    gasPrice,
    blobHashes: transaction.blobHashes ?? [],
  });
  const gasUsed = settleGas(evm, transaction, intrinsic + result.gasUsed, result.gasRefund);
  evm.addBalance(sender, (gasLimit - gasUsed) * gasPrice);
  const burnt = isForkFrom(evm.fork, "london") ? (block.baseFee ?? 0n) : 0n;
  evm.addBalance(block.coinbase, gasUsed * (gasPrice - burnt));
  evm.endTransaction();
  return { kind: "executed", result, gasUsed, gasPrice };
}

function settleGas(evm: Evm, transaction: EvmTransaction, gasUsed: bigint, refund: bigint): bigint {
  const most = gasUsed / (isForkFrom(evm.fork, "london") ? 5n : 2n);
  const left = gasUsed - (refund > most ? most : refund);
  const floor = floorGas(transaction, evm.fork);
  return left < floor ? floor : left;
}

function warmUp(evm: Evm, transaction: EvmTransaction, block: EvmBlock): void {
  if (!isForkFrom(evm.fork, "berlin")) return;
  evm.warm(transaction.sender);
  if (transaction.to !== undefined) evm.warm(transaction.to);
  if (isForkFrom(evm.fork, "shanghai")) evm.warm(block.coinbase);
  for (const address of precompileAddresses(evm)) evm.warm(address);
  for (const { address, keys } of transaction.accessList ?? []) {
    evm.warm(address);
    for (const key of keys) evm.warm(address, key);
  }
}

function toAddress(id: number): Uint8Array {
  const address = new Uint8Array(20);
  address[18] = id >> 8;
  address[19] = id & 0xff;
  return address;
}

const allPrecompiles = [...Array.from({ length: 17 }, (_, index) => index + 1), 0x100];
const precompiles = allPrecompiles.map(toAddress);

/** The addresses of the precompiled contracts of the machine's fork. */
export function precompileAddresses({ fork }: Pick<Evm, "fork">): readonly Uint8Array[] {
  if (isForkFrom(fork, "osaka")) return precompiles;
  if (isForkFrom(fork, "prague")) return precompiles.slice(0, 17);
  if (isForkFrom(fork, "cancun")) return precompiles.slice(0, 10);
  if (isForkFrom(fork, "istanbul")) return precompiles.slice(0, 9);
  return precompiles.slice(0, isForkFrom(fork, "byzantium") ? 8 : 4);
}

/** Puts the delegations of EIP-7702 in place; those that are not valid are passed over. */
function authorize(evm: Evm, transaction: EvmTransaction, block: EvmBlock): void {
  for (const { chainId, address, nonce, authority } of transaction.authorizations ?? []) {
    if (chainId !== 0n && chainId !== block.chainId) continue;
    if (authority === undefined || nonce >= 0xffffffffffffffffn) continue;
    evm.warm(authority);
    const code = evm.code(authority);
    if (code.length > 0 && !isDelegation(code)) continue;
    const account = evm.account(authority);
    if ((account?.nonce ?? 0n) !== nonce) continue;
    if (account !== undefined) evm.addRefund(emptyAccountGas - authorizationGas);
    evm.setCode(authority, toDelegation(address));
    evm.setNonce(authority, nonce + 1n);
  }
}

function toDelegation(address: Uint8Array): Uint8Array {
  if (address.every((byte) => byte === 0)) return new Uint8Array();
  return Uint8Array.of(0xef, 1, 0, ...address);
}

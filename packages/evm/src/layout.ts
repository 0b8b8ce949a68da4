/** Where the module keeps what the host reads and writes directly. */
import type { EvmBlock, EvmStatus } from "./types.ts";
import type { Views } from "./views.ts";

/** Offsets in the record of an account; it begins with the address, a word. */
export const accountLayout = {
  balance: 32,
  codeHash: 64,
  nonce: 96,
  exists: 108,
  generation: 112,
  oldBalance: 160,
  oldCodeHash: 192,
  oldNonce: 224,
  oldExists: 232,
  oldGeneration: 236,
} as const;

/** Offsets in the record of a slot; it begins with the key, a word. */
export const slotLayout = { generation: 68, account: 72, old: 112 } as const;

/** Offsets in the record of a frame. */
export const frameLayout = {
  kind: 40,
  input: 60,
  inputSize: 64,
  gasGiven: 88,
  caller: 96,
  address: 128,
  value: 160,
  target: 192,
} as const;

/** By the number of the halt, from 1. */
const statuses: readonly EvmStatus[] = [
  "success",
  "revert",
  "success",
  "outOfGas",
  "invalidOperation",
  "badStack",
  "badJump",
  "staticWrite",
  "badReturnData",
  "codeTooLarge",
  "badCode",
  "precompileFailed",
  "collision",
  "callTooDeep",
  "insufficientBalance",
  "nonceOverflow",
];

export function statusOf(halt: number): EvmStatus {
  return statuses[halt - 1] ?? "success";
}

/** Writes the words of the block, which follow those of the transaction. */
export function writeEnvironment(views: Views, at: number, block: EvmBlock): void {
  views.writeBytesAsWord(at + 64, block.coinbase);
  views.writeWord(at + 96, block.timestamp);
  views.writeWord(at + 128, block.number);
  views.writeWord(at + 160, block.randao ?? 0n);
  views.writeWord(at + 192, block.gasLimit);
  views.writeWord(at + 224, block.chainId);
  views.writeWord(at + 256, block.baseFee ?? 0n);
  views.writeWord(at + 288, block.blobBaseFee ?? 1n);
}

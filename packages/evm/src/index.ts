export { evmErrors } from "./errors.ts";
export { createEvm, type Evm } from "./evm.ts";
export { type Fork, forks, isForkFrom } from "./forks.ts";
export { recoverPublicKey } from "./precompiles.ts";
export { precompileAddresses, runTransaction, type TransactionResult } from "./transaction.ts";
export {
  type AccessListItem,
  type Authorization,
  checkTransaction,
  type EvmTransaction,
  effectiveGasPrice,
  floorGas,
  intrinsicGas,
  isDelegation,
  type Rejection,
} from "./transaction-rules.ts";
export type {
  EvmAccount,
  EvmAccountChange,
  EvmBlock,
  EvmCall,
  EvmCallEnd,
  EvmCallKind,
  EvmHost,
  EvmLog,
  EvmMessage,
  EvmModule,
  EvmOptions,
  EvmResult,
  EvmState,
  EvmStatus,
  EvmStep,
  EvmTracer,
  EvmWriteSet,
} from "./types.ts";

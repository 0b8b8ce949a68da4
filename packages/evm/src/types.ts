/** What goes into the virtual machine and comes out of it. */
import type { Fork } from "./forks.ts";

export interface EvmAccount {
  readonly nonce: bigint;
  readonly balance: bigint;
  /** 32 bytes; left out for an account without code. */
  readonly codeHash?: Uint8Array;
}

/**
 * The state under the machine, read synchronously at the first use of each part. The arrays that
 * the machine hands over are only valid during the call.
 */
export interface EvmState {
  /** @param address 20 bytes */
  account(address: Uint8Array): EvmAccount | undefined;
  /** At most 32 bytes, the highest first; undefined is zero. */
  slot(address: Uint8Array, key: Uint8Array): Uint8Array | undefined;
  code(codeHash: Uint8Array): Uint8Array;
  /** True when a slot of the account is not zero (EIP-7610). */
  hasStorage(address: Uint8Array): boolean;
}

/** What the machine may ask of its surroundings besides the state. All parts are optional. */
export interface EvmHost {
  /** The hash of one of the last 256 blocks: 32 bytes. */
  blockHash?(number: bigint): Uint8Array;
  /**
   * A faster recovery of the signer: its 64-byte public key without prefix, or undefined.
   * @param recovery 0 or 1
   */
  recover?(hash: Uint8Array, signature: Uint8Array, recovery: number): Uint8Array | undefined;
}

/** The block that a message runs in. Hand in the same object for all messages of a block. */
export interface EvmBlock {
  readonly number: bigint;
  readonly timestamp: bigint;
  readonly coinbase: Uint8Array;
  readonly gasLimit: bigint;
  readonly chainId: bigint;
  readonly baseFee?: bigint;
  readonly blobBaseFee?: bigint;
  /** PREVRANDAO since Paris, the difficulty before. */
  readonly randao?: bigint;
}

export interface EvmMessage {
  readonly caller: Uint8Array;
  /** Left out to create a contract. */
  readonly to?: Uint8Array;
  readonly value?: bigint;
  readonly data?: Uint8Array;
  readonly gas: bigint;
  readonly block: EvmBlock;
  /** The sender of the transaction; the caller when left out. */
  readonly origin?: Uint8Array;
  readonly gasPrice?: bigint;
  readonly blobHashes?: readonly Uint8Array[];
  readonly isStatic?: boolean;
}

export type EvmStatus =
  | "success"
  | "revert"
  | "outOfGas"
  | "invalidOperation"
  | "badStack"
  | "badJump"
  | "staticWrite"
  | "badReturnData"
  | "codeTooLarge"
  | "badCode"
  | "precompileFailed"
  | "collision"
  | "callTooDeep"
  | "insufficientBalance"
  | "nonceOverflow";

export interface EvmLog {
  readonly address: Uint8Array;
  readonly topics: readonly Uint8Array[];
  readonly data: Uint8Array;
}

export interface EvmResult {
  readonly status: EvmStatus;
  readonly gasUsed: bigint;
  /** Counted so far in the transaction; whoever charges the gas caps it. */
  readonly gasRefund: bigint;
  /** What was returned or reverted with; of a creation that succeeded, the code. */
  readonly output: Uint8Array;
  readonly logs: readonly EvmLog[];
  /** The address of the new contract. */
  readonly created?: Uint8Array;
}

/** All that changed since the last write set, in the order of first changes. */
export interface EvmWriteSet {
  readonly accounts: readonly EvmAccountChange[];
}

export interface EvmAccountChange {
  readonly address: Uint8Array;
  /** Undefined when the account is gone. */
  readonly account: EvmAccount | undefined;
  /** True when every slot that is not among `slots` has become zero. */
  readonly isStorageCleared: boolean;
  /** 32 bytes each; a value of zeros removes the slot. */
  readonly slots: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  /** The code, when its hash changed. */
  readonly code?: Uint8Array;
}

/** One operation that is about to run, in a machine of the tracing module. */
export interface EvmStep {
  /** The offset in the code. */
  readonly pc: number;
  readonly operation: number;
  readonly gas: bigint;
  /** The outermost frame has depth 1. */
  readonly depth: number;
  /** The address whose storage is used. */
  readonly address: Uint8Array;
  readonly refund: bigint;
  /** Copies the stack, the top last. */
  stack(): bigint[];
  memory(): Uint8Array;
}

export type EvmCallKind =
  | "CALL"
  | "CALLCODE"
  | "DELEGATECALL"
  | "STATICCALL"
  | "CREATE"
  | "CREATE2"
  | "SELFDESTRUCT";

export interface EvmCall {
  readonly kind: EvmCallKind;
  readonly depth: number;
  readonly caller: Uint8Array;
  /** The address that is called or created; of a self-destruction, the contract. */
  readonly target: Uint8Array;
  readonly value: bigint;
  readonly gas: bigint;
  readonly input: Uint8Array;
}

export interface EvmCallEnd {
  readonly status: EvmStatus;
  readonly gasUsed: bigint;
  readonly output: Uint8Array;
}

/** Hooks of a machine of the tracing module. They may not call the machine. */
export interface EvmTracer {
  step?(step: EvmStep): void;
  enter?(call: EvmCall): void;
  exit?(end: EvmCallEnd): void;
}

export interface EvmOptions {
  /** From `loadEvmModule` of `@coco/evm/node`. */
  readonly module: EvmModule;
  readonly state: EvmState;
  /** `osaka` when left out. */
  readonly fork?: Fork;
  readonly host?: EvmHost;
  readonly tracer?: EvmTracer;
  /** Of all nested frames; 256 MiB when left out. A frame that needs more is out of gas. */
  readonly memorySizeMax?: number;
  /** Of created contracts since Spurious Dragon; 24,576 bytes when left out. */
  readonly codeSizeMax?: number;
  /** 64 random bits against prepared collisions in the module's tables. No result depends on it. */
  readonly seed?: bigint;
}

/** The compiled virtual machine. */
export interface EvmModule {
  /** SHA-256 of the module, in hexadecimal: part of what is attested. */
  readonly hash: string;
  readonly isTracing: boolean;
  instantiate(imports: Readonly<Record<string, object>>): unknown;
}

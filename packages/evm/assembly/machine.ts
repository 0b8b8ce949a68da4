/** The state of the module that its parts share. */

export abstract class Machine {
  /** Gas left in the running frame; negative when it ran out. */
  static gas: i64 = 0;
  /** One of the values of `halt`. */
  static halt: i32 = 0;
  static refund: i64 = 0;
  static fork: i32 = 0;
  /** Counts transactions: what is warm, created or destroyed in an earlier one counts no more. */
  static epoch: u32 = 0;
  /** The largest sum of the memories of nested frames, in bytes. */
  static memoryLimit: u64 = 0;
  static memoryTotal: u64 = 0;
  /** The largest size of a created code, and whether creation is limited at all. */
  static codeSizeMax: u32 = 24576;

  // The running frame.
  static frame: usize = 0;
  static depth: u32 = 0;
  static pc: usize = 0;
  static code: usize = 0;
  static codeSize: usize = 0;
  static jumps: usize = 0;
  static stackBase: usize = 0;
  static memory: usize = 0;
  static memorySize: usize = 0;
  static memoryCapacity: usize = 0;

  // What the last call gave back.
  static output: usize = 0;
  static outputSize: usize = 0;
  static outputCapacity: usize = 0;
}

/** Why the running frame does not go on. */
export abstract class Halt {
  static readonly none: i32 = 0;
  static readonly stop: i32 = 1;
  static readonly revert: i32 = 2;
  /** Another frame has become the running one. */
  static readonly switched: i32 = 3;
  // From here on all gas of the frame is lost.
  static readonly outOfGas: i32 = 4;
  static readonly invalidOperation: i32 = 5;
  static readonly badStack: i32 = 6;
  static readonly badJump: i32 = 7;
  static readonly staticWrite: i32 = 8;
  static readonly badReturnData: i32 = 9;
  static readonly codeTooLarge: i32 = 10;
  static readonly badCode: i32 = 11;
  static readonly precompileFailed: i32 = 12;
  static readonly collision: i32 = 13;
  // These end a call before it begins: its gas comes back.
  static readonly depth: i32 = 14;
  static readonly balance: i32 = 15;
  static readonly nonce: i32 = 16;
}

export abstract class Fork {
  static readonly homestead: i32 = 1;
  static readonly tangerineWhistle: i32 = 2;
  static readonly spuriousDragon: i32 = 3;
  static readonly byzantium: i32 = 4;
  static readonly constantinople: i32 = 5;
  static readonly petersburg: i32 = 6;
  static readonly istanbul: i32 = 7;
  static readonly berlin: i32 = 8;
  static readonly london: i32 = 9;
  static readonly paris: i32 = 10;
  static readonly shanghai: i32 = 11;
  static readonly cancun: i32 = 12;
  static readonly prague: i32 = 13;
  static readonly osaka: i32 = 14;
}

/** Takes gas that was found to be due while an operation ran; false when there is not enough. */
export function charge(amount: u64): bool {
  if (amount > u64(Machine.gas)) {
    Machine.halt = Halt.outOfGas;
    return false;
  }
  Machine.gas -= amount as i64;
  return true;
}

/** The words that operations read from the transaction and its block. */
export abstract class Environment {
  static readonly origin: usize = 0;
  static readonly gasPrice: usize = 32;
  static readonly coinbase: usize = 64;
  static readonly timestamp: usize = 96;
  static readonly number: usize = 128;
  static readonly randao: usize = 160;
  static readonly gasLimit: usize = 192;
  static readonly chainId: usize = 224;
  static readonly baseFee: usize = 256;
  static readonly blobBaseFee: usize = 288;
  /** A pointer to the versioned hashes (32 bytes each) and their count, both 32 bits. */
  static readonly blobHashes: usize = 320;
}

export const environment: usize = memory.data(352, 16);

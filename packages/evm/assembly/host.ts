/** What the module asks of its host. Pointers are into the module's memory. */

/** Fills balance (word), nonce (u64) and code hash (32 bytes); 0 when there is no account. */
export declare function loadAccount(address: usize, out: usize): i32;

/** Fills the word of a storage slot; `key` is 32 bytes, the highest first. */
export declare function loadSlot(address: usize, key: usize, out: usize): void;

/** 1 when the account has a slot that is not zero. */
export declare function hasStorage(address: usize): i32;

/** The size of a code in bytes; the host keeps it ready for `copyCode`. */
export declare function loadCode(codeHash: usize): u32;

export declare function copyCode(out: usize): void;

/** Fills the 32 bytes of the hash of a block among the last 256. */
export declare function blockHash(number: u64, out: usize): void;

/** The gas that a precompiled contract takes, or a negative number when it fails. */
export declare function precompile(id: u32, input: usize, size: usize, gas: i64): i64;

/** The size of the last output of `precompile`. */
export declare function outputSize(): usize;

export declare function copyOutput(out: usize): void;

/** Before every operation, in the tracing build only. */
export declare function traceStep(pc: u32, operation: u32, gas: i64, depth: u32): void;

/** After a call or creation began, in the tracing build only; the frame can be read. */
export declare function traceEnter(kind: u32, depth: u32): void;

/** After a call or creation ended, in the tracing build only. */
export declare function traceExit(status: u32, gasUsed: i64, output: usize, size: usize): void;

/** What the host may call. Pointers are into the module's memory; words have 32 bytes. */
import {
  accountAt,
  accountOf,
  addBalance,
  changedAccountCount,
  changedAccounts,
  codeOf,
  resetAccounts,
  setBalance,
  setCode,
  setNonce,
  settleAccounts,
  sweep,
  warmAccount,
} from "./accounts";
import {
  codeToRun,
  Next,
  nextAddress,
  nextCaller,
  nextTarget,
  nextValue,
  Refusal,
  startCall,
  startCreate,
} from "./calls";
import { Code, keepCode, resetCodes } from "./codes";
import { defineOperations } from "./forks";
import { firstStack, frameAt, Kind, Logs, resetFrames } from "./frames";
import { setSeed } from "./index-table";
import { run } from "./interpreter";
import { checkpoint, resetJournal, revertTo, truncateJournal } from "./journal";
import { environment as environmentWords, Halt, Machine } from "./machine";
import { allocate, release, resetHeap } from "./memory";
import {
  changedSlotCount,
  changedSlots,
  resetSlots,
  setSlot,
  settleSlots,
  slotAt,
  slotOf,
  slotValue,
  warmSlot,
} from "./slots";
import * as word from "./word";

export {
  addModulo,
  divide,
  divideSigned,
  exponentiate,
  modulo,
  moduloSigned,
  multiplyModulo,
} from "./division";
export { keccak256 } from "./keccak";
export {
  add,
  bitLength,
  isLess,
  isLessSigned,
  multiply,
  negate,
  shiftLeft,
  shiftRight,
  subtract,
} from "./word";
export {
  accountAt,
  accountOf,
  addBalance,
  allocate,
  changedAccountCount,
  changedAccounts,
  changedSlotCount,
  changedSlots,
  checkpoint,
  release,
  revertTo,
  setBalance,
  setNonce,
  setSeed,
  setSlot,
  slotAt,
  slotOf,
  slotValue,
  sweep,
  warmAccount,
  warmSlot,
};

/** Where the host writes the message: caller, target and value (words), then 32 spare bytes. */
const message: usize = memory.data(128, 16);

export function messageAt(): usize {
  return message;
}

export function environmentAt(): usize {
  return environmentWords;
}

/** Forgets everything, for a fork (0 is Frontier, 14 Osaka). */
export function reset(fork: i32, memoryLimit: f64, codeSizeMax: u32): void {
  Machine.fork = fork;
  Machine.memoryLimit = memoryLimit as u64;
  Machine.codeSizeMax = codeSizeMax;
  Machine.epoch = 1;
  resetHeap();
  resetFrames();
  resetAccounts();
  resetSlots();
  resetCodes();
  resetJournal();
  defineOperations();
}

/** Begins a transaction: nothing is warm, created or destroyed in it; no log, no refund. */
export function beginTransaction(): void {
  Machine.epoch++;
  Machine.refund = 0;
  Logs.used = 0;
  Logs.count = 0;
}

/** Runs the message; the halt comes back. */
export function execute(isCreation: i32, isStatic: i32, input: usize, size: usize, gas: i64): i32 {
  Machine.depth = 0;
  Machine.frame = frameAt(0);
  Machine.gas = 0;
  Machine.halt = Halt.none;
  Machine.pc = 0;
  Machine.stackBase = firstStack();
  Machine.memory = 0;
  Machine.memorySize = 0;
  Machine.memoryCapacity = 0;
  Machine.memoryTotal = 0;
  Machine.outputSize = 0;
  word.copy(nextCaller, message);
  word.copy(nextTarget, message + 32);
  word.copy(nextAddress, message + 32);
  word.copy(nextValue, message + 64);
  Next.kind = isCreation !== 0 ? Kind.create : isStatic !== 0 ? Kind.staticCall : Kind.call;
  Next.isStatic = isStatic as u32;
  Next.gas = gas;
  Next.input = input;
  Next.inputSize = size;
  Next.outputOffset = 0;
  Next.outputSize = 0;
  Next.stack = firstStack();
  if (isCreation !== 0) startCreate();
  else {
    const id = accountOf(nextTarget);
    if (word.isLess(accountAt(accountOf(nextCaller)) + 32, nextValue)) {
      Machine.gas = gas;
      return Halt.balance;
    }
    startCall(id, codeToRun(id, false));
  }
  if (Machine.halt === Halt.switched) {
    Machine.halt = Halt.none;
    run();
    return Machine.halt;
  }
  if (isCreation !== 0) return Refusal.halt;
  return load<u64>(firstStack()) === 1 ? Halt.stop : Halt.precompileFailed;
}

export function gasLeft(): i64 {
  return Machine.gas;
}

export function refundOf(): i64 {
  return Machine.refund;
}

export function addRefund(amount: i64): void {
  Machine.refund += amount;
}

export function outputAt(): usize {
  return Machine.output;
}

export function outputSizeOf(): usize {
  return Machine.outputSize;
}

/** The address of the contract that was created, a word. */
export function createdAt(): usize {
  return frameAt(1) + 128;
}

export function logsAt(): usize {
  return Logs.base;
}

export function logCount(): u32 {
  return Logs.count;
}

export function frameOf(depth: u32): usize {
  return frameAt(depth);
}

export function memoryAt(): usize {
  return Machine.memory;
}

export function memorySizeOf(): usize {
  return Machine.memorySize;
}

export function stackBaseOf(): usize {
  return Machine.stackBase;
}

/** Gives an account a code; an empty one removes it. */
export function putCode(id: u32, bytes: usize, size: usize): void {
  const code = keepCode(bytes, size);
  setCode(id, code + Code.hash, code);
}

export function codeBytesOf(id: u32): usize {
  return load<usize>(codeOf(id), Code.bytes);
}

export function codeSizeOf(id: u32): u32 {
  return load<u32>(codeOf(id), Code.size);
}

/** The changes so far have been read: the next ones are measured from here. */
export function settle(): void {
  settleAccounts();
  settleSlots();
  truncateJournal();
}

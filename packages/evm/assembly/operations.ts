/**
 * The operations that the interpreter does not do itself. Each takes the stack (a pointer behind
 * its top) and gives the new one back; when it sets `Machine.halt`, the stack does not matter.
 */
import { Account, accountAt, accountOf, codeOf, exists, isEmpty, warmAccount } from "./accounts";
import { call, create } from "./calls";
import { Code } from "./codes";
import * as division from "./division";
import * as frames from "./frames";
import { Frame } from "./frames";
import { blockHash } from "./host";
import { keccak256 } from "./keccak";
import { charge, Environment, environment, Fork, Halt, Machine } from "./machine";
import {
  isStatic,
  loadStorage,
  loadTransient,
  maskAddress,
  selfDestruct,
  storeStorage,
  storeTransient,
} from "./storage-operations";
import * as word from "./word";

const shifted: usize = memory.data(32, 16);
const addressWord: usize = memory.data(32, 16);
const hashBytes: usize = memory.data(32, 16);

/** All operations that are not in `run`. */
export function operate(operation: u32, stack: usize): usize {
  switch (operation >> 4) {
    case 0:
      return arithmetic(operation, stack);
    case 1:
      return bits(operation, stack);
    case 2:
      return hash(stack);
    case 3:
      return context(operation, stack);
    case 4:
      return block(operation, stack);
    case 5:
      return storage(operation, stack);
    case 10:
      return log(operation, stack);
    default:
      return control(operation, stack);
  }
}

function arithmetic(operation: u32, stack: usize): usize {
  const a = stack - 32;
  const b = stack - 64;
  switch (operation) {
    case 0x04:
      division.divide(a, b, b);
      return a;
    case 0x05:
      division.divideSigned(a, b, b);
      return a;
    case 0x06:
      division.modulo(a, b, b);
      return a;
    case 0x07:
      division.moduloSigned(a, b, b);
      return a;
    case 0x08:
      division.addModulo(a, b, stack - 96, stack - 96);
      return b;
    case 0x09:
      division.multiplyModulo(a, b, stack - 96, stack - 96);
      return b;
    case 0x0a: {
      const perByte: u64 = Machine.fork >= Fork.spuriousDragon ? 50 : 10;
      if (charge(u64((word.bitLength(b) + 7) >> 3) * perByte)) division.exponentiate(a, b, b);
      return a;
    }
    default:
      if (!word.isWide(a) && load<u64>(a) < 31) extendSign(b, load<u64>(a) as u32);
      return a;
  }
}

/** Copies bit 7 of a byte (the lowest is 0) to all bits above it. */
function extendSign(value: usize, byte: u32): void {
  const high = 248 - (byte << 3);
  word.shiftLeft(value, high, shifted);
  word.shiftRight(shifted, high, word.isNegative(shifted) ? u64.MAX_VALUE : 0, value);
}

function bits(operation: u32, stack: usize): usize {
  const a = stack - 32;
  const b = stack - 64;
  if (operation === 0x12) {
    word.set(b, u64(word.isLessSigned(a, b)));
    return a;
  }
  if (operation === 0x13) {
    word.set(b, u64(word.isLessSigned(b, a)));
    return a;
  }
  if (operation === 0x1a) {
    const index = word.saturate(a);
    word.set(b, index < 32 ? u64(load<u8>(b + 31 - (index as usize))) : 0);
    return a;
  }
  if (operation === 0x1e) {
    word.set(a, u64(256 - word.bitLength(a)));
    return stack;
  }
  return shift(operation, a, b);
}

function shift(operation: u32, a: usize, b: usize): usize {
  const count = word.saturate(a);
  const fill: u64 = operation === 0x1d && word.isNegative(b) ? u64.MAX_VALUE : 0;
  if (count >= 256) {
    store<u64>(b, fill);
    store<u64>(b, fill, 8);
    store<u64>(b, fill, 16);
    store<u64>(b, fill, 24);
    return a;
  }
  word.copy(shifted, b);
  if (operation === 0x1b) word.shiftLeft(shifted, count as u32, b);
  else word.shiftRight(shifted, count as u32, fill, b);
  return a;
}

function hash(stack: usize): usize {
  const size = word.saturate(stack - 64);
  const from = frames.reach(stack - 32, size);
  if (from === 0 || !charge(((size + 31) >> 5) * 6)) return stack;
  keccak256(from, size as usize, hashBytes);
  word.fromBytes(hashBytes, stack - 64);
  return stack - 32;
}

/** The account in the word at `at`, after its access is paid (EIP-2929). */
function access(at: usize): u32 {
  word.copy(addressWord, at);
  maskAddress(addressWord);
  const id = accountOf(addressWord);
  if (Machine.fork >= Fork.berlin) charge(warmAccount(id) ? 2600 : 100);
  return id;
}

function context(operation: u32, stack: usize): usize {
  const frame = Machine.frame;
  const top = stack - 32;
  switch (operation) {
    case 0x30:
      word.copy(stack, frame + Frame.address);
      return stack + 32;
    case 0x31:
      word.copy(top, accountAt(access(top)) + Account.balance);
      return stack;
    case 0x32:
      word.copy(stack, environment + Environment.origin);
      return stack + 32;
    case 0x36:
      word.set(stack, load<u32>(frame, Frame.inputSize) as u64);
      return stack + 32;
    case 0x38:
      word.set(stack, Machine.codeSize as u64);
      return stack + 32;
    case 0x3a:
      word.copy(stack, environment + Environment.gasPrice);
      return stack + 32;
    case 0x3b:
      word.set(top, u64(load<u32>(codeOf(access(top)), Code.size)));
      return stack;
    case 0x3d:
      word.set(stack, Machine.outputSize as u64);
      return stack + 32;
    case 0x3f: {
      const account = accountAt(access(top));
      if (!exists(account) || isEmpty(account)) word.set(top, 0);
      else word.fromBytes(account + Account.codeHash, top);
      return stack;
    }
    default:
      return copyOperation(operation, stack);
  }
}

function copyOperation(operation: u32, stack: usize): usize {
  const frame = Machine.frame;
  if (operation === 0x37) {
    const size = load<usize>(frame, Frame.inputSize);
    return copyBytes(stack, load<usize>(frame, Frame.input), size);
  }
  if (operation === 0x39) return copyBytes(stack, Machine.code, Machine.codeSize);
  if (operation === 0x3c) {
    const code = codeOf(access(stack - 32));
    if (Machine.halt !== Halt.none) return stack;
    return copyBytes(stack - 32, load<usize>(code, Code.bytes), load<usize>(code, Code.size));
  }
  const end = word.saturate(stack - 64) + word.saturate(stack - 96);
  const isOver = end < word.saturate(stack - 96) || end > (Machine.outputSize as u64);
  if (isOver) {
    Machine.halt = Halt.badReturnData;
    return stack;
  }
  return copyBytes(stack, Machine.output, Machine.outputSize);
}

/** Copies (target, offset, size) from the stack out of `from`, with zeros behind its end. */
function copyBytes(stack: usize, from: usize, available: usize): usize {
  const size = word.saturate(stack - 96);
  const target = frames.reach(stack - 32, size);
  if (target === 0 || !charge(((size + 31) >> 5) * 3)) return stack;
  const offset = word.saturate(stack - 64);
  let copied: usize = 0;
  if (offset < (available as u64)) {
    copied = available - (offset as usize);
    if ((copied as u64) > size) copied = size as usize;
    memory.copy(target, from + (offset as usize), copied);
  }
  memory.fill(target + copied, 0, (size as usize) - copied);
  return stack - 96;
}

function block(operation: u32, stack: usize): usize {
  const top = stack - 32;
  switch (operation) {
    case 0x40:
      findBlockHash(top);
      return stack;
    case 0x41:
    case 0x42:
    case 0x43:
    case 0x44:
    case 0x45:
    case 0x46: {
      const place = Environment.coinbase + (((operation - 0x41) as usize) << 5);
      word.copy(stack, environment + place);
      return stack + 32;
    }
    case 0x47: {
      const account = accountAt(load<u32>(Machine.frame, Frame.account));
      word.copy(stack, account + Account.balance);
      return stack + 32;
    }
    case 0x48:
      word.copy(stack, environment + Environment.baseFee);
      return stack + 32;
    case 0x49: {
      const index = word.saturate(top);
      const count = u64(load<u32>(environment, Environment.blobHashes + 4));
      const hashes = load<usize>(environment, Environment.blobHashes);
      if (index < count) word.fromBytes(hashes + ((index as usize) << 5), top);
      else word.set(top, 0);
      return stack;
    }
    default:
      word.copy(stack, environment + Environment.blobBaseFee);
      return stack + 32;
  }
}

function findBlockHash(top: usize): void {
  const number = word.saturate(top);
  const current = load<u64>(environment, Environment.number);
  if (number < current && current - number <= 256) {
    blockHash(number, hashBytes);
    word.fromBytes(hashBytes, top);
  } else word.set(top, 0);
}

function storage(operation: u32, stack: usize): usize {
  const top = stack - 32;
  switch (operation) {
    case 0x53: {
      const at = frames.reach(top, 1);
      if (at !== 0) store<u8>(at, load<u8>(stack - 64));
      return stack - 64;
    }
    case 0x54:
      loadStorage(top);
      return stack;
    case 0x55:
      storeStorage(top, stack - 64);
      return stack - 64;
    case 0x58:
      word.set(stack, Machine.pc - Machine.code);
      return stack + 32;
    case 0x59:
      word.set(stack, Machine.memorySize as u64);
      return stack + 32;
    case 0x5a:
      word.set(stack, Machine.gas as u64);
      return stack + 32;
    case 0x5c:
      loadTransient(top);
      return stack;
    case 0x5d:
      storeTransient(top, stack - 64);
      return stack - 64;
    default:
      return moveMemory(stack);
  }
}

/** MCOPY. */
function moveMemory(stack: usize): usize {
  const size = word.saturate(stack - 96);
  if (size > 0xffffffff || !charge(((size + 31) >> 5) * 3)) {
    Machine.halt = Halt.outOfGas;
    return stack;
  }
  if (frames.reach(stack - 32, size) === 0) return stack;
  const from = frames.reach(stack - 64, size);
  if (from === 0) return stack;
  const target = Machine.memory + frames.offsetOf(stack - 32, size as usize);
  memory.copy(target, from, size as usize);
  return stack - 96;
}

function log(operation: u32, stack: usize): usize {
  if (isStatic()) return stack;
  const count = (operation - 0xa0) as usize;
  const size = word.saturate(stack - 64);
  const data = frames.reach(stack - 32, size);
  if (data === 0 || !charge(size * 8)) return stack;
  frames.appendLog(stack - 96, count, data, size as usize);
  return stack - 64 - (count << 5);
}

function control(operation: u32, stack: usize): usize {
  switch (operation) {
    case 0xf0:
    case 0xf5:
      return create(operation, stack);
    case 0xf3:
    case 0xfd: {
      const size = word.saturate(stack - 64);
      const from = frames.reach(stack - 32, size);
      if (from === 0) return stack;
      frames.setOutput(from, size as usize);
      Machine.halt = operation === 0xf3 ? Halt.stop : Halt.revert;
      return stack;
    }
    case 0xff:
      selfDestruct(stack - 32);
      return stack;
    default:
      return call(operation, stack);
  }
}

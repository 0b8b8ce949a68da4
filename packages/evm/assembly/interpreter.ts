/** The loop that runs frames: the frequent operations, and the way to all others. */
import { leaveFrame } from "./calls";
import { operationTable } from "./forks";
import { Frame, reach } from "./frames";
import { traceStep } from "./host";
import { Environment, environment, Halt, Machine } from "./machine";
import { operate } from "./operations";
import * as word from "./word";

/** Runs the running frame and all that it calls until it ends. */
export function run(): void {
  while (true) {
    runFrame();
    if (Machine.halt === Halt.switched) Machine.halt = Halt.none;
    else if (!leaveFrame()) return;
  }
}

function runFrame(): void {
  const code = Machine.code;
  const stackBase = Machine.stackBase;
  let pc = code + load<usize>(Machine.frame, Frame.pc);
  let stack = load<usize>(Machine.frame, Frame.stack);
  while (true) {
    const operation = load<u8>(pc) as u32;
    const needs = load<u64>(operationTable + ((operation as usize) << 3));
    if (TRACING !== 0) trace(pc, operation, stack);
    const height = ((stack - stackBase) >> 5) as u32;
    const taken = ((needs >> 16) & 0xffff) as u32;
    if (height - taken > ((needs >> 32) as u32)) {
      Machine.halt = taken === 0x7fff ? Halt.invalidOperation : Halt.badStack;
      return;
    }
    const gas = Machine.gas - ((needs & 0xffff) as i64);
    if (gas < 0) {
      Machine.halt = Halt.outOfGas;
      return;
    }
    Machine.gas = gas;
    if (operation >= 0x80 && operation < 0xa0) {
      if (operation < 0x90) {
        word.copy(stack, stack - (((operation - 0x7f) as usize) << 5));
        stack += 32;
      } else swap(stack - 32, stack - 32 - (((operation - 0x8f) as usize) << 5));
      pc++;
    } else if (operation >= 0x5f && operation < 0x80) {
      push(pc + 1, (operation - 0x5f) as usize, stack);
      stack += 32;
      pc += (operation - 0x5e) as usize;
    } else if (operation === 0x56 || operation === 0x57) {
      stack -= 32;
      let isTaken = true;
      if (operation === 0x57) {
        stack -= 32;
        isTaken = !word.isZero(stack);
      }
      if (isTaken) {
        pc = jump(operation === 0x57 ? stack + 32 : stack);
        if (pc === 0) return;
      } else pc++;
    } else {
      Machine.pc = pc;
      stack = frequent(operation, stack);
      if (Machine.halt !== Halt.none) return;
      pc++;
    }
  }
}

/** The place to which the word at `target` leads, or zero when nobody may jump there. */
function jump(target: usize): usize {
  const place = load<u64>(target) as usize;
  if (word.isWide(target) || load<u64>(target) >= (Machine.codeSize as u64)) return noJump();
  if (((load<u8>(Machine.jumps + (place >> 3)) >> u8(place & 7)) & 1) === 0) return noJump();
  return Machine.code + place;
}

function noJump(): usize {
  Machine.halt = Halt.badJump;
  return 0;
}

function swap(a: usize, b: usize): void {
  for (let i: usize = 0; i < 32; i += 8) {
    const value = load<u64>(a + i);
    store<u64>(a + i, load<u64>(b + i));
    store<u64>(b + i, value);
  }
}

/** Pushes `size` bytes of code, the highest first. */
function push(from: usize, size: usize, stack: usize): void {
  if (size <= 8) {
    const value = size === 0 ? 0 : bswap<u64>(load<u64>(from)) >> (64 - ((size as u64) << 3));
    return word.set(stack, value);
  }
  word.set(stack, 0);
  const end = from + size;
  let done: usize = 0;
  for (; done + 8 <= size; done += 8) {
    store<u64>(stack + done, bswap<u64>(load<u64>(end - done - 8)));
  }
  const rest = size - done;
  if (rest === 0) return;
  const value = bswap<u64>(load<u64>(from)) >> (64 - ((rest as u64) << 3));
  store<u64>(stack + done, value);
}

function frequent(operation: u32, stack: usize): usize {
  const a = stack - 32;
  const b = stack - 64;
  switch (operation) {
    case 0x00:
      Machine.outputSize = 0;
      Machine.halt = Halt.stop;
      return stack;
    case 0x01:
      word.add(a, b, b);
      return a;
    case 0x02:
      word.multiply(a, b, b);
      return a;
    case 0x03:
      word.subtract(a, b, b);
      return a;
    case 0x10:
      word.set(b, u64(word.isLess(a, b)));
      return a;
    case 0x11:
      word.set(b, u64(word.isLess(b, a)));
      return a;
    case 0x14:
      word.set(b, u64(word.isEqual(a, b)));
      return a;
    case 0x15:
      word.set(a, u64(word.isZero(a)));
      return stack;
    case 0x16:
    case 0x17:
    case 0x18:
      combine(operation, a, b);
      return a;
    case 0x19:
      invert(a);
      return stack;
    case 0x33:
      word.copy(stack, Machine.frame + Frame.caller);
      return stack + 32;
    case 0x34:
      word.copy(stack, Machine.frame + Frame.value);
      return stack + 32;
    case 0x35:
      loadInput(a);
      return stack;
    case 0x50:
      return a;
    case 0x51: {
      const at = reach(a, 32);
      if (at !== 0) word.fromBytes(at, a);
      return stack;
    }
    case 0x52: {
      const at = reach(a, 32);
      if (at !== 0) word.toBytes(b, at);
      return b;
    }
    case 0x5b:
      return stack;
    default:
      return operate(operation, stack);
  }
}

function combine(operation: u32, a: usize, b: usize): void {
  for (let i: usize = 0; i < 32; i += 8) {
    const x = load<u64>(a + i);
    const y = load<u64>(b + i);
    let value = x & y;
    if (operation === 0x17) value = x | y;
    else if (operation === 0x18) value = x ^ y;
    store<u64>(b + i, value);
  }
}

function invert(a: usize): void {
  for (let i: usize = 0; i < 32; i += 8) store<u64>(a + i, ~load<u64>(a + i));
}

const partial: usize = memory.data(64, 16);

/** CALLDATALOAD: zeros behind the end of the input. */
function loadInput(offset: usize): void {
  const size = load<usize>(Machine.frame, Frame.inputSize);
  const input = load<usize>(Machine.frame, Frame.input);
  const at = word.saturate(offset);
  if (at >= (size as u64)) return word.set(offset, 0);
  const left = size - (at as usize);
  if (left >= 32) return word.fromBytes(input + (at as usize), offset);
  word.set(partial, 0);
  memory.copy(partial, input + (at as usize), left);
  word.fromBytes(partial, offset);
}

function trace(pc: usize, operation: u32, stack: usize): void {
  store<usize>(environment, stack, Environment.blobHashes + 8);
  traceStep((pc - Machine.code) as u32, operation, Machine.gas, Machine.depth);
}

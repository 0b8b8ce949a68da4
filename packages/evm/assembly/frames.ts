/** Frames: what a call or creation runs in, its memory, and the log entries of all of them. */
import { Code, jumpsOf } from "./codes";
import { charge, Halt, Machine } from "./machine";
import { allocate, release, reserve, resize } from "./memory";
import * as word from "./word";

/** Where the parts of a frame are. */
export abstract class Frame {
  // Of a frame that waits for another one.
  static readonly pc: usize = 0;
  static readonly stack: usize = 4;
  static readonly gas: usize = 8;
  static readonly stackBase: usize = 16;
  /** The code record. */
  static readonly code: usize = 20;
  static readonly memory: usize = 24;
  static readonly memorySize: usize = 28;
  static readonly memoryCapacity: usize = 32;
  // Of every frame.
  static readonly isStatic: usize = 36;
  static readonly kind: usize = 40;
  static readonly checkpoint: usize = 44;
  static readonly logsUsed: usize = 48;
  static readonly logsCount: usize = 52;
  /** The number of the account whose storage and balance the frame uses. */
  static readonly account: usize = 56;
  static readonly input: usize = 60;
  static readonly inputSize: usize = 64;
  /** Where in the caller's memory the output goes. */
  static readonly outputOffset: usize = 68;
  static readonly outputSize: usize = 72;
  static readonly refund: usize = 80;
  static readonly gasGiven: usize = 88;
  static readonly caller: usize = 96;
  static readonly address: usize = 128;
  static readonly value: usize = 160;
  /** The address that was called; of a delegate call, the one whose code runs. */
  static readonly target: usize = 192;
}

/** The kinds of frames. */
export abstract class Kind {
  static readonly call: u32 = 0;
  static readonly callCode: u32 = 1;
  static readonly delegateCall: u32 = 2;
  static readonly staticCall: u32 = 3;
  static readonly create: u32 = 4;
  static readonly create2: u32 = 5;
  static readonly selfDestruct: u32 = 6;
}

const frameSize: usize = 256;
export const depthMax: u32 = 1024;
/** A stack of a frame begins where that of its caller ends for now. */
const stackSize: usize = 32 * 1024;
const smallMemory: usize = 4096;
const keptMemory: usize = 65536;

abstract class Frames {
  static base: usize = 0;
  static stacks: usize = 0;
}

export abstract class Logs {
  static base: usize = 0;
  static used: usize = 0;
  static capacity: usize = 0;
  static count: u32 = 0;
}

export function resetFrames(): void {
  Frames.base = reserve(frameSize * ((depthMax as usize) + 2));
  memory.fill(Frames.base, 0, frameSize * ((depthMax as usize) + 2));
  Frames.stacks = reserve(stackSize * ((depthMax as usize) + 2));
  Logs.base = 0;
  Logs.used = 0;
  Logs.capacity = 0;
  Logs.count = 0;
  Machine.output = 0;
  Machine.outputSize = 0;
  Machine.outputCapacity = 0;
}

export function frameAt(depth: u32): usize {
  return Frames.base + (depth as usize) * frameSize;
}

export function firstStack(): usize {
  return Frames.stacks;
}

/** Keeps what the running frame needs when it goes on, before another frame runs. */
export function suspendFrame(stack: usize): void {
  const frame = Machine.frame;
  store<usize>(frame, Machine.pc - Machine.code + 1, Frame.pc);
  store<usize>(frame, stack, Frame.stack);
  store<i64>(frame, Machine.gas, Frame.gas);
  store<usize>(frame, Machine.stackBase, Frame.stackBase);
  saveMemory();
}

function saveMemory(): void {
  const frame = Machine.frame;
  store<usize>(frame, Machine.memory, Frame.memory);
  store<usize>(frame, Machine.memorySize, Frame.memorySize);
  store<usize>(frame, Machine.memoryCapacity, Frame.memoryCapacity);
}

/** Makes the frame at `depth` the running one, with an empty memory and stack. */
export function beginFrame(depth: u32, stack: usize, code: usize, gas: i64): void {
  const frame = frameAt(depth);
  Machine.frame = frame;
  Machine.depth = depth;
  Machine.gas = gas;
  Machine.stackBase = stack;
  Machine.memory = load<usize>(frame, Frame.memory);
  Machine.memoryCapacity = load<usize>(frame, Frame.memoryCapacity);
  if (Machine.memoryCapacity === 0) {
    Machine.memory = allocate(smallMemory);
    Machine.memoryCapacity = smallMemory;
  }
  Machine.memorySize = 0;
  store<usize>(frame, 0, Frame.pc);
  store<usize>(frame, stack, Frame.stack);
  store<usize>(frame, code, Frame.code);
  useCode(code);
}

function useCode(code: usize): void {
  Machine.code = load<usize>(code, Code.bytes);
  Machine.codeSize = load<u32>(code, Code.size) as usize;
  Machine.jumps = jumpsOf(code);
}

/** Gives the memory of the running frame back. */
export function dropMemory(): void {
  Machine.memoryTotal -= Machine.memorySize as u64;
  Machine.memorySize = 0;
  if (Machine.memoryCapacity > keptMemory) {
    release(Machine.memory, Machine.memoryCapacity);
    Machine.memoryCapacity = 0;
    Machine.memory = 0;
  }
  saveMemory();
}

/** Makes a suspended frame the running one again, except for its gas. */
export function resumeFrame(depth: u32): void {
  const frame = frameAt(depth);
  Machine.frame = frame;
  Machine.depth = depth;
  Machine.stackBase = load<usize>(frame, Frame.stackBase);
  Machine.memory = load<usize>(frame, Frame.memory);
  Machine.memorySize = load<usize>(frame, Frame.memorySize);
  Machine.memoryCapacity = load<usize>(frame, Frame.memoryCapacity);
  Machine.gas = load<i64>(frame, Frame.gas);
  useCode(load<usize>(frame, Frame.code));
}

function memoryGas(words: u64): u64 {
  return words * 3 + (words * words) / 512;
}

/**
 * Makes the memory of the frame reach `size` bytes from the offset in the word at `offset`, for
 * its gas. Gives back a pointer to the first of them, valid until the next call, or zero when the
 * frame halts.
 */
export function reach(offset: usize, size: u64): usize {
  if (size === 0) return Machine.memory;
  if (word.isWide(offset)) return outOfGas();
  const from = load<u64>(offset);
  const end = from + size;
  if (end <= (Machine.memorySize as u64) && end >= from) return Machine.memory + (from as usize);
  if (size > 0xffffffff || from > 0xffffffff) return outOfGas();
  const words = (end + 31) >> 5;
  const paid = (Machine.memorySize as u64) >> 5;
  if (!charge(memoryGas(words) - memoryGas(paid))) return 0;
  const newSize = words << 5;
  const growth = newSize - (Machine.memorySize as u64);
  if (Machine.memoryTotal + growth > Machine.memoryLimit) return outOfGas();
  Machine.memoryTotal += growth;
  growMemory(newSize as usize);
  return Machine.memory + (from as usize);
}

function outOfGas(): usize {
  Machine.halt = Halt.outOfGas;
  return 0;
}

function growMemory(newSize: usize): void {
  const size = Machine.memorySize;
  if (newSize > Machine.memoryCapacity) {
    let capacity = Machine.memoryCapacity;
    while (capacity < newSize) capacity <<= 1;
    Machine.memory = resize(Machine.memory, size, Machine.memoryCapacity, capacity);
    Machine.memoryCapacity = capacity;
  }
  memory.fill(Machine.memory + size, 0, newSize - size);
  Machine.memorySize = newSize;
}

/** The offset in the word at `offset`, of memory that `reach` has made. */
export function offsetOf(offset: usize, size: usize): usize {
  return size === 0 ? 0 : (load<u32>(offset) as usize);
}

/** Keeps a copy of bytes as what the last call gave back. */
export function setOutput(from: usize, size: usize): void {
  reserveOutput(size);
  memory.copy(Machine.output, from, size);
}

/** Makes room for an output of `size` bytes. */
export function reserveOutput(size: usize): void {
  if (size > Machine.outputCapacity) {
    if (Machine.outputCapacity !== 0) release(Machine.output, Machine.outputCapacity);
    let capacity = smallMemory;
    while (capacity < size) capacity <<= 1;
    Machine.output = allocate(capacity);
    Machine.outputCapacity = capacity;
  }
  Machine.outputSize = size;
}

/**
 * Adds a log entry: count of topics and size of the data (32 bits each), the address (20 bytes,
 * padded to 24), the topics, the data padded to a multiple of eight bytes.
 * @param topics the word of the first topic, which is on top of the stack
 */
export function appendLog(topics: usize, count: usize, data: usize, size: usize): void {
  const total: usize = 32 + count * 32 + ((size + 7) & ~7);
  if (Logs.used + total > Logs.capacity) {
    let capacity = Logs.capacity === 0 ? smallMemory : Logs.capacity;
    while (capacity < Logs.used + total) capacity <<= 1;
    Logs.base = resize(Logs.base, Logs.used, Logs.capacity, capacity);
    Logs.capacity = capacity;
  }
  const entry = Logs.base + Logs.used;
  store<u32>(entry, count as u32);
  store<u32>(entry, size as u32, 4);
  word.toAddressBytes(Machine.frame + Frame.address, entry + 8);
  store<u32>(entry, 0, 28);
  for (let i: usize = 0; i < count; i++) word.toBytes(topics - i * 32, entry + 32 + i * 32);
  memory.copy(entry + 32 + count * 32, data, size);
  Logs.used += total;
  Logs.count++;
}

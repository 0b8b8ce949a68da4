/** CALL and its kinds, CREATE and CREATE2, and what happens when their frames end. */
import {
  Account,
  accountAt,
  accountOf,
  addBalance,
  beforeChange,
  codeOf,
  isDead,
  isOccupied,
  setCode,
  setNonce,
  subtractBalance,
  touch,
  warmAccount,
} from "./accounts";
import { blakeCompress, blakeRounds } from "./blake2f";
import { borrowCode, Code, keepCode, releaseCode } from "./codes";
import * as frames from "./frames";
import { Frame, Kind, Logs } from "./frames";
import { copyOutput, outputSize, precompile, traceEnter, traceExit } from "./host";
import { checkpoint, revertTo } from "./journal";
import { keccak256 } from "./keccak";
import { charge, Fork, Halt, Machine } from "./machine";
import { isStatic, maskAddress } from "./storage-operations";
import * as word from "./word";

/** What the next frame is made of: filled by an operation or by the message of the host. */
export abstract class Next {
  static kind: u32 = 0;
  static isStatic: u32 = 0;
  static gas: i64 = 0;
  static input: usize = 0;
  static inputSize: usize = 0;
  static outputOffset: usize = 0;
  static outputSize: usize = 0;
  static stack: usize = 0;
}

export const nextCaller: usize = memory.data(32, 16);
export const nextAddress: usize = memory.data(32, 16);
export const nextValue: usize = memory.data(32, 16);
/** The address that is called or created. */
export const nextTarget: usize = memory.data(32, 16);

const preimage: usize = memory.data(96, 16);
const digest: usize = memory.data(32, 16);
const delegate: usize = memory.data(32, 16);
const saltBytes: usize = memory.data(32, 16);

/** The number of a precompiled contract of the fork, or zero. */
export function precompileOf(address: usize): u32 {
  if (word.isWide(address)) return 0;
  const id = load<u64>(address);
  const fork = Machine.fork;
  if (id === 0x100) return fork >= Fork.osaka ? 0x100 : 0;
  let last: u64 = 4;
  if (fork >= Fork.prague) last = 0x11;
  else if (fork >= Fork.cancun) last = 10;
  else if (fork >= Fork.istanbul) last = 9;
  else if (fork >= Fork.byzantium) last = 8;
  return id <= last ? (id as u32) : 0;
}

/** The code that a call runs; follows one delegation (EIP-7702), for its gas when `isPaid`. */
export function codeToRun(id: u32, isPaid: bool): usize {
  const code = codeOf(id);
  if (Machine.fork < Fork.prague || load<u32>(code, Code.size) !== 23) return code;
  const bytes = load<usize>(code, Code.bytes);
  if ((load<u32>(bytes) & 0xffffff) !== 0x0001ef) return code;
  word.fromAddressBytes(bytes + 3, delegate);
  const other = accountOf(delegate);
  const isCold = warmAccount(other);
  if (isPaid && !charge(isCold ? 2600 : 100)) return 0;
  return codeOf(other);
}

/** Tells the stack of the running frame whether its call succeeded. */
function pushResult(stack: usize, value: u64): void {
  word.set(stack, value);
}

/** The operations f1, f2, f4 and fa; gives back the stack, whose top may be the result. */
export function call(operation: u32, stack: usize): usize {
  let kind = Kind.call;
  if (operation === 0xf2) kind = Kind.callCode;
  else if (operation === 0xf4) kind = Kind.delegateCall;
  else if (operation === 0xfa) kind = Kind.staticCall;
  const frame = Machine.frame;
  const hasValue = kind <= Kind.callCode;
  let at = stack - 64;
  const requested = at + 32;
  word.copy(nextTarget, at);
  maskAddress(nextTarget);
  if (hasValue) {
    at -= 32;
    word.copy(nextValue, at);
  } else if (kind === Kind.delegateCall) word.copy(nextValue, frame + Frame.value);
  else word.set(nextValue, 0);
  const isTransfer = hasValue && !word.isZero(nextValue);
  if (isTransfer && kind === Kind.call && isStatic()) return stack;
  const inputSize = word.saturate(at - 64);
  const outputSize = word.saturate(at - 128);
  if (frames.reach(at - 32, inputSize) === 0) return stack;
  if (frames.reach(at - 96, outputSize) === 0) return stack;
  const id = accountOf(nextTarget);
  const code = chargeCall(kind, id, isTransfer);
  if (code === 0 || !takeGas(requested, isTransfer)) return stack;
  Next.kind = kind;
  Next.isStatic = kind === Kind.staticCall ? 1 : load<u32>(frame, Frame.isStatic);
  Next.input = Machine.memory + frames.offsetOf(at - 32, inputSize as usize);
  Next.inputSize = inputSize as usize;
  Next.outputOffset = frames.offsetOf(at - 96, outputSize as usize);
  Next.outputSize = outputSize as usize;
  Next.stack = at - 128;
  word.copy(nextCaller, frame + (kind === Kind.delegateCall ? Frame.caller : Frame.address));
  const isHere = kind === Kind.callCode || kind === Kind.delegateCall;
  word.copy(nextAddress, isHere ? frame + Frame.address : nextTarget);
  Machine.outputSize = 0;
  const owner = isHere ? load<u32>(frame, Frame.account) : id;
  const poor = hasValue && isPoor(load<u32>(frame, Frame.account));
  if (Machine.depth > frames.depthMax || poor) {
    Machine.gas += Next.gas;
    pushResult(Next.stack, 0);
  } else startCall(owner, code);
  return Next.stack + 32;
}

function isPoor(id: u32): bool {
  return word.isLess(accountAt(id) + Account.balance, nextValue);
}

/** Charges for the target of a call; gives its code back, or zero when the frame halts. */
function chargeCall(kind: u32, id: u32, isTransfer: bool): usize {
  if (Machine.fork >= Fork.berlin && !charge(warmAccount(id) ? 2600 : 100)) return 0;
  if (isTransfer && !charge(9000)) return 0;
  if (kind === Kind.call && isDead(accountAt(id))) {
    const isFree = Machine.fork >= Fork.spuriousDragon && !isTransfer;
    if (!isFree && !charge(25000)) return 0;
  }
  return codeToRun(id, true);
}

/** Moves gas from the frame to the call: all but a 64th at most (EIP-150), plus the stipend. */
function takeGas(requested: usize, isTransfer: bool): bool {
  let amount = word.saturate(requested);
  if (Machine.fork >= Fork.tangerineWhistle) {
    const most = u64(Machine.gas) - (u64(Machine.gas) >> 6);
    if (amount > most) amount = most;
  }
  if (!charge(amount)) return false;
  Next.gas = (amount as i64) + (isTransfer ? 2300 : 0);
  return true;
}

/** Begins the frame that `Next` describes, or finishes the call at once when nothing runs. */
export function startCall(owner: u32, code: usize): void {
  const place = checkpoint();
  const kind = Next.kind;
  if (kind === Kind.call) {
    if (!word.isZero(nextValue)) subtractBalance(accountOf(nextCaller), nextValue);
    addBalance(owner, nextValue);
  } else if (kind === Kind.staticCall) touch(owner);
  const id = precompileOf(nextTarget);
  const isQuick = id !== 0 || load<u32>(code, Code.size) === 0;
  if (TRACING !== 0 && isQuick) {
    fillFrame(frames.frameAt(Machine.depth + 1), owner, place);
    traceEnter(kind, Machine.depth + 1);
  }
  if (id !== 0) return runPrecompile(id, place);
  if (isQuick) {
    if (TRACING !== 0) traceExit(Halt.stop, 0, 0, 0);
    Machine.gas += Next.gas;
    return pushResult(Next.stack, 1);
  }
  beginNext(owner, place, code);
}

function beginNext(owner: u32, place: u32, code: usize): void {
  frames.suspendFrame(Next.stack);
  const depth = Machine.depth + 1;
  fillFrame(frames.frameAt(depth), owner, place);
  frames.beginFrame(depth, Next.stack, code, Next.gas);
  Machine.halt = Halt.switched;
  if (TRACING !== 0) traceEnter(Next.kind, depth);
}

function fillFrame(frame: usize, owner: u32, place: u32): void {
  store<u32>(frame, Next.isStatic, Frame.isStatic);
  store<u32>(frame, Next.kind, Frame.kind);
  store<u32>(frame, place, Frame.checkpoint);
  store<usize>(frame, Logs.used, Frame.logsUsed);
  store<u32>(frame, Logs.count, Frame.logsCount);
  store<u32>(frame, owner, Frame.account);
  store<usize>(frame, Next.input, Frame.input);
  store<usize>(frame, Next.inputSize, Frame.inputSize);
  store<usize>(frame, Next.outputOffset, Frame.outputOffset);
  store<usize>(frame, Next.outputSize, Frame.outputSize);
  store<i64>(frame, Machine.refund, Frame.refund);
  store<i64>(frame, Next.gas, Frame.gasGiven);
  word.copy(frame + Frame.caller, nextCaller);
  word.copy(frame + Frame.address, nextAddress);
  word.copy(frame + Frame.value, nextValue);
  word.copy(frame + Frame.target, nextTarget);
}

function runPrecompile(id: u32, place: u32): void {
  let used: i64;
  if (id === 4) used = copyInput();
  else if (id === 9) used = compressInput();
  else {
    used = precompile(id, Next.input, Next.inputSize, Next.gas);
    if (used >= 0) {
      frames.reserveOutput(outputSize());
      copyOutput(Machine.output);
    }
  }
  if (used < 0 || used > Next.gas) {
    revertTo(place);
    Machine.outputSize = 0;
    if (TRACING !== 0) traceExit(Halt.precompileFailed, Next.gas, 0, 0);
    return pushResult(Next.stack, 0);
  }
  if (TRACING !== 0) traceExit(Halt.stop, used, Machine.output, Machine.outputSize);
  Machine.gas += Next.gas - used;
  giveOutput(Next.outputOffset, Next.outputSize);
  pushResult(Next.stack, 1);
}

function copyInput(): i64 {
  const used: i64 = 15 + 3 * (((Next.inputSize as i64) + 31) >> 5);
  if (used <= Next.gas) frames.setOutput(Next.input, Next.inputSize);
  return used;
}

/** BLAKE2F: a gas for each round. */
function compressInput(): i64 {
  if (Next.inputSize !== 213 || load<u8>(Next.input, 212) > 1) return -1;
  const used = blakeRounds(Next.input) as i64;
  if (used > Next.gas) return -1;
  frames.reserveOutput(64);
  blakeCompress(Next.input, Machine.output);
  return used;
}

/** Copies the output to where the caller wants it. */
function giveOutput(offset: usize, size: usize): void {
  const copied = size < Machine.outputSize ? size : Machine.outputSize;
  memory.copy(Machine.memory + offset, Machine.output, copied);
}

/** The operations f0 and f5; gives back the stack. */
export function create(operation: u32, stack: usize): usize {
  if (isStatic()) return stack;
  const isSalted = operation === 0xf5;
  const size = word.saturate(stack - 96);
  if (frames.reach(stack - 64, size) === 0) return stack;
  const words = (size + 31) >> 5;
  if (Machine.fork >= Fork.shanghai) {
    if (size > u64(Machine.codeSizeMax) * 2) {
      Machine.halt = Halt.outOfGas;
      return stack;
    }
    if (!charge(words * 2)) return stack;
  }
  if (isSalted && !charge(words * 6)) return stack;
  word.copy(nextValue, stack - 32);
  Next.kind = isSalted ? Kind.create2 : Kind.create;
  Next.input = Machine.memory + frames.offsetOf(stack - 64, size as usize);
  Next.inputSize = size as usize;
  Next.stack = stack - 96;
  if (isSalted) {
    word.toBytes(stack - 128, saltBytes);
    Next.stack = stack - 128;
  }
  let amount = Machine.gas;
  if (Machine.fork >= Fork.tangerineWhistle) amount -= amount >> 6;
  Machine.gas -= amount;
  Next.gas = amount;
  Next.isStatic = 0;
  word.copy(nextCaller, Machine.frame + Frame.address);
  Machine.outputSize = 0;
  startCreate();
  return Next.stack + 32;
}

/** Begins the creation that `Next` describes; what fails at once leaves its reason in `Refusal`. */
export function startCreate(): void {
  const creator = accountOf(nextCaller);
  const nonce = load<u64>(accountAt(creator), Account.nonce);
  Refusal.halt = Halt.none;
  if (Machine.depth > frames.depthMax) Refusal.halt = Halt.depth;
  else if (isPoor(creator)) Refusal.halt = Halt.balance;
  else if (nonce === u64.MAX_VALUE) Refusal.halt = Halt.nonce;
  if (Refusal.halt !== Halt.none) {
    Machine.gas += Next.gas;
    return pushResult(Next.stack, 0);
  }
  setNonce(creator, nonce + 1);
  if (Next.kind === Kind.create2) saltedAddress();
  else plainAddress(nonce);
  word.copy(nextAddress, nextTarget);
  const id = accountOf(nextTarget);
  if (Machine.fork >= Fork.berlin) warmAccount(id);
  if (isOccupied(id)) {
    Refusal.halt = Halt.collision;
    return pushResult(Next.stack, 0);
  }
  const place = checkpoint();
  const account = beforeChange(id);
  store<u32>(account, Machine.epoch, Account.created);
  store<u32>(account, 1, Account.exists);
  if (Machine.fork >= Fork.spuriousDragon) store<u64>(account, 1, Account.nonce);
  subtractBalance(creator, nextValue);
  addBalance(id, nextValue);
  const code = borrowCode(Next.input, Next.inputSize);
  Next.inputSize = 0;
  Next.outputSize = 0;
  beginNext(id, place, code);
}

/** Why the last creation did not begin. */
export abstract class Refusal {
  static halt: i32 = 0;
}

/** The last 20 bytes of the hash of RLP [creator, nonce]. */
function plainAddress(nonce: u64): void {
  store<u8>(preimage, 0x94, 1);
  word.toAddressBytes(nextCaller, preimage + 2);
  let size: usize = 1;
  if (nonce === 0) store<u8>(preimage, 0x80, 22);
  else if (nonce < 0x80) store<u8>(preimage, nonce as u8, 22);
  else {
    const count = ((71 - clz<u64>(nonce)) >> 3) as usize;
    store<u8>(preimage, 0x80 + (count as u8), 22);
    for (let i: usize = 0; i < count; i++) {
      store<u8>(preimage + 23 + i, (nonce >> (((count - 1 - i) << 3) as u64)) as u8);
    }
    size = count + 1;
  }
  store<u8>(preimage, 0xc0 + 21 + (size as u8));
  keccak256(preimage, 22 + size, digest);
  word.fromAddressBytes(digest + 12, nextTarget);
}

/** EIP-1014. */
function saltedAddress(): void {
  store<u8>(preimage, 0xff);
  word.toAddressBytes(nextCaller, preimage + 1);
  memory.copy(preimage + 21, saltBytes, 32);
  keccak256(Next.input, Next.inputSize, preimage + 53);
  keccak256(preimage, 85, digest);
  word.fromAddressBytes(digest + 12, nextTarget);
}

function isCreation(kind: u32): bool {
  return kind === Kind.create || kind === Kind.create2;
}

/** Puts the output of a creation in place as code; gives the halt of the frame back. */
function deposit(id: u32): i32 {
  const size = Machine.outputSize;
  const fork = Machine.fork;
  if (fork >= Fork.london && size > 0 && load<u8>(Machine.output) === 0xef) return Halt.badCode;
  if (fork >= Fork.spuriousDragon && size > (Machine.codeSizeMax as usize)) {
    return Halt.codeTooLarge;
  }
  const cost = (size as i64) * 200;
  if (cost > Machine.gas) {
    if (fork >= Fork.homestead) return Halt.outOfGas;
    Machine.outputSize = 0;
    return Halt.stop;
  }
  Machine.gas -= cost;
  if (size > 0) {
    const code = keepCode(Machine.output, size);
    setCode(id, code + Code.hash, code);
  }
  return Halt.stop;
}

/** Ends the running frame; false when it was the outermost one, whose end stays in `Machine`. */
export function leaveFrame(): bool {
  const frame = Machine.frame;
  const kind = load<u32>(frame, Frame.kind);
  let halt = Machine.halt;
  if (isCreation(kind) && halt === Halt.stop) halt = deposit(load<u32>(frame, Frame.account));
  if (halt !== Halt.stop) {
    revertTo(load<u32>(frame, Frame.checkpoint));
    Logs.used = load<usize>(frame, Frame.logsUsed);
    Logs.count = load<u32>(frame, Frame.logsCount);
    Machine.refund = load<i64>(frame, Frame.refund);
    if (halt !== Halt.revert) {
      Machine.gas = 0;
      Machine.outputSize = 0;
    }
  }
  Machine.halt = halt;
  if (isCreation(kind)) releaseCode(load<usize>(frame, Frame.code));
  frames.dropMemory();
  const left = Machine.gas;
  if (TRACING !== 0) {
    const used = load<i64>(frame, Frame.gasGiven) - left;
    traceExit(halt, used, Machine.output, Machine.outputSize);
  }
  if (Machine.depth === 1) return false;
  frames.resumeFrame(Machine.depth - 1);
  Machine.gas += left;
  Machine.halt = Halt.none;
  finishFrame(frame, kind, halt);
  return true;
}

/** Gives the caller its result. */
function finishFrame(frame: usize, kind: u32, halt: i32): void {
  const stack = load<usize>(Machine.frame, Frame.stack);
  if (isCreation(kind)) {
    if (halt === Halt.stop) {
      word.copy(stack, frame + Frame.address);
      Machine.outputSize = 0;
    } else word.set(stack, 0);
  } else {
    word.set(stack, u64(halt === Halt.stop));
    giveOutput(load<usize>(frame, Frame.outputOffset), load<usize>(frame, Frame.outputSize));
  }
  store<usize>(Machine.frame, stack + 32, Frame.stack);
}

/** SLOAD, SSTORE, their transient forms, and SELFDESTRUCT. */
import {
  Account,
  accountAt,
  accountOf,
  addBalance,
  beforeChange,
  exists,
  isDead,
  setBalance,
  subtractBalance,
  touch,
  warmAccount,
} from "./accounts";
import { Frame, Kind } from "./frames";
import { traceEnter, traceExit } from "./host";
import { charge, Fork, Halt, Machine } from "./machine";
import * as slots from "./slots";
import * as word from "./word";

const addressWord: usize = memory.data(32, 16);
const balanceWord: usize = memory.data(32, 16);

export function isStatic(): bool {
  if (load<u32>(Machine.frame, Frame.isStatic) === 0) return false;
  Machine.halt = Halt.staticWrite;
  return true;
}

function account(): u32 {
  return load<u32>(Machine.frame, Frame.account);
}

/** Replaces the key on top of the stack by the value. */
export function loadStorage(key: usize): void {
  const id = slots.slotOf(account(), key);
  if (Machine.fork >= Fork.berlin && !charge(slots.warmSlot(id) ? 2100 : 100)) return;
  word.copy(key, slots.slotValue(id));
}

export function storeStorage(key: usize, value: usize): void {
  if (isStatic()) return;
  // EIP-2200: a frame that was given no more than the stipend may not write.
  if (Machine.fork >= Fork.istanbul && Machine.gas <= 2300) {
    Machine.halt = Halt.outOfGas;
    return;
  }
  const id = slots.slotOf(account(), key);
  const current = slots.slotValue(id);
  let isPaid: bool;
  const isNet = Machine.fork >= Fork.istanbul || Machine.fork === Fork.constantinople;
  if (isNet) isPaid = chargeNet(id, current, value);
  else {
    const isNew = word.isZero(current) && !word.isZero(value);
    if (!word.isZero(current) && word.isZero(value)) Machine.refund += 15000;
    isPaid = charge(isNew ? 20000 : 5000);
  }
  if (isPaid && !word.isEqual(current, value)) slots.setSlot(id, value);
}

/**
 * The cost of a change, measured against the value at the start of the transaction.
 * @source EIP-1283, EIP-2200, EIP-2929, EIP-3529
 */
function chargeNet(id: u32, current: usize, value: usize): bool {
  const fork = Machine.fork;
  let cold: u64 = 0;
  let small: u64 = 200;
  let reset: u64 = 5000;
  if (fork >= Fork.berlin) {
    if (slots.warmSlot(id)) cold = 2100;
    small = 100;
    reset = 2900;
  } else if (fork >= Fork.istanbul) small = 800;
  if (word.isEqual(current, value)) return charge(cold + small);
  const clearing: i64 = fork >= Fork.london ? 4800 : 15000;
  const original = slots.originalOf(id);
  if (word.isEqual(original, current)) {
    if (word.isZero(original)) return charge(cold + 20000);
    if (word.isZero(value)) Machine.refund += clearing;
    return charge(cold + reset);
  }
  if (!word.isZero(original)) {
    if (word.isZero(current)) Machine.refund -= clearing;
    else if (word.isZero(value)) Machine.refund += clearing;
  }
  if (word.isEqual(original, value)) {
    if (word.isZero(original)) Machine.refund += 20000 - (small as i64);
    else Machine.refund += (reset as i64) - (small as i64);
  }
  return charge(cold + small);
}

export function loadTransient(key: usize): void {
  word.copy(key, slots.transientValueOf(slots.transientSlotOf(account(), key)));
}

export function storeTransient(key: usize, value: usize): void {
  if (isStatic()) return;
  slots.setTransientSlot(slots.transientSlotOf(account(), key), value);
}

function chargeDestruction(heir: u32, balance: usize): bool {
  const fork = Machine.fork;
  if (fork >= Fork.berlin && warmAccount(heir) && !charge(2600)) return false;
  if (fork < Fork.tangerineWhistle || !isDead(accountAt(heir))) return true;
  if (fork >= Fork.spuriousDragon && word.isZero(balance)) return true;
  return charge(25000);
}

/** SELFDESTRUCT; `heir` is the word on top of the stack. */
export function selfDestruct(heir: usize): void {
  if (isStatic()) return;
  word.copy(addressWord, heir);
  maskAddress(addressWord);
  const heirId = accountOf(addressWord);
  const id = account();
  word.copy(balanceWord, accountAt(id) + Account.balance);
  if (!chargeDestruction(heirId, balanceWord)) return;
  if (TRACING !== 0) {
    traceEnter(Kind.selfDestruct, Machine.depth + 1);
    traceExit(Halt.stop, 0, 0, 0);
  }
  const self = accountAt(id);
  const isNew = load<u32>(self, Account.created) === Machine.epoch;
  const isFirst = load<u32>(self, Account.destroyed) !== Machine.epoch;
  subtractBalance(id, balanceWord);
  addBalance(heirId, balanceWord);
  if (Machine.fork < Fork.cancun || isNew) {
    word.set(balanceWord, 0);
    if (exists(accountAt(id))) setBalance(id, balanceWord);
    if (isFirst && Machine.fork < Fork.london) Machine.refund += 24000;
    store<u32>(beforeChange(id), Machine.epoch, Account.destroyed);
    touch(id);
  }
  Machine.outputSize = 0;
  Machine.halt = Halt.stop;
}

/** Cuts a word to the 20 bytes of an address. */
export function maskAddress(address: usize): void {
  store<u64>(address, load<u64>(address, 16) & 0xffffffff, 16);
  store<u64>(address, 0, 24);
}

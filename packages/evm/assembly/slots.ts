/** Storage slots and transient slots that the module knows. */
import { Account, accountAt } from "./accounts";
import { loadSlot } from "./host";
import { allocateTable, hashKey, insertNumber, releaseTable } from "./index-table";
import { journalSlot } from "./journal";
import { Machine } from "./machine";
import { resize } from "./memory";
import * as word from "./word";

const recordSize: usize = 160;
const mutableFrom: usize = 32;
const mutableSize: usize = 40;

/** Where the parts of a slot are. The first is its key, a word. */
export abstract class Slot {
  static readonly value: usize = 32;
  /** The transaction in which the slot became warm; of a transient slot, in which it was set. */
  static readonly warm: usize = 64;
  /** The generation of the account's storage to which the value belongs. */
  static readonly generation: usize = 68;
  // What follows is not undone by a revert.
  /** The number of the account, with `transientBit` for transient storage. */
  static readonly account: usize = 72;
  /** The transaction for which `original` holds. */
  static readonly originalEpoch: usize = 76;
  static readonly original: usize = 80;
  /** As of the last write set. */
  static readonly old: usize = 112;
  static readonly isListed: usize = 144;
}

const transientBit: u32 = 0x80000000;

abstract class Slots {
  static base: usize = 0;
  static count: u32 = 0;
  static capacity: u32 = 0;
  static table: usize = 0;
  static tableSize: u32 = 0;
  // Numbers of the slots that changed since the last write set.
  static changed: usize = 0;
  static changedCount: u32 = 0;
  static changedCapacity: u32 = 0;
}

const addressBytes: usize = memory.data(32, 16);
const keyBytes: usize = memory.data(32, 16);
const loaded: usize = memory.data(32, 16);
const zero: usize = memory.data(32, 16);

export function resetSlots(): void {
  Slots.base = 0;
  Slots.count = 0;
  Slots.capacity = 0;
  Slots.tableSize = 4096;
  Slots.table = allocateTable(Slots.tableSize);
  Slots.changed = 0;
  Slots.changedCount = 0;
  Slots.changedCapacity = 0;
}

/** Valid until the next slot is read for the first time. */
export function slotAt(id: u32): usize {
  return Slots.base + (id as usize) * recordSize;
}

function find(owner: u32, key: usize): u32 {
  const hash = hashKey(key, owner);
  let place = hash & (Slots.tableSize - 1);
  while (true) {
    const found = load<u32>(Slots.table + ((place as usize) << 2));
    if (found === 0) return addSlot(owner, key, hash);
    const slot = slotAt(found - 1);
    if (load<u32>(slot, Slot.account) === owner && word.isEqual(slot, key)) return found - 1;
    place = (place + 1) & (Slots.tableSize - 1);
  }
}

/** The number of a storage slot. */
export function slotOf(account: u32, key: usize): u32 {
  return find(account, key);
}

export function transientSlotOf(account: u32, key: usize): u32 {
  return find(account | transientBit, key);
}

function addSlot(owner: u32, key: usize, hash: u32): u32 {
  word.set(loaded, 0);
  let generation: u32 = 0;
  if ((owner & transientBit) === 0) {
    const account = accountAt(owner);
    generation = load<u32>(account, Account.generation);
    if (generation === 0 && load<u32>(account, Account.oldExists) !== 0) {
      word.toAddressBytes(account, addressBytes);
      word.toBytes(key, keyBytes);
      loadSlot(addressBytes, keyBytes, loaded);
    }
  }
  if (Slots.count === Slots.capacity) {
    const capacity: u32 = Slots.capacity === 0 ? 1024 : Slots.capacity * 2;
    const used = (Slots.count as usize) * recordSize;
    Slots.base = resize(Slots.base, used, used, (capacity as usize) * recordSize);
    Slots.capacity = capacity;
  }
  const id = Slots.count++;
  const slot = slotAt(id);
  memory.fill(slot, 0, recordSize);
  word.copy(slot, key);
  word.copy(slot + Slot.value, loaded);
  word.copy(slot + Slot.old, loaded);
  store<u32>(slot, generation, Slot.generation);
  store<u32>(slot, owner, Slot.account);
  if (Slots.count * 2 > Slots.tableSize) growTable();
  else insertNumber(Slots.table, Slots.tableSize, hash, id);
  return id;
}

function growTable(): void {
  releaseTable(Slots.table, Slots.tableSize);
  Slots.tableSize *= 2;
  Slots.table = allocateTable(Slots.tableSize);
  for (let id: u32 = 0; id < Slots.count; id++) {
    const slot = slotAt(id);
    insertNumber(Slots.table, Slots.tableSize, hashKey(slot, load<u32>(slot, Slot.account)), id);
  }
}

function generationOf(slot: usize): u32 {
  return load<u32>(accountAt(load<u32>(slot, Slot.account)), Account.generation);
}

/** A pointer to the value of a storage slot. */
export function slotValue(id: u32): usize {
  const slot = slotAt(id);
  return load<u32>(slot, Slot.generation) === generationOf(slot) ? slot + Slot.value : zero;
}

/** A pointer to the value that a storage slot had when the transaction began. */
export function originalOf(id: u32): usize {
  const slot = slotAt(id);
  if (load<u32>(slot, Slot.originalEpoch) === Machine.epoch) return slot + Slot.original;
  return slotValue(id);
}

export function setSlot(id: u32, value: usize): void {
  const slot = slotAt(id);
  if (load<u32>(slot, Slot.originalEpoch) !== Machine.epoch) {
    word.copy(slot + Slot.original, slotValue(id));
    store<u32>(slot, Machine.epoch, Slot.originalEpoch);
  }
  journalSlot(id, slot + mutableFrom, mutableSize);
  word.copy(slot + Slot.value, value);
  store<u32>(slot, generationOf(slot), Slot.generation);
  if (load<u32>(slot, Slot.isListed) !== 0) return;
  store<u32>(slot, 1, Slot.isListed);
  if (Slots.changedCount === Slots.changedCapacity) {
    const capacity: u32 = Slots.changedCapacity === 0 ? 64 : Slots.changedCapacity * 2;
    const used = (Slots.changedCount as usize) << 2;
    Slots.changed = resize(Slots.changed, used, used, (capacity as usize) << 2);
    Slots.changedCapacity = capacity;
  }
  store<u32>(Slots.changed + ((Slots.changedCount as usize) << 2), id);
  Slots.changedCount++;
}

/** True when it was cold; from now on it is warm (EIP-2929). */
export function warmSlot(id: u32): bool {
  const slot = slotAt(id);
  if (load<u32>(slot, Slot.warm) === Machine.epoch) return false;
  journalSlot(id, slot + mutableFrom, mutableSize);
  store<u32>(slot, Machine.epoch, Slot.warm);
  return true;
}

/** A pointer to the value of a transient slot (EIP-1153). */
export function transientValueOf(id: u32): usize {
  const slot = slotAt(id);
  return load<u32>(slot, Slot.warm) === Machine.epoch ? slot + Slot.value : zero;
}

export function setTransientSlot(id: u32, value: usize): void {
  const slot = slotAt(id);
  journalSlot(id, slot + mutableFrom, mutableSize);
  word.copy(slot + Slot.value, value);
  store<u32>(slot, Machine.epoch, Slot.warm);
}

export function restoreSlot(id: u32, from: usize): void {
  memory.copy(slotAt(id) + mutableFrom, from, mutableSize);
}

export function changedSlots(): usize {
  return Slots.changed;
}

export function changedSlotCount(): u32 {
  return Slots.changedCount;
}

/** The changes so far are written: later ones are told apart from here. */
export function settleSlots(): void {
  for (let i: u32 = 0; i < Slots.changedCount; i++) {
    const id = load<u32>(Slots.changed + ((i as usize) << 2));
    const slot = slotAt(id);
    store<u32>(slot, 0, Slot.isListed);
    word.copy(slot + Slot.old, slotValue(id));
  }
  Slots.changedCount = 0;
}

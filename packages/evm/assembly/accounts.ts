/** The accounts that the module knows, read from the host when first used. */
import { loadCodeOf } from "./codes";
import { hasStorage, loadAccount } from "./host";
import { allocateTable, hashKey, insertNumber, releaseTable } from "./index-table";
import { journalAccount } from "./journal";
import { Fork, Machine } from "./machine";
import { resize } from "./memory";
import * as word from "./word";

/** Bytes of a record. */
const recordSize: usize = 256;
const mutableFrom: usize = 32;
const mutableSize: usize = 104;

/** Where the parts of an account are. The first is its address, a word. */
export abstract class Account {
  static readonly balance: usize = 32;
  /** 32 bytes. */
  static readonly codeHash: usize = 64;
  static readonly nonce: usize = 96;
  /** A pointer to the code, or zero when it is not loaded. */
  static readonly code: usize = 104;
  static readonly exists: usize = 108;
  /** Counts how often the storage was emptied: slots of earlier generations are zero. */
  static readonly generation: usize = 112;
  // The transactions (epochs) in which something last happened.
  static readonly warm: usize = 116;
  static readonly created: usize = 120;
  static readonly destroyed: usize = 124;
  static readonly touched: usize = 128;
  // What follows is not undone by a revert.
  static readonly isListed: usize = 136;
  // As of the last write set.
  static readonly oldBalance: usize = 160;
  static readonly oldCodeHash: usize = 192;
  static readonly oldNonce: usize = 224;
  static readonly oldExists: usize = 232;
  static readonly oldGeneration: usize = 236;
}

abstract class Accounts {
  static base: usize = 0;
  static count: u32 = 0;
  static capacity: u32 = 0;
  static table: usize = 0;
  static tableSize: u32 = 0;
  // Numbers of the accounts that changed since the last write set.
  static changed: usize = 0;
  static changedCount: u32 = 0;
  static changedCapacity: u32 = 0;
  // Numbers of the accounts that were touched in this transaction.
  static touched: usize = 0;
  static touchedCount: u32 = 0;
  static touchedCapacity: u32 = 0;
}

const emptyCodeHash: usize = memory.data<u64>([
  0x3c23f7860146d2c5, 0xc003c7dcb27d7e92, 0x3b2782ca53b600e5, 0x70a4855d04d8fa7b,
]);
const bytes: usize = memory.data(32, 16);
const loaded: usize = memory.data(72, 16);

export function resetAccounts(): void {
  Accounts.base = 0;
  Accounts.count = 0;
  Accounts.capacity = 0;
  Accounts.tableSize = 1024;
  Accounts.table = allocateTable(Accounts.tableSize);
  Accounts.changed = 0;
  Accounts.changedCount = 0;
  Accounts.changedCapacity = 0;
  Accounts.touched = 0;
  Accounts.touchedCount = 0;
  Accounts.touchedCapacity = 0;
}

/** Valid until the next account is read for the first time. */
export function accountAt(id: u32): usize {
  return Accounts.base + (id as usize) * recordSize;
}

/** The number of the account with the address of the word at `address` (upper bytes zero). */
export function accountOf(address: usize): u32 {
  const hash = hashKey(address, 0);
  let place = hash & (Accounts.tableSize - 1);
  while (true) {
    const found = load<u32>(Accounts.table + ((place as usize) << 2));
    if (found === 0) return addAccount(address, hash);
    if (word.isEqual(accountAt(found - 1), address)) return found - 1;
    place = (place + 1) & (Accounts.tableSize - 1);
  }
}

function addAccount(address: usize, hash: u32): u32 {
  word.toAddressBytes(address, bytes);
  memory.fill(loaded, 0, 72);
  const exists = loadAccount(bytes, loaded);
  if (Accounts.count === Accounts.capacity) growAccounts();
  const id = Accounts.count++;
  const account = accountAt(id);
  memory.fill(account, 0, recordSize);
  word.copy(account, address);
  if (exists !== 0) {
    word.copy(account + Account.balance, loaded);
    store<u64>(account, load<u64>(loaded, 32), Account.nonce);
    word.copy(account + Account.codeHash, loaded + 40);
    store<u32>(account, 1, Account.exists);
  } else word.copy(account + Account.codeHash, emptyCodeHash);
  keepOld(account);
  if (Accounts.count * 2 > Accounts.tableSize) growTable();
  else insertNumber(Accounts.table, Accounts.tableSize, hash, id);
  return id;
}

function growAccounts(): void {
  const capacity: u32 = Accounts.capacity === 0 ? 256 : Accounts.capacity * 2;
  const oldSize = (Accounts.capacity as usize) * recordSize;
  Accounts.base = resize(Accounts.base, oldSize, oldSize, (capacity as usize) * recordSize);
  Accounts.capacity = capacity;
}

function growTable(): void {
  releaseTable(Accounts.table, Accounts.tableSize);
  Accounts.tableSize *= 2;
  Accounts.table = allocateTable(Accounts.tableSize);
  for (let id: u32 = 0; id < Accounts.count; id++) {
    insertNumber(Accounts.table, Accounts.tableSize, hashKey(accountAt(id), 0), id);
  }
}

function keepOld(account: usize): void {
  word.copy(account + Account.oldBalance, account + Account.balance);
  word.copy(account + Account.oldCodeHash, account + Account.codeHash);
  store<u64>(account, load<u64>(account, Account.nonce), Account.oldNonce);
  store<u32>(account, load<u32>(account, Account.exists), Account.oldExists);
  store<u32>(account, load<u32>(account, Account.generation), Account.oldGeneration);
}

/** Has to be called before each change of an account. */
export function beforeChange(id: u32): usize {
  const account = accountAt(id);
  journalAccount(id, account + mutableFrom, mutableSize);
  if (load<u32>(account, Account.isListed) === 0) {
    store<u32>(account, 1, Account.isListed);
    if (Accounts.changedCount === Accounts.changedCapacity) {
      const capacity: u32 = Accounts.changedCapacity === 0 ? 64 : Accounts.changedCapacity * 2;
      const used = (Accounts.changedCount as usize) << 2;
      Accounts.changed = resize(Accounts.changed, used, used, (capacity as usize) << 2);
      Accounts.changedCapacity = capacity;
    }
    store<u32>(Accounts.changed + ((Accounts.changedCount as usize) << 2), id);
    Accounts.changedCount++;
  }
  return account;
}

export function restoreAccount(id: u32, from: usize): void {
  const account = accountAt(id);
  const touched = load<u32>(account, Account.touched);
  memory.copy(account + mutableFrom, from, mutableSize);
  // The RIPEMD-160 contract stays touched when its caller fails: so it was on the main network in
  // block 2675119, and so every client has to do it.
  const isRipemd = load<u64>(account) === 3 && !word.isWide(account);
  if (isRipemd) store<u32>(account, touched, Account.touched);
}

/** True when it was cold; from now on it is warm (EIP-2929). */
export function warmAccount(id: u32): bool {
  const account = accountAt(id);
  if (load<u32>(account, Account.warm) === Machine.epoch) return false;
  journalAccount(id, account + mutableFrom, mutableSize);
  store<u32>(account, Machine.epoch, Account.warm);
  return true;
}

/** Notes that the account is to be deleted at the end of the transaction when empty (EIP-161). */
export function touch(id: u32): void {
  const account = accountAt(id);
  if (load<u32>(account, Account.touched) === Machine.epoch) return;
  beforeChange(id);
  store<u32>(account, Machine.epoch, Account.touched);
  listTouched(id);
}

function listTouched(id: u32): void {
  if (Accounts.touchedCount === Accounts.touchedCapacity) {
    const capacity: u32 = Accounts.touchedCapacity === 0 ? 64 : Accounts.touchedCapacity * 2;
    const used = (Accounts.touchedCount as usize) << 2;
    Accounts.touched = resize(Accounts.touched, used, used, (capacity as usize) << 2);
    Accounts.touchedCapacity = capacity;
  }
  store<u32>(Accounts.touched + ((Accounts.touchedCount as usize) << 2), id);
  Accounts.touchedCount++;
}

export function isEmpty(account: usize): bool {
  if (load<u64>(account, Account.nonce) !== 0) return false;
  return !hasCode(account) && word.isZero(account + Account.balance);
}

export function exists(account: usize): bool {
  return load<u32>(account, Account.exists) !== 0;
}

/** Dead for the purpose of charging for a new account: absent, or empty since EIP-161. */
export function isDead(account: usize): bool {
  if (Machine.fork >= Fork.spuriousDragon) return isEmpty(account);
  return !exists(account);
}

export function hasCode(account: usize): bool {
  return !word.isEqual(account + Account.codeHash, emptyCodeHash);
}

/** The code record of an account. */
export function codeOf(id: u32): usize {
  const account = accountAt(id);
  const known = load<usize>(account, Account.code);
  if (known !== 0) return known;
  const code = loadCodeOf(account + Account.codeHash);
  store<usize>(accountAt(id), code, Account.code);
  return code;
}

export function setCode(id: u32, codeHash: usize, code: usize): void {
  const account = beforeChange(id);
  word.copy(account + Account.codeHash, codeHash);
  store<usize>(account, code, Account.code);
  store<u32>(account, 1, Account.exists);
}

export function setNonce(id: u32, nonce: u64): void {
  const account = beforeChange(id);
  store<u64>(account, nonce, Account.nonce);
  store<u32>(account, 1, Account.exists);
}

export function addBalance(id: u32, value: usize): void {
  touch(id);
  if (Machine.fork >= Fork.spuriousDragon && word.isZero(value)) return;
  const account = beforeChange(id);
  word.add(account + Account.balance, value, account + Account.balance);
  store<u32>(account, 1, Account.exists);
}

/** The caller has seen that the balance suffices. */
export function subtractBalance(id: u32, value: usize): void {
  touch(id);
  if (word.isZero(value)) return;
  const account = beforeChange(id);
  word.subtract(account + Account.balance, value, account + Account.balance);
}

export function setBalance(id: u32, value: usize): void {
  const account = beforeChange(id);
  word.copy(account + Account.balance, value);
  store<u32>(account, 1, Account.exists);
}

/** True when a contract may not be created here (EIP-684, EIP-7610). */
export function isOccupied(id: u32): bool {
  const account = accountAt(id);
  if (load<u64>(account, Account.nonce) !== 0 || hasCode(account)) return true;
  if (load<u32>(account, Account.generation) !== 0) return false;
  word.toAddressBytes(account, bytes);
  return hasStorage(bytes) !== 0;
}

/** Removes the account with its storage. */
export function removeAccount(id: u32): void {
  const account = beforeChange(id);
  word.set(account + Account.balance, 0);
  word.copy(account + Account.codeHash, emptyCodeHash);
  store<u64>(account, 0, Account.nonce);
  store<u32>(account, 0, Account.code);
  store<u32>(account, 0, Account.exists);
  store<u32>(account, load<u32>(account, Account.generation) + 1, Account.generation);
}

/** Ends a transaction: removes what destroyed itself, and what is empty and was touched. */
export function sweep(): void {
  for (let i: u32 = 0; i < Accounts.touchedCount; i++) {
    const id = load<u32>(Accounts.touched + ((i as usize) << 2));
    const account = accountAt(id);
    const isDestroyed = load<u32>(account, Account.destroyed) === Machine.epoch;
    const isTouched = load<u32>(account, Account.touched) === Machine.epoch;
    if (isDestroyed) {
      removeAccount(id);
      store<u32>(accountAt(id), 0, Account.destroyed);
    } else if (isTouched && Machine.fork >= Fork.spuriousDragon) {
      if (exists(account) && isEmpty(account)) removeAccount(id);
    }
  }
  Accounts.touchedCount = 0;
}

export function changedAccounts(): usize {
  return Accounts.changed;
}

export function changedAccountCount(): u32 {
  return Accounts.changedCount;
}

/** The changes so far are written: later ones are told apart from here. */
export function settleAccounts(): void {
  for (let i: u32 = 0; i < Accounts.changedCount; i++) {
    const account = accountAt(load<u32>(Accounts.changed + ((i as usize) << 2)));
    store<u32>(account, 0, Account.isListed);
    keepOld(account);
  }
  Accounts.changedCount = 0;
}

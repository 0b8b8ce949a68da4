/** Codes by their hash, each analysed once for the places to which it may jump. */
import { copyCode, loadCode } from "./host";
import { allocateTable, hashKey, insertNumber, releaseTable } from "./index-table";
import { keccak256 } from "./keccak";
import { allocate, release, resize } from "./memory";
import * as word from "./word";

/** Where the parts of a code record are. */
export abstract class Code {
  static readonly size: usize = 0;
  /** The bytes, followed by zeros enough for the last operation to read. */
  static readonly bytes: usize = 4;
  /** One bit for each byte: a place to jump to. Zero before the first use. */
  static readonly jumps: usize = 8;
  /** 32 bytes. */
  static readonly hash: usize = 16;
}

const recordSize: usize = 48;
const padding: usize = 48;

abstract class Codes {
  static records: usize = 0;
  static count: u32 = 0;
  static capacity: u32 = 0;
  static table: usize = 0;
  static tableSize: u32 = 0;
}

export function resetCodes(): void {
  Codes.records = 0;
  Codes.count = 0;
  Codes.capacity = 0;
  Codes.tableSize = 256;
  Codes.table = allocateTable(Codes.tableSize);
}

function recordAt(number: u32): usize {
  return load<usize>(Codes.records + ((number as usize) << 2));
}

function findCode(codeHash: usize, hash: u32): usize {
  let place = hash & (Codes.tableSize - 1);
  while (true) {
    const found = load<u32>(Codes.table + ((place as usize) << 2));
    if (found === 0) return 0;
    const record = recordAt(found - 1);
    if (word.isEqual(record + Code.hash, codeHash)) return record;
    place = (place + 1) & (Codes.tableSize - 1);
  }
}

function addRecord(codeHash: usize, hash: u32, size: usize): usize {
  if (Codes.count === Codes.capacity) {
    const capacity: u32 = Codes.capacity === 0 ? 64 : Codes.capacity * 2;
    const used = (Codes.count as usize) << 2;
    Codes.records = resize(Codes.records, used, used, (capacity as usize) << 2);
    Codes.capacity = capacity;
  }
  const record = allocate(recordSize);
  store<u32>(record, size as u32, Code.size);
  store<usize>(record, allocate(size + padding), Code.bytes);
  store<usize>(record, 0, Code.jumps);
  word.copy(record + Code.hash, codeHash);
  memory.fill(load<usize>(record, Code.bytes) + size, 0, padding);
  const number = Codes.count++;
  store<usize>(Codes.records + ((number as usize) << 2), record);
  if (Codes.count * 2 > Codes.tableSize) growTable();
  else insertNumber(Codes.table, Codes.tableSize, hash, number);
  return record;
}

function growTable(): void {
  releaseTable(Codes.table, Codes.tableSize);
  Codes.tableSize *= 2;
  Codes.table = allocateTable(Codes.tableSize);
  for (let number: u32 = 0; number < Codes.count; number++) {
    const hash = hashKey(recordAt(number) + Code.hash, 0);
    insertNumber(Codes.table, Codes.tableSize, hash, number);
  }
}

export function loadCodeOf(codeHash: usize): usize {
  const hash = hashKey(codeHash, 0);
  const known = findCode(codeHash, hash);
  if (known !== 0) return known;
  const record = addRecord(codeHash, hash, loadCode(codeHash) as usize);
  copyCode(load<usize>(record, Code.bytes));
  return record;
}

/** The record of code that was just created. */
export function keepCode(bytes: usize, size: usize): usize {
  keccak256(bytes, size, created);
  const hash = hashKey(created, 0);
  const known = findCode(created, hash);
  if (known !== 0) return known;
  const record = addRecord(created, hash, size);
  memory.copy(load<usize>(record, Code.bytes), bytes, size);
  return record;
}

const created: usize = memory.data(32, 16);

/** A record outside the table, for code that runs once. */
export function borrowCode(bytes: usize, size: usize): usize {
  const record = allocate(recordSize);
  store<u32>(record, size as u32, Code.size);
  const copy = allocate(size + padding);
  memory.copy(copy, bytes, size);
  memory.fill(copy + size, 0, padding);
  store<usize>(record, copy, Code.bytes);
  store<usize>(record, 0, Code.jumps);
  return record;
}

export function releaseCode(record: usize): void {
  const size = load<u32>(record, Code.size) as usize;
  release(load<usize>(record, Code.bytes), size + padding);
  if (load<usize>(record, Code.jumps) !== 0)
    release(load<usize>(record, Code.jumps), bitmapSize(size));
  release(record, recordSize);
}

function bitmapSize(size: usize): usize {
  return (size >> 3) + 8;
}

/** The bitmap of the places to jump to. */
export function jumpsOf(record: usize): usize {
  const known = load<usize>(record, Code.jumps);
  if (known !== 0) return known;
  const size = load<u32>(record, Code.size) as usize;
  const code = load<usize>(record, Code.bytes);
  const bits = allocate(bitmapSize(size));
  memory.fill(bits, 0, bitmapSize(size));
  for (let at: usize = 0; at < size; at++) {
    const operation = load<u8>(code + at);
    if (operation === 0x5b) {
      const place = bits + (at >> 3);
      store<u8>(place, load<u8>(place) | (1 << u8(at & 7)));
    } else if (operation >= 0x60 && operation <= 0x7f) at += (operation as usize) - 0x5f;
  }
  store<usize>(record, bits, Code.jumps);
  return bits;
}

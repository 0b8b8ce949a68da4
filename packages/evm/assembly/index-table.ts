/** Open addressing over numbers of records: tables of `number + 1`, zero where nothing is. */
import { allocate, release } from "./memory";

/** Chosen by the host, so that nobody outside can prepare keys that collide. */
abstract class Seed {
  static value: u64 = 0x9e3779b97f4a7c15;
}

export function setSeed(seed: u64): void {
  Seed.value = seed;
}

function mix(state: u64, value: u64): u64 {
  const mixed = (state ^ value) * 0xff51afd7ed558ccd;
  return mixed ^ (mixed >> 32);
}

/** A hash of the 32 bytes at `key` and a number. */
export function hashKey(key: usize, extra: u32): u32 {
  let state = mix(Seed.value, load<u64>(key));
  state = mix(rotl<u64>(state, 23), load<u64>(key, 8));
  state = mix(rotl<u64>(state, 23), load<u64>(key, 16));
  state = mix(rotl<u64>(state, 23), load<u64>(key, 24) ^ Seed.value);
  state = mix(rotl<u64>(state, 23), u64(extra));
  return (state >> 29) as u32;
}

export function allocateTable(capacity: u32): usize {
  const size = (capacity as usize) << 2;
  const table = allocate(size);
  memory.fill(table, 0, size);
  return table;
}

export function releaseTable(table: usize, capacity: u32): void {
  release(table, (capacity as usize) << 2);
}

/** Puts a number that is not in the table. */
export function insertNumber(table: usize, capacity: u32, hash: u32, number: u32): void {
  let place = hash & (capacity - 1);
  while (load<u32>(table + ((place as usize) << 2)) !== 0) place = (place + 1) & (capacity - 1);
  store<u32>(table + ((place as usize) << 2), number + 1);
}

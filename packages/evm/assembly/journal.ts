/**
 * What must be undone when a frame reverts: copies of the changing parts of accounts and slots, in
 * the order in which they changed.
 */
import { restoreAccount } from "./accounts";
import { resize } from "./memory";
import { restoreSlot } from "./slots";

const entrySize: usize = 128;
/** The first word of an entry is the number of the record, with this bit for slots. */
const slotBit: u32 = 0x80000000;

abstract class Journal {
  static base: usize = 0;
  static used: usize = 0;
  static capacity: usize = 0;
}

export function resetJournal(): void {
  Journal.base = 0;
  Journal.used = 0;
  Journal.capacity = 0;
}

/** From here on nothing can be undone that was done before. */
export function truncateJournal(): void {
  Journal.used = 0;
}

/** The place to which `revertTo` can go back. */
export function checkpoint(): u32 {
  return Journal.used as u32;
}

function append(id: u32, from: usize, size: usize): void {
  if (Journal.used + entrySize > Journal.capacity) {
    const capacity: usize = Journal.capacity === 0 ? 16384 : Journal.capacity * 2;
    Journal.base = resize(Journal.base, Journal.used, Journal.capacity, capacity);
    Journal.capacity = capacity;
  }
  const entry = Journal.base + Journal.used;
  store<u32>(entry, id);
  memory.copy(entry + 8, from, size);
  Journal.used += entrySize;
}

export function journalAccount(id: u32, mutable: usize, size: usize): void {
  append(id, mutable, size);
}

export function journalSlot(id: u32, mutable: usize, size: usize): void {
  append(id | slotBit, mutable, size);
}

export function revertTo(place: u32): void {
  while (Journal.used > (place as usize)) {
    Journal.used -= entrySize;
    const entry = Journal.base + Journal.used;
    const id = load<u32>(entry);
    if ((id & slotBit) !== 0) restoreSlot(id & ~slotBit, entry + 8);
    else restoreAccount(id, entry + 8);
  }
}

/**
 * The module's own heap: blocks of powers of two with free lists, on the linear memory. A full
 * memory ends the execution by a trap, after which the host resets the module.
 */

/** Where the heap begins to be unused. */
abstract class Heap {
  static top: usize = 0;
}

const smallestOrder: u32 = 6;
const freeLists: usize = memory.data(32 * sizeof<usize>(), 16);

/** Takes everything back: no pointer from before is valid. */
export function resetHeap(): void {
  memory.fill(freeLists, 0, 32 * sizeof<usize>());
  Heap.top = (__heap_base + 63) & ~63;
}

function orderOf(size: usize): u32 {
  if (size <= 1 << smallestOrder) return smallestOrder;
  return 32 - clz<u32>(u32(size - 1));
}

/** At least `size` bytes with any content. */
export function allocate(size: usize): usize {
  const order = orderOf(size);
  if (order > 30) unreachable();
  const slot = freeLists + ((order as usize) << 2);
  const head = load<usize>(slot);
  if (head !== 0) {
    store<usize>(slot, load<usize>(head));
    return head;
  }
  return reserve((1 as usize) << order);
}

/** At least `size` bytes with any content, which are never released. */
export function reserve(size: usize): usize {
  const pointer = Heap.top;
  const end = pointer + ((size + 63) & ~63);
  if (end < pointer) unreachable();
  const pages = i32((u64(end) + 0xffff) >> 16);
  const missing = pages - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
  Heap.top = end;
  return pointer;
}

/** Gives back what `allocate(size)` gave. */
export function release(pointer: usize, size: usize): void {
  const slot = freeLists + ((orderOf(size) as usize) << 2);
  store<usize>(pointer, load<usize>(slot));
  store<usize>(slot, pointer);
}

/** Moves `used` bytes into a block of `newSize`, and gives it back. */
export function resize(pointer: usize, used: usize, oldSize: usize, newSize: usize): usize {
  const moved = allocate(newSize);
  memory.copy(moved, pointer, used);
  if (oldSize !== 0) release(pointer, oldSize);
  return moved;
}

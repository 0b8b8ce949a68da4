/** A first-in first-out queue with a limit; both ends cost constant time. */
import { assert } from "./assert.ts";
import { baseErrors } from "./catalogue.ts";

export class BoundedQueue<Item> {
  readonly countMax: number;
  #items: (Item | undefined)[] = [];
  #head = 0;

  constructor(countMax: number) {
    assert(Number.isSafeInteger(countMax) && countMax > 0, "a queue holds at least one item");
    this.countMax = countMax;
  }

  get count(): number {
    return this.#items.length - this.#head;
  }

  get isFull(): boolean {
    return this.count >= this.countMax;
  }

  /** @throws {CocoError} QueueFull */
  push(item: Item): void {
    if (this.isFull) throw baseErrors.create("QueueFull", `limit ${this.countMax}`);
    this.#items.push(item);
  }

  shift(): Item | undefined {
    if (this.count === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  peek(): Item | undefined {
    return this.#items[this.#head];
  }
}

/** A bounded cache that forgets what was not used for the longest time. */
export class LruCache<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  readonly #countMax: number;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    // Moving an entry to the end costs more than reading it, so a cache that is not full does not.
    if (this.#entries.size >= this.#countMax) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#countMax) {
      this.#entries.delete(this.#entries.keys().next().value as Key);
    }
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }
}

/** Tables whose keys and values have types, over the tables of bytes of a transaction. */
import type { Codec } from "./codecs.ts";
import { storeErrors } from "./errors.ts";
import type { Seqno, Table, TextRangeOptions, Transaction } from "./types.ts";

/** Each method may throw what `Table` throws, and BadValue for a stored value it cannot read. */
export interface TypedTable<Key, Value> {
  readonly name: string;
  readonly size: number;
  get(key: Key): Value | undefined;
  has(key: Key): boolean;
  set(key: Key, value: Value): void;
  /** @returns whether the key was there. */
  delete(key: Key): boolean;
  clear(): void;
  versionOf(key: Key): Seqno | undefined;
  /** In no promised order; stops when `visit` returns false. */
  forEach(visit: (value: Value, key: Key) => unknown): void;
  /** In bytewise order of the stored keys. */
  entries(
    options?: Pick<TextRangeOptions, "reverse" | "countMax">,
  ): Iterable<readonly [Key, Value]>;
}

export function createTypedTable<Key, Value>(
  transaction: Transaction,
  name: string,
  keyCodec: Codec<Key>,
  valueCodec: Codec<Value>,
): TypedTable<Key, Value> {
  return new CodecTable(transaction.table(name), keyCodec, valueCodec);
}

class CodecTable<Key, Value> implements TypedTable<Key, Value> {
  readonly #table: Table;
  readonly #keyCodec: Codec<Key>;
  readonly #valueCodec: Codec<Value>;

  constructor(table: Table, keyCodec: Codec<Key>, valueCodec: Codec<Value>) {
    this.#table = table;
    this.#keyCodec = keyCodec;
    this.#valueCodec = valueCodec;
  }

  get name(): string {
    return this.#table.name;
  }

  get size(): number {
    return this.#table.size;
  }

  get(key: Key): Value | undefined {
    const stored = this.#table.getText(this.#keyCodec.encode(key));
    return stored === undefined ? undefined : this.#decode(this.#valueCodec, stored);
  }

  has(key: Key): boolean {
    return this.#table.hasText(this.#keyCodec.encode(key));
  }

  set(key: Key, value: Value): void {
    this.#table.setText(this.#keyCodec.encode(key), this.#valueCodec.encode(value));
  }

  delete(key: Key): boolean {
    return this.#table.deleteText(this.#keyCodec.encode(key));
  }

  clear(): void {
    this.#table.clear();
  }

  versionOf(key: Key): Seqno | undefined {
    return this.#table.versionOfText(this.#keyCodec.encode(key));
  }

  forEach(visit: (value: Value, key: Key) => unknown): void {
    this.#table.forEachText((value, key) =>
      visit(this.#decode(this.#valueCodec, value), this.#decode(this.#keyCodec, key)),
    );
  }

  *entries(
    options: Pick<TextRangeOptions, "reverse" | "countMax"> = {},
  ): Generator<readonly [Key, Value]> {
    for (const [key, value] of this.#table.rangeText(options)) {
      yield [this.#decode(this.#keyCodec, key), this.#decode(this.#valueCodec, value)];
    }
  }

  /** Names the table in the error, and not the value. */
  #decode<Decoded>(codec: Codec<Decoded>, stored: string): Decoded {
    try {
      return codec.decode(stored);
    } catch (cause) {
      if (!isBadValue(cause)) throw cause;
      throw storeErrors.create("BadValue", `table ${this.#table.name}`, {}, cause);
    }
  }
}

function isBadValue(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "BadValue";
}

/** The key of tables that hold one value: 8 zero bytes. */
export const singletonKey = "\0\0\0\0\0\0\0\0";

const singletonCodec: Codec<typeof singletonKey> = {
  encode: () => singletonKey,
  decode: () => singletonKey,
};

/** A table that holds at most one value, under the key of 8 zero bytes. */
export interface TypedValue<Value> {
  readonly name: string;
  get(): Value | undefined;
  has(): boolean;
  set(value: Value): void;
  /** @returns whether there was a value. */
  delete(): boolean;
  version(): Seqno | undefined;
}

export function createTypedValue<Value>(
  transaction: Transaction,
  name: string,
  valueCodec: Codec<Value>,
): TypedValue<Value> {
  const table = createTypedTable(transaction, name, singletonCodec, valueCodec);
  return {
    name,
    get: () => table.get(singletonKey),
    has: () => table.has(singletonKey),
    set: (value) => table.set(singletonKey, value),
    delete: () => table.delete(singletonKey),
    version: () => table.versionOf(singletonKey),
  };
}

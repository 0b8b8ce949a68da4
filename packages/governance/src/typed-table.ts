/** Views of the built-in tables: a name with the codecs of its keys and values. */
import { base64ToBytes, bytesToBase64 } from "@coco/base";
import {
  type Codec,
  createTypedTable,
  createTypedValue,
  jsonCodec,
  type Seqno,
  type Transaction,
  textCodec,
} from "@coco/store";
import { canonicalJson } from "./canonical-json.ts";

/** Methods may throw what tables throw, and BadValue for a stored value that cannot be read. */
export interface TableAccess<Key, Value> {
  readonly size: number;
  get(key: Key): Value | undefined;
  has(key: Key): boolean;
  set(key: Key, value: Value): void;
  /** @returns whether the key was there. */
  delete(key: Key): boolean;
  clear(): void;
  versionOf(key: Key): Seqno | undefined;
  /** In bytewise order of keys. */
  entries(): (readonly [key: Key, value: Value])[];
}

export interface TableView<Key, Value> {
  readonly name: string;
  of(transaction: Transaction): TableAccess<Key, Value>;
}

/** A table with one value, at the singleton key. */
export interface ValueView<Value> {
  readonly name: string;
  get(transaction: Transaction): Value | undefined;
  set(transaction: Transaction, value: Value): void;
  /** @returns whether there was a value. */
  delete(transaction: Transaction): boolean;
  versionOf(transaction: Transaction): Seqno | undefined;
}

/** Keys of sets carry 8 zero bytes as their value. */
export const memberOfSetCodec: Codec<true> = {
  encode: () => "\0".repeat(8),
  decode: () => true,
};

/** JSON with ordered keys, as CCF writes its own structures. */
export function canonicalJsonCodec<Value>(): Codec<Value> {
  return {
    encode: (value) => textCodec.encode(canonicalJson(value)),
    decode: jsonCodec<Value>().decode,
  };
}

const jsonTextCodec = jsonCodec<string>();

/** A JSON string that holds base64. */
export const base64JsonCodec: Codec<Uint8Array> = {
  encode: (value) => jsonTextCodec.encode(bytesToBase64(value)),
  decode: (stored) => base64ToBytes(String(jsonTextCodec.decode(stored))),
};

export function createTableView<Key, Value>(
  name: string,
  keys: Codec<Key>,
  values: Codec<Value>,
): TableView<Key, Value> {
  const of = (transaction: Transaction): TableAccess<Key, Value> => {
    const table = createTypedTable(transaction, name, keys, values);
    return {
      get size() {
        return table.size;
      },
      get: (key) => table.get(key),
      has: (key) => table.has(key),
      set: (key, value) => table.set(key, value),
      delete: (key) => table.delete(key),
      clear: () => table.clear(),
      versionOf: (key) => table.versionOf(key),
      entries: () => [...table.entries()],
    };
  };
  return { name, of };
}

export function createValueView<Value>(name: string, values: Codec<Value>): ValueView<Value> {
  const of = (transaction: Transaction) => createTypedValue(transaction, name, values);
  return {
    name,
    get: (transaction) => of(transaction).get(),
    set: (transaction, value) => of(transaction).set(value),
    delete: (transaction) => of(transaction).delete(),
    versionOf: (transaction) => of(transaction).version(),
  };
}

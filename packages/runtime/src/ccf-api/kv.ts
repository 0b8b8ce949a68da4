/**
 * `ccf.kv`: tables by name, with keys and values in ArrayBuffers. Beyond CCF: `entries`, `keys`,
 * `values` and `range` in bytewise order of keys.
 */
import { bytesToLatin1, CocoError } from "@coco/base";
import { accessToRights, type Table, type TextRangeOptions, tableNameToClass } from "@coco/store";
import { isInterruption, markInterruption } from "../interruption.ts";
import { lockdownOnce } from "../ses/lockdown.ts";
import {
  bufferToBytes,
  expectBuffer,
  expectCount,
  expectIndex,
  toPlainError,
} from "./host-function.ts";
import { currentTable, type TransactionSlot } from "./invocation.ts";

/** What code sees of a table. */
export interface KvMap {
  has(key: ArrayBuffer): boolean;
  get(key: ArrayBuffer): ArrayBuffer | undefined;
  /** Seqno of the last committed write, whatever this request writes. */
  getVersionOfPreviousWrite(key: ArrayBuffer): number | undefined;
  set(key: ArrayBuffer, value: ArrayBuffer): KvMap;
  delete(key: ArrayBuffer): void;
  clear(): void;
  forEach(callback: (value: ArrayBuffer, key: ArrayBuffer, map: KvMap) => void): void;
  readonly size: number;
  /** In bytewise order of keys. */
  entries(): IterableIterator<[key: ArrayBuffer, value: ArrayBuffer]>;
  keys(): IterableIterator<ArrayBuffer>;
  values(): IterableIterator<ArrayBuffer>;
  range(options?: KvRangeOptions): IterableIterator<[key: ArrayBuffer, value: ArrayBuffer]>;
}

export interface KvRangeOptions {
  /** First key, inclusive. */
  from?: ArrayBuffer;
  /** End, exclusive. */
  to?: ArrayBuffer;
  prefix?: ArrayBuffer;
  reverse?: boolean;
  /** At most this many. */
  limit?: number;
}

/** Handles that are kept by name; programs with more table names make them anew each time. */
const keptHandlesMax = 1024;

function textToKvBuffer(text: string): ArrayBuffer {
  const buffer = new ArrayBuffer(text.length);
  const bytes = new Uint8Array(buffer);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return buffer;
}

/** `ccf.kv` over the transaction that `slot` names. Not yet hardened. */
export function createKv(slot: TransactionSlot): Readonly<Record<string, KvMap>> {
  hideClasses();
  const handles = new Map<string, KvMap>();
  const find = (name: string): KvMap => {
    let handle = handles.get(name);
    if (handle === undefined) {
      handle = new KvHandle(slot, name);
      if (handles.size < keptHandlesMax) handles.set(name, handle);
    }
    return handle;
  };
  return new Proxy(Object.freeze({}), {
    get: (_, name) => (typeof name === "string" ? find(name) : undefined),
    has: (_, name) => typeof name === "string",
  });
}

class KvHandle implements KvMap {
  readonly #slot: TransactionSlot;
  readonly #name: string;

  constructor(slot: TransactionSlot, name: string) {
    this.#slot = slot;
    this.#name = name;
    Object.freeze(this);
  }

  has(key: ArrayBuffer): boolean {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    const text = bytesToLatin1(expectBuffer(key));
    try {
      return currentTable(this.#slot, this.#name).hasText(text);
    } catch (error) {
      throw this.#explain("has", error);
    }
  }

  get(key: ArrayBuffer): ArrayBuffer | undefined {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    const text = bytesToLatin1(expectBuffer(key));
    try {
      const value = currentTable(this.#slot, this.#name).getText(text);
      return value === undefined ? undefined : textToKvBuffer(value);
    } catch (error) {
      throw this.#explain("get", error);
    }
  }

  getVersionOfPreviousWrite(key: ArrayBuffer): number | undefined {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    const text = bytesToLatin1(expectBuffer(key));
    return this.#use("getVersionOfPreviousWrite", (table) => table.versionOfText(text));
  }

  set(key: ArrayBuffer, value: ArrayBuffer): KvMap {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 2);
    const keyBytes = bufferToBytes(key);
    const valueBytes = bufferToBytes(value);
    if (keyBytes === undefined || valueBytes === undefined) {
      throw new TypeError("Arguments must be ArrayBuffers");
    }
    try {
      const table = currentTable(this.#slot, this.#name);
      table.setText(bytesToLatin1(keyBytes), bytesToLatin1(valueBytes));
    } catch (error) {
      throw this.#explain("set", error);
    }
    return this;
  }

  delete(key: ArrayBuffer): void {
    // biome-ignore lint/complexity/noArguments: a rest parameter costs an array on the hot path.
    expectCount(arguments, 1);
    const text = bytesToLatin1(expectBuffer(key));
    this.#use("delete", (table) => table.deleteText(text));
  }

  clear(): void {
    // biome-ignore lint/complexity/noArguments: CCF counts the arguments.
    expectCount(arguments, 0);
    this.#use("clear", (table) => table.clear());
  }

  forEach(callback: (value: ArrayBuffer, key: ArrayBuffer, map: KvMap) => void): void {
    // biome-ignore lint/complexity/noArguments: CCF counts the arguments.
    expectCount(arguments, 1);
    if (typeof callback !== "function") throw new TypeError("Argument must be a function");
    const entries: [value: string, key: string][] = [];
    this.#use("forEach", (table) => {
      table.forEachText((value, key) => {
        entries.push([value, key]);
      });
    });
    for (const [value, key] of entries) callback(textToKvBuffer(value), textToKvBuffer(key), this);
  }

  get size(): number {
    return this.#use("size", (table) => table.size);
  }

  entries(): KvIterator<[ArrayBuffer, ArrayBuffer]> {
    return this.#iterate("entries", {}, toEntry);
  }

  keys(): KvIterator<ArrayBuffer> {
    return this.#iterate("keys", {}, ([key]) => textToKvBuffer(key));
  }

  values(): KvIterator<ArrayBuffer> {
    return this.#iterate("values", {}, ([, value]) => textToKvBuffer(value));
  }

  range(options: KvRangeOptions = {}): KvIterator<[ArrayBuffer, ArrayBuffer]> {
    return this.#iterate("range", toTextRange(options), toEntry);
  }

  #iterate<Item>(
    method: string,
    options: TextRangeOptions,
    toItem: (entry: TextEntry) => Item,
  ): KvIterator<Item> {
    const entries = this.#use(method, (table) => table.rangeText(options)[Symbol.iterator]());
    return new KvIterator(() => {
      const next = this.#use(method, () => entries.next());
      return next.done ? undefined : { item: toItem(next.value) };
    });
  }

  #use<Result>(method: string, action: (table: Table) => Result): Result {
    try {
      return action(currentTable(this.#slot, this.#name));
    } catch (error) {
      throw this.#explain(method, error);
    }
  }

  /** What the program sees of a failure. */
  #explain(method: string, error: unknown): Error {
    if (isInterruption(error)) {
      const plain = toPlainError(error);
      markInterruption(plain, error);
      this.#slot.interrupt(error);
      return plain;
    }
    // The stack of the thread ran out inside the store: what it wrote for this call is unsure.
    if (isStackOverflow(error)) this.#slot.interrupt(error);
    if (error instanceof CocoError && error.code === "TableAccessDenied") {
      const { access } = this.#slot.transaction();
      const rights = accessToRights(access, tableNameToClass(this.#name));
      const kind = rights.canRead ? "read-only" : rights.canWrite ? "write-only" : "inaccessible";
      return new TypeError(
        `Cannot call ${method} on table named ${this.#name}. This table is ${kind} here.`,
      );
    }
    return toPlainError(error);
  }
}

function isStackOverflow(error: unknown): error is RangeError {
  return error instanceof RangeError && error.message.includes("call stack");
}

type TextEntry = readonly [key: string, value: string];

function toEntry([key, value]: TextEntry): [ArrayBuffer, ArrayBuffer] {
  return [textToKvBuffer(key), textToKvBuffer(value)];
}

/** An iterator without a generator behind it, whose prototype programs could change. */
class KvIterator<Item> implements IterableIterator<Item> {
  readonly #advance: () => { readonly item: Item } | undefined;

  constructor(advance: () => { readonly item: Item } | undefined) {
    this.#advance = advance;
  }

  next(): IteratorResult<Item> {
    const next = this.#advance();
    return next === undefined
      ? { done: true, value: undefined }
      : { done: false, value: next.item };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/** Takes the classes away from programs, which could construct them with objects of their own. */
function hideClasses(): void {
  lockdownOnce();
  for (const { prototype } of [KvHandle, KvIterator]) {
    if (Object.isFrozen(prototype)) continue;
    Reflect.deleteProperty(prototype, "constructor");
    harden(prototype);
  }
}

/** Reads each option once, because the object belongs to the program. */
function toTextRange(options: KvRangeOptions): TextRangeOptions {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("Argument must be an object");
  }
  const { from, to, prefix, reverse, limit } = options;
  return {
    ...(from === undefined ? {} : { from: bytesToLatin1(expectBuffer(from)) }),
    ...(to === undefined ? {} : { to: bytesToLatin1(expectBuffer(to)) }),
    ...(prefix === undefined ? {} : { prefix: bytesToLatin1(expectBuffer(prefix)) }),
    ...(limit === undefined ? {} : { countMax: expectIndex(limit, "Invalid limit") }),
    reverse: reverse === true,
  };
}

/**
 * The transaction path of the store, single-threaded.
 * Run: npx esbuild packages/store/src/kv/store.bench.ts --bundle --platform=node --format=esm
 *   --conditions=coco-source | node --expose-gc --input-type=module - [keyCount]
 */
import { bytesToLatin1, latin1ToBytes, utf8ToBytes } from "@coco/base";
import { createStore } from "./store.ts";
import type { Store } from "./types.ts";

const keyCount = Number(process.argv[2] ?? 1_000_000);
const runCount = 300_000;
const table = "records";

/** Keys are written into one small array, as they come from a request that is in the cache. */
const scratch = utf8ToBytes("record-0000000");

function keyOf(index: number): Uint8Array {
  for (let at = scratch.length - 1, rest = index; at >= 7; at--, rest = Math.floor(rest / 10)) {
    scratch[at] = 48 + (rest % 10);
  }
  return scratch;
}

function report(id: string, count: number, run: () => void): void {
  const startCpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  run();
  const wallMicros = Number(process.hrtime.bigint() - start) / 1000 / count;
  const { user, system } = process.cpuUsage(startCpu);
  const cpuMicros = (user + system) / count;
  console.log(`${id}: ${cpuMicros.toFixed(2)} us CPU, ${wallMicros.toFixed(2)} us wall`);
}

function fill(store: Store): void {
  for (let start = 0; start < keyCount; start += 100) {
    const transaction = store.begin("application");
    const records = transaction.table(table);
    for (let index = start; index < start + 100; index++) {
      records.set(keyOf(index), utf8ToBytes(`message of 20 c ${1000 + (index % 9000)}`));
    }
    const result = store.commit(transaction);
    if (result.kind !== "committed") throw new Error(result.kind);
    store.compact(result.seqno);
  }
}

/** A multiplicative generator, so that each run touches the same keys. */
function createIndices(): () => number {
  let state = 1;
  return () => {
    state = Math.imul(state, 1664525) + 1013904223;
    return (state >>> 0) % keyCount;
  };
}

const next = createIndices();
const indices = Array.from({ length: 65536 }, () => next());
const textKeys = indices.map((index) => bytesToLatin1(keyOf(index)));
const value = utf8ToBytes("20 characters of it.");
const textValue = bytesToLatin1(value);

function commit(store: Store, gets: number, puts: number, isText: boolean, base: number): void {
  const transaction = store.begin("application");
  const records = transaction.table(table);
  for (let index = 0; index < gets + puts; index++) {
    const at = (base + index) & 65535;
    if (isText) {
      if (index < gets) records.getText(textKeys[at]!);
      else records.setText(textKeys[at]!, textValue);
    } else if (index < gets) records.get(keyOf(indices[at]!));
    else records.set(keyOf(indices[at]!), value);
  }
  const result = store.commit(transaction);
  if (result.kind === "committed" && result.seqno % 64 === 0) store.compact(result.seqno - 32);
}

globalThis.gc?.();
const rssBefore = process.memoryUsage().rss;
const store = createStore();
report(`fill keys=${keyCount}, per key`, keyCount, () => fill(store));
globalThis.gc?.();
const rssMegabytes = (process.memoryUsage().rss - rssBefore) / 2 ** 20;
console.log(`memory keys=${keyCount}: ${rssMegabytes.toFixed(0)} MiB RSS`);
for (const isText of [false, true]) {
  for (const [gets, puts] of [
    [3, 2],
    [1, 1],
    [1, 0],
    [0, 1],
  ] as const) {
    const form = isText ? "text" : "bytes";
    const id = `transaction gets=${gets} puts=${puts} keys=${keyCount} as=${form}`;
    for (let index = 0; index < 20_000; index++) commit(store, gets, puts, isText, index * 7);
    report(id, runCount, () => {
      for (let index = 0; index < runCount; index++) commit(store, gets, puts, isText, index * 5);
    });
  }
}
report(`first ordered read keys=${keyCount}, in all`, 1, () => {
  for (const _ of store.begin("node").table(table).range({ countMax: 1 }));
});
report(`range countMax=20 keys=${keyCount}`, 20_000, () => {
  for (let index = 0; index < 20_000; index++) {
    const records = store.begin("node").table(table);
    for (const _ of records.rangeText({ from: textKeys[index]!, countMax: 20 }));
  }
});
report(`insert and delete with index keys=${keyCount}`, 100_000, () => {
  for (let index = 0; index < 100_000; index += 2) {
    const added = `${textKeys[index & 65535]}x`;
    for (const isAdd of [true, false]) {
      const transaction = store.begin("node");
      if (isAdd) transaction.table(table).setText(added, textValue);
      else transaction.table(table).deleteText(added);
      store.commit(transaction);
    }
  }
  store.compact(store.seqno);
});
report(`forEachText keys=${keyCount}, per key`, keyCount, () => {
  let count = 0;
  store
    .begin("node")
    .table(table)
    .forEachText(() => {
      count++;
    });
  if (count < keyCount) throw new Error("keys are missing");
});
report("latin1ToBytes size=20", 1_000_000, () => {
  for (let index = 0; index < 1_000_000; index++) latin1ToBytes(textValue);
});
report("bytesToLatin1 size=20", 1_000_000, () => {
  for (let index = 0; index < 1_000_000; index++) bytesToLatin1(value);
});

/** Writes to a table, as rows of a history. */
import { bytesToHex } from "@coco/base";
import { type MapChanges, type TxId, txIdToText, type WriteSet } from "@coco/store";
import { bytesToPrintable, bytesToShown } from "./shown-bytes.ts";

/** One write or removal. The texts are there when the bytes are printable. */
export interface TableChange {
  readonly txId: string;
  readonly operation: "set" | "remove";
  readonly key?: string;
  readonly keyHex: string;
  readonly value?: string;
  readonly valueHex?: string;
}

export function mapToChanges(txId: TxId, map: MapChanges): readonly TableChange[] {
  const id = txIdToText(txId);
  const named = (name: "key" | "value", bytes: Uint8Array) => {
    const text = bytesToPrintable(bytes);
    return { ...(text !== undefined && { [name]: text }), [`${name}Hex`]: bytesToHex(bytes) };
  };
  const writes = map.writes.map(
    ([key, value]) =>
      ({
        txId: id,
        operation: "set",
        ...named("key", key),
        ...named("value", value),
      }) as unknown as TableChange,
  );
  const removes = map.removes.map(
    (key) => ({ txId: id, operation: "remove", ...named("key", key) }) as unknown as TableChange,
  );
  return [...writes, ...removes];
}

/** A write set as indented lines. */
export function writeSetToText(writeSet: WriteSet): string {
  return writeSet.maps
    .map(({ name, writes, removes }) => {
      const set = writes.map(([key, value]) => `  ${bytesToShown(key)} = ${bytesToShown(value)}\n`);
      const removed = removes.map((key) => `  ${bytesToShown(key)} removed\n`);
      return `${name}\n${[...set, ...removed].join("")}`;
    })
    .join("");
}

/** Between the store's form of a transaction's changes and the ledger's. */
import { bytesToLatin1 } from "@coco/base";
import type { ByteText } from "./byte-writer.ts";
import type { Changes } from "./kv/types.ts";
import type { WriteSet } from "./write-set.ts";

/** For the ledger. CCF writes 0 as the read version, and so do we. */
export function changesToWriteSet(changes: Changes): WriteSet<ByteText> {
  return {
    maps: changes.map(({ name, writes, removes }) => ({
      name,
      readVersion: 0,
      writes: [...writes],
      removes: [...removes],
    })),
  };
}

/** For the store: replay and replication. */
export function writeSetToChanges(writeSet: WriteSet): Changes {
  return writeSet.maps.map(({ name, readVersion, writes, removes }) => ({
    name,
    readVersion,
    writes: new Map(writes.map(([key, value]) => [bytesToLatin1(key), bytesToLatin1(value)])),
    removes: new Set(removes.map(bytesToLatin1)),
  }));
}

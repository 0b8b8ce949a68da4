/** The committed snapshot files of a node, as they lie on the host's disk. */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseSnapshotName, type SnapshotName } from "@coco/store";

export interface SnapshotPlace extends SnapshotName {
  /** Without the directory. */
  readonly name: string;
  readonly path: string;
}

export class SnapshotDirectory {
  /** The node's own directory first, then read-only ones. */
  readonly directories: readonly string[];

  constructor(directories: readonly string[]) {
    this.directories = directories;
  }

  /** Committed snapshots, the newest first. */
  list(): readonly SnapshotPlace[] {
    const places = new Map<string, SnapshotPlace>();
    for (const directory of this.directories) {
      for (const name of listNames(directory)) {
        const parsed = parseSnapshotName(name);
        if (parsed === undefined || !parsed.isCommitted || places.has(name)) continue;
        places.set(name, { ...parsed, name, path: join(directory, name) });
      }
    }
    return [...places.values()].sort(
      (left, right) => right.seqno - left.seqno || right.evidenceSeqno - left.evidenceSeqno,
    );
  }

  /** Name of the newest one whose seqno is above `sinceSeqno`. */
  latest(sinceSeqno: number): string | undefined {
    const newest = this.list()[0];
    return newest !== undefined && newest.seqno > sinceSeqno ? newest.name : undefined;
  }

  sizeBytes(name: string): number | undefined {
    return this.#open(name, (_, sizeBytes) => sizeBytes);
  }

  /** Bytes `start` (inclusive) to `end` (exclusive); undefined when the file went away. */
  read(name: string, start: number, end: number): Uint8Array | undefined {
    return this.#open(name, (descriptor) => {
      const bytes = new Uint8Array(end - start);
      let done = 0;
      while (done < bytes.length) {
        const count = readSync(descriptor, bytes, done, bytes.length - done, start + done);
        if (count === 0) return undefined;
        done += count;
      }
      return bytes;
    });
  }

  #open<Result>(
    name: string,
    use: (descriptor: number, sizeBytes: number) => Result,
  ): Result | undefined {
    if (parseSnapshotName(name)?.isCommitted !== true) return undefined;
    for (const directory of this.directories) {
      const path = join(directory, name);
      const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size;
      if (sizeBytes === undefined) continue;
      const descriptor = openSync(path, "r");
      try {
        return use(descriptor, sizeBytes);
      } finally {
        closeSync(descriptor);
      }
    }
    return undefined;
  }
}

/** A directory that is not there is made with the first snapshot. */
function listNames(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

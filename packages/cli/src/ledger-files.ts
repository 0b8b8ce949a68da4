/** Ledger directories on disk, as the auditor reads them: by position, never a whole file. */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import type { LedgerFile } from "@coco/store";
import { cliErrors } from "./errors.ts";

/** The open files of a ledger; `close` when done. */
export interface OpenLedger {
  readonly directory: string;
  readonly files: readonly LedgerFile[];
  close(): void;
}

const chunkName = /^ledger_[0-9]/;

/**
 * Opens the ledger files in `directory`, or in its `ledger` subdirectory.
 * @throws {CocoError} FileUnreadable, NoLedger
 */
export function openLedger(directory: string): OpenLedger {
  const found = findLedger(directory);
  const handles: number[] = [];
  const close = () => {
    for (const handle of handles.splice(0)) closeSync(handle);
  };
  try {
    const files = listFiles(found).map((name) => {
      const handle = openSync(join(found, name), "r");
      handles.push(handle);
      return toLedgerFile(name, handle);
    });
    return { directory: found, files, close };
  } catch (cause) {
    close();
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw cliErrors.create("FileUnreadable", `${found} (${code})`, { path: found }, cause);
  }
}

function findLedger(directory: string): string {
  if (!existsSync(directory)) {
    throw cliErrors.create("FileUnreadable", `${directory} (ENOENT)`, { path: directory });
  }
  for (const candidate of [directory, join(directory, "ledger")]) {
    if (existsSync(candidate) && listFiles(candidate).length > 0) return candidate;
  }
  throw cliErrors.create("NoLedger", directory, { path: directory });
}

function listFiles(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && chunkName.test(entry.name))
      .map((entry) => entry.name);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw cliErrors.create("FileUnreadable", `${directory} (${code})`, { path: directory }, cause);
  }
}

function toLedgerFile(name: string, handle: number): LedgerFile {
  return {
    name,
    sizeBytes: fstatSync(handle).size,
    read: (offset, lengthBytes) => {
      const bytes = new Uint8Array(lengthBytes);
      let filled = 0;
      while (filled < lengthBytes) {
        const count = readSync(handle, bytes, filled, lengthBytes - filled, offset + filled);
        if (count === 0) break;
        filled += count;
      }
      return bytes.subarray(0, filled);
    },
  };
}

/** Reading and writing of files, with errors that name the path and the reason. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { bytesToUtf8 } from "@coco/base";
import { cliErrors } from "./errors.ts";

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** @throws {CocoError} FileUnreadable */
export function readBytes(path: string): Uint8Array {
  try {
    // Descriptor 0 is stdin.
    return new Uint8Array(readFileSync(path === "-" ? 0 : path));
  } catch (cause) {
    const detail = `${path} (${reasonOf(cause)})`;
    throw cliErrors.create("FileUnreadable", detail, { path }, cause);
  }
}

/** @throws {CocoError} FileUnreadable, NotUtf8 */
export function readText(path: string): string {
  return bytesToUtf8(readBytes(path));
}

/** @throws {CocoError} FileUnreadable, NotJson */
export function readJson<Value>(path: string): Value {
  const text = readText(path);
  try {
    return JSON.parse(text) as Value;
  } catch (cause) {
    const detail = `${path}: ${(cause as Error).message}`;
    throw cliErrors.create("NotJson", detail, { path }, cause);
  }
}

export interface WriteOptions {
  /** Readable by its owner only. */
  readonly isSecret?: boolean;
  /** Refuse to replace a file. */
  readonly isNew?: boolean;
}

/** Makes the directory too. @throws {CocoError} FileExists, FileUnwritable */
export function writeFile(
  path: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const mode = options.isSecret === true ? 0o600 : 0o644;
    writeFileSync(path, content, { mode, flag: options.isNew === true ? "wx" : "w" });
  } catch (cause) {
    const code = reasonOf(cause);
    if (code === "EEXIST") throw cliErrors.create("FileExists", path, { path }, cause);
    throw cliErrors.create("FileUnwritable", `${path} (${code})`, { path }, cause);
  }
}

/** Members' private encryption keys in a directory. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cliErrors } from "./errors.ts";
import { readText } from "./files.ts";

const keyFile = /_enc_privk\.pem$/;

/** PEM texts of the files `*_enc_privk.pem`. @throws {CocoError} FileUnreadable, NoMemberKeys */
export function readMemberKeys(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => keyFile.test(name));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw cliErrors.create("FileUnreadable", `${directory} (${code})`, { path: directory }, cause);
  }
  if (names.length === 0) throw cliErrors.create("NoMemberKeys", directory, { path: directory });
  return names.sort().map((name) => readText(join(directory, name)));
}

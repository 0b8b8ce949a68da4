/** The templates that ship with the command. */
import { fileURLToPath } from "node:url";

/** The directory of a template, from the sources and from the build alike. */
export function templateDirectory(name: string): string {
  return fileURLToPath(new URL(`../../templates/${name}`, import.meta.url));
}

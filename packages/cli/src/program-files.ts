/** The files and packages that make up the built program, as its measurement sees them. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cliErrors } from "./errors.ts";
import { readJson } from "./files.ts";

export interface ProgramFiles {
  /** One line per package and file, sorted by byte; its SHA-256 is the measurement. */
  readonly manifest: string;
  readonly version: string;
  readonly filesCount: number;
  readonly packagesCount: number;
  /** Packages whose files differ between machines: only their place in the lock file counts. */
  readonly namedOnly: readonly string[];
}

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type LockedPackages = Readonly<Record<string, LockedPackage>>;

const entryPackage = "packages/cli";
const format = "coco-program-v1";

/** What runs of an own package; the rest of its folder is not needed at run time. */
const ownParts = ["package.json", "bin", "dist", "templates", "node_modules"];

/**
 * Lines of the manifest, after its first line `coco-program-v1`:
 * - `file <SHA-256 in hex> <path>`: a file of an own package or of a dependency
 * - `package <integrity of the lock file> <path> <version>`: a dependency
 *
 * Names of packages come from the lock file, so the manifest does not depend on the machine.
 *
 * @param root the folder with package-lock.json, node_modules and packages
 * @throws {CocoError} NotMeasurable
 */
export function readProgramFiles(root: string): ProgramFiles {
  const lockPath = join(root, "package-lock.json");
  if (!existsSync(lockPath)) throw notMeasurable(root, "it has no package-lock.json");
  const { packages } = readJson<{ packages?: LockedPackages }>(lockPath);
  if (packages?.[entryPackage] === undefined) {
    throw notMeasurable(lockPath, `it does not name ${entryPackage}`);
  }
  const lines: string[] = [];
  const namedOnly: string[] = [];
  let packagesCount = 0;
  for (const place of findProductionPlaces(packages)) {
    const locked = packages[place]!;
    if (!place.includes("node_modules/")) {
      lines.push(...measureOwnPackage(root, place, packages));
      continue;
    }
    packagesCount += 1;
    const { integrity, version } = locked;
    if (integrity === undefined) throw notMeasurable(lockPath, `${place} has no integrity`);
    lines.push(`package ${integrity} ${place} ${version}`);
    // Install scripts rewrite files, and optional packages are there on some platforms only.
    if (locked.hasInstallScript === true || locked.optional === true) namedOnly.push(place);
    else lines.push(...measureFolder(root, place, packages));
  }
  lines.sort(compareBytes);
  const filesCount = lines.filter((line) => line.startsWith("file ")).length;
  const manifest = `${[format, ...lines].join("\n")}\n`;
  const version = packages[entryPackage].version ?? "";
  return { manifest, version, filesCount, packagesCount, namedOnly };
}

function notMeasurable(path: string, reason: string): Error {
  return cliErrors.create("NotMeasurable", `${path}: ${reason}`, { path });
}

function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** Places in the lock file that the command needs at run time, itself included. */
function findProductionPlaces(packages: LockedPackages): readonly string[] {
  const found = new Set<string>();
  const waiting = [entryPackage];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const locked = packages[place]!;
    if (locked.link === true) {
      waiting.push(locked.resolved!);
      continue;
    }
    if (found.has(place)) continue;
    found.add(place);
    for (const name of Object.keys({ ...locked.dependencies, ...locked.optionalDependencies })) {
      const next = resolvePlace(packages, place, name);
      if (next !== undefined) waiting.push(next);
      else if (locked.dependencies?.[name] !== undefined) {
        throw notMeasurable("package-lock.json", `${name}, which ${place} needs, is missing`);
      }
    }
  }
  return [...found];
}

/** Node's own search: the nearest node_modules on the way up to the root. */
function resolvePlace(packages: LockedPackages, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    const place = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (folder === "") return undefined;
  }
}

function measureOwnPackage(root: string, place: string, packages: LockedPackages): string[] {
  if (!existsSync(join(root, place, "dist"))) {
    throw notMeasurable(join(root, place), "it is not built");
  }
  return ownParts.flatMap((part) => {
    const path = `${place}/${part}`;
    if (!existsSync(join(root, path))) return [];
    return part === "package.json"
      ? [measureFile(root, path)]
      : measureFolder(root, path, packages);
  });
}

function measureFolder(root: string, folder: string, packages: LockedPackages): string[] {
  if (!existsSync(join(root, folder))) throw notMeasurable(join(root, folder), "it is missing");
  const isStore = /(^|\/)node_modules$/.test(folder);
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    // What the lock file names is measured at its own place; dotted names there are npm's notes.
    if (packages[path] !== undefined || (isStore && entry.name.startsWith("."))) return [];
    if (entry.isDirectory()) return measureFolder(root, path, packages);
    if (!entry.isFile()) throw notMeasurable(join(root, path), "it is neither file nor folder");
    // The compiler's notes for its next run.
    return entry.name.endsWith(".tsbuildinfo") ? [] : [measureFile(root, path)];
  });
}

function measureFile(root: string, path: string): string {
  const digest = createHash("sha256")
    .update(readFileSync(join(root, path)))
    .digest("hex");
  return `file ${digest} ${path}`;
}

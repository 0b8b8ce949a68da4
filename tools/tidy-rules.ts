/** The rules of the house that no other tool checks. Each takes files and gives back violations. */
import { posix } from "node:path";
import { findFunctions, maskText } from "./source-text.ts";

export interface SourceFile {
  /** From the root of the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** What each room may import, by the drawing in ARCHITECTURE.md. */
const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  store: ["base"],
  consensus: ["base"],
  tee: ["base"],
  evm: ["base"],
  runtime: ["base", "store"],
  governance: ["base", "store", "runtime"],
  client: ["base", "store", "tee"],
  node: ["base", "store", "consensus", "tee", "runtime", "governance"],
  testkit: ["base", "store", "consensus", "tee", "runtime", "governance", "client", "node"],
  cli: ["base", "store", "consensus", "tee", "runtime", "governance", "client", "node", "testkit"],
};

const pureRooms = new Set([
  "base",
  "store",
  "consensus",
  "tee",
  "evm",
  "runtime",
  "governance",
  "client",
]);

/** Parts of pure rooms that are for one platform, behind an entry of their own. */
const platformFolder = /^packages\/[a-z]+\/src\/(node|browser)\//;

const fileLinesMax = 600;
const functionLinesMax = 70;
const lineColumnsMax = 100;

function isTestFile(path: string): boolean {
  return /\.(test|testing|bench)\.ts$/.test(path) || /^(tools|bench|examples)\//.test(path);
}

function roomOf(path: string): string | undefined {
  return /^packages\/([a-z]+)\//.exec(path)?.[1];
}

/** The strings of a file that name other files or packages. */
function referencesOf(text: string): string[] {
  const code = maskText(text, false);
  return Array.from(
    code.matchAll(/["'`]((?:@coco\/|\.\.?\/)[^"'`\s]*)["'`]/g),
    ([, name]) => name!,
  );
}

export function checkLayers({ path, text }: SourceFile): string[] {
  const room = roomOf(path);
  if (room === undefined) return [];
  const found: string[] = [];
  const allowed = layers[room];
  if (allowed === undefined) return [`${path}: the room ${room} is not in the layer table`];
  for (const name of referencesOf(text)) {
    const [, target, entry] = /^@coco\/([a-z]+)(\/[a-z]+)?$/.exec(name) ?? [];
    if (target === undefined) {
      const reached: string | undefined = name.startsWith(".")
        ? roomOf(posix.join(posix.dirname(path), name))
        : room;
      // Tests may share their helpers; product code has to use the door of the other room.
      const isShared = isTestFile(path) && name.endsWith(".testing.ts");
      if (reached !== undefined && reached !== room && !isShared)
        found.push(`${path}: reaches into ${reached}`);
      continue;
    }
    if (target !== room && !allowed.includes(target) && !isTestFile(path)) {
      found.push(`${path}: ${room} may not import @coco/${target}`);
    }
    const isPlatform = !pureRooms.has(room) || platformFolder.test(path) || isTestFile(path);
    if (entry === "/node" && !isPlatform) found.push(`${path}: a pure room imports ${name}`);
  }
  return found;
}

/** Words of the platform, and the files that may say them, with the reason. */
const platformWords = /\b(Math\.random|Date\.now|performance\.|process\.|Buffer\.)/g;
const platformShims = new Set([
  // Wraps what every platform has but the ECMAScript library does not declare.
  "packages/base/src/bytes.ts",
]);

export function checkPurity({ path, text }: SourceFile): string[] {
  const room = roomOf(path);
  if (room === undefined || !pureRooms.has(room) || !path.includes("/src/")) return [];
  if (isTestFile(path) || platformFolder.test(path) || platformShims.has(path)) return [];
  const words = maskText(text, true).matchAll(platformWords);
  return Array.from(words, ([word]) => `${path}: a pure room uses ${word}`);
}

export function checkSizes({ path, text }: SourceFile): string[] {
  const lines = text.split("\n");
  const found: string[] = [];
  if (lines.length - 1 > fileLinesMax) found.push(`${path}: ${lines.length - 1} lines`);
  for (const [index, line] of lines.entries()) {
    const isLong = Array.from(line).length > lineColumnsMax && !/https?:\/\/\S{40}/.test(line);
    if (isLong) found.push(`${path}:${index + 1}: longer than ${lineColumnsMax} columns`);
  }
  for (const { firstLine, lastLine, head } of findFunctions(text)) {
    const lineCount = lastLine - firstLine + 1;
    // A suite is a list of tests, not a function that somebody has to understand as a whole.
    if (lineCount <= functionLinesMax || /\bdescribe\b[^;{}]*\([\s,]*$/.test(head)) continue;
    found.push(`${path}:${firstLine}: a function of ${lineCount} lines`);
  }
  return found;
}

/** Split in two, so that this file does not hold them. */
const forbiddenWords: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [new RegExp(`\\b(TO${"DO"}|FIX${"ME"}|XX${"X"})\\b`), "an issue, or the work itself"],
  [new RegExp(`not ${"implemented"}(?! here)`, "i"), "the work itself"],
  [new RegExp(`(?<![\\w.:/])/(work|ho${"me"}|ro${"ot"}|tmp/brief|tmp/ccf)/`), "a relative path"],
  [/[ \t]+$/m, "no white space at the end of a line"],
];

export function checkWords({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  for (const [pattern, instead] of forbiddenWords) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const line = text.slice(0, match.index).split("\n").length;
    found.push(`${path}:${line}: holds ${JSON.stringify(match[0])}; use ${instead}`);
  }
  return found;
}

/**
 * Files under src that nothing refers to. Tests do not keep a file alive, except helpers of tests.
 * @param entries paths that package.json files export
 */
export function findDeadFiles(
  files: readonly SourceFile[],
  entries: ReadonlySet<string>,
): string[] {
  const sources = files.filter(({ path }) => /^packages\/[a-z]+\/src\/.*\.ts$/.test(path));
  const alive = new Set(entries);
  const aliveInTests = new Set<string>();
  for (const { path, text } of files) {
    const named = isTestFile(path) ? aliveInTests : alive;
    for (const name of referencesOf(text)) {
      if (!name.startsWith(".")) continue;
      named.add(posix.join(posix.dirname(path), name.replace(/\.js$/, ".ts")));
    }
    // Workers are named by their place under src: `workerUrl("core/executor-worker")`.
    for (const [, name] of text.matchAll(/"([a-z-]+\/[a-z/-]+)"/g)) {
      named.add(`packages/${roomOf(path)}/src/${name}.ts`);
    }
  }
  const dead = sources.filter(({ path }) => {
    if (/\.(test|bench)\.ts$/.test(path) || alive.has(path)) return false;
    return !(isTestFile(path) && aliveInTests.has(path));
  });
  return dead.map(({ path }) => `${path}: nothing imports it`);
}

/** Source files that a package.json names: what it exports, and what its scripts run. */
export function findEntries({ path, text }: SourceFile): string[] {
  const folder = posix.dirname(path);
  const exported = Array.from(text.matchAll(/"coco-source": ?"([^"]+)"/g), ([, name]) => name!);
  const run = Array.from(text.matchAll(/([\w./-]*)\bdist\/([\w/-]+)\.js\b/g), ([, base, name]) => {
    return `${base}src/${name}.ts`;
  });
  return [...exported, ...run].map((name) => posix.join(folder, name));
}

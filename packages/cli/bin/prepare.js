// Makes a checkout ready to run: Node's version, `npm ci` when the dependencies are missing or
// outdated, `tsc -b` when the output is missing or older than the sources. Plain JavaScript with
// Node's own modules only, because nothing is installed or compiled yet when it runs.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const packages = join(root, "packages");
const installStamp = join(root, "node_modules", ".coco-lock");
const buildStamp = join(root, "node_modules", ".coco-build");

/** True when the program can run. All talk goes to stderr. */
export function prepareCheckout() {
  if (!isNodeNewEnough()) return false;
  // A command that starts another one says that everything is ready.
  if (process.env.COCO_PREPARED === "1") return true;
  // An installed package has no compiler configuration beside it: it ships its output.
  if (!existsSync(join(root, "tsconfig.base.json"))) return true;
  return installIfNeeded() && buildIfNeeded();
}

function say(text) {
  process.stderr.write(`coco: ${text}\n`);
}

function isNodeNewEnough() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return true;
  say(`Node.js ${process.versions.node} is too old; 20.19 or later is needed`);
  return false;
}

function runStep(command, args, isShell = false) {
  const stdio = ["ignore", 2, 2];
  return spawnSync(command, args, { cwd: root, stdio, shell: isShell }).status === 0;
}

function installIfNeeded() {
  const text = readFileSync(join(root, "package-lock.json"), "utf8");
  const lock = createHash("sha256").update(text).digest("hex");
  if (existsSync(installStamp) && readFileSync(installStamp, "utf8") === lock) return true;
  if (!isInstalled(JSON.parse(text))) {
    say("installing the dependencies (npm ci), once ...");
    const isWindows = process.platform === "win32";
    if (!runStep("npm", ["ci", "--no-audit", "--no-fund"], isWindows)) {
      say("npm ci failed; see its message above");
      return false;
    }
  }
  writeFileSync(installStamp, lock);
  return true;
}

/** True when npm has installed what the lock file names, whoever asked it to. */
function isInstalled(lock) {
  const path = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(path)) return false;
  const { packages: installed } = JSON.parse(readFileSync(path, "utf8"));
  return Object.entries(lock.packages).every(([place, { version, optional, devOptional }]) => {
    // Packages of other platforms are optional, and the workspaces themselves are not installed.
    if (!place.includes("node_modules/") || optional || devOptional) return true;
    return installed[place] !== undefined && installed[place].version === version;
  });
}

function buildIfNeeded() {
  if (!isStale()) return true;
  say("building, because this is the first use or a source changed ...");
  const startedMs = Date.now();
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const machine = join(packages, "evm", "build.js");
  if (!runStep(process.execPath, [machine]) || !runStep(process.execPath, [compiler, "-b"])) {
    say("the build failed; see the messages above");
    return false;
  }
  // The stamp takes the time at which the build began: what changes meanwhile is built next time.
  writeFileSync(buildStamp, "");
  utimesSync(buildStamp, startedMs / 1000, startedMs / 1000);
  say(`built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
  return true;
}

function isStale() {
  if (!existsSync(buildStamp)) return true;
  const builtMs = statSync(buildStamp).mtimeMs;
  return readdirSync(packages).some((name) => {
    const folder = join(packages, name);
    if (!existsSync(join(folder, "tsconfig.json"))) return false;
    if (!existsSync(join(folder, "dist")) || isNewer(join(folder, "src"), builtMs)) return true;
    return isNewer(join(folder, "assembly"), builtMs);
  });
}

/** True when a source under `folder` changed after `builtMs`; tests do not count. */
function isNewer(folder, builtMs) {
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return isNewer(path, builtMs);
    const isSource = /\.ts$/.test(entry.name) && !/\.(test|bench|testing)\.ts$/.test(entry.name);
    return isSource && statSync(path).mtimeMs > builtMs;
  });
}

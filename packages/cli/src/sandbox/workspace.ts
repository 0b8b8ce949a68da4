/** The directory of a sandbox: keys, ledger, log, and what happens to the last run's. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { certificateToId } from "../connection.ts";
import { cliErrors } from "../errors.ts";
import { readText } from "../files.ts";
import { createIdentity, identityPaths } from "../identity.ts";
import {
  type SandboxMember,
  type SandboxUser,
  sandboxConstitutionFile,
  sandboxFactsFile,
  sandboxLogFile,
  sandboxPidFile,
} from "./facts.ts";

export interface Workspace {
  /** Absolute; keys and certificates are in it, as CCF's tools name them. */
  readonly directory: string;
  readonly ledger: string;
  readonly snapshots: string;
  readonly logFile: string;
  readonly factsFile: string;
  readonly members: readonly SandboxMember[];
  readonly users: readonly SandboxUser[];
  /** Where an earlier run's ledger was moved; undefined when there was none. */
  readonly earlierLedger: string | undefined;
}

export interface WorkspaceOptions {
  readonly directory: string;
  readonly memberCount: number;
  readonly userCount: number;
  /** Removes what an earlier run left. */
  readonly isFresh: boolean;
  /** The ledger of an earlier run stays, to be recovered. */
  readonly keepsLedger: boolean;
}

const ownNames: ReadonlySet<string> = new Set([
  "earlier",
  "ledger",
  "snapshots",
  "node.json",
  "node_cert.pem",
  "service_cert.pem",
  "previous_service_cert.pem",
  sandboxConstitutionFile,
  sandboxFactsFile,
  sandboxLogFile,
  sandboxPidFile,
]);
const identityFile = /^(?:member|user)[0-9]+_(?:cert|privk|enc_privk|enc_pubk)\.pem$/;

function isOwn(name: string): boolean {
  return ownNames.has(name) || identityFile.test(name);
}

/** @throws {CocoError} SandboxDataExists, SandboxRunning */
export function checkWorkspace(directory: string): void {
  checkOwn(resolve(directory));
  checkNotRunning(resolve(directory));
}

/**
 * Makes the directory ready for a new network, after `checkWorkspace`.
 * @throws {CocoError} FileUnwritable
 */
export async function createWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const directory = resolve(options.directory);
  if (options.isFresh) removeOwn(directory);
  const ledger = join(directory, "ledger");
  const snapshots = join(directory, "snapshots");
  const earlierLedger = options.keepsLedger
    ? undefined
    : setAside(directory, ["ledger", "snapshots"]);
  try {
    for (const path of [directory, ledger, snapshots]) mkdirSync(path, { recursive: true });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw cliErrors.create("FileUnwritable", `${directory} (${code})`, { path: directory }, cause);
  }
  const factsFile = join(directory, sandboxFactsFile);
  // A run that fails must not leave the facts of the last one behind.
  rmSync(factsFile, { force: true });
  return {
    directory,
    ledger,
    snapshots,
    logFile: join(directory, sandboxLogFile),
    factsFile,
    members: await Promise.all(
      range(options.memberCount).map((index) => ensureMember(directory, `member${index}`)),
    ),
    users: await Promise.all(
      range(options.userCount).map((index) => ensureUser(directory, `user${index}`)),
    ),
    earlierLedger,
  };
}

/** Members (or users) whose keys an earlier run left. */
export function countIdentities(directory: string, role: "member" | "user"): number {
  let count = 0;
  while (existsSync(identityPaths(resolve(directory), `${role}${count}`).cert)) count++;
  return count;
}

const validityDays = 365;

async function ensureMember(directory: string, name: string): Promise<SandboxMember> {
  const { cert, key, encryptionKey } = identityPaths(directory, name);
  if (!existsSync(cert)) {
    await createIdentity({ directory, name, validityDays, hasEncryptionKey: true });
  }
  return { id: certificateToId(readText(cert)), cert, key, encryptionKey };
}

async function ensureUser(directory: string, name: string): Promise<SandboxUser> {
  const { cert, key } = identityPaths(directory, name);
  if (!existsSync(cert)) {
    await createIdentity({ directory, name, validityDays, hasEncryptionKey: false });
  }
  return { id: certificateToId(readText(cert)), cert, key };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Refuses a directory with foreign files: `--fresh` would remove them. */
function checkOwn(directory: string): void {
  if (!existsSync(directory)) return;
  const foreign = readdirSync(directory).find((name) => !isOwn(name));
  if (foreign === undefined) return;
  const detail = `${directory} holds ${foreign}`;
  throw cliErrors.create("SandboxDataExists", detail, { path: directory });
}

/** Two sandboxes in one directory would destroy each other's ledger. */
function checkNotRunning(directory: string): void {
  const path = join(directory, sandboxPidFile);
  if (!existsSync(path)) return;
  const pid = Number(readText(path));
  try {
    process.kill(pid, 0);
  } catch {
    // No such process: an earlier sandbox ended without tidying up.
    return;
  }
  throw cliErrors.create("SandboxRunning", `${directory}, process ${pid}`, {
    path: directory,
    pid,
  });
}

function removeOwn(directory: string): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) {
    rmSync(join(directory, name), { recursive: true, force: true });
  }
}

/** Moves what an earlier run wrote to earlier/N; keys stay. */
function setAside(directory: string, names: readonly string[]): string | undefined {
  const written = names.filter((name) => {
    const path = join(directory, name);
    return existsSync(path) && readdirSync(path).length > 0;
  });
  if (written.length === 0) return undefined;
  const earlier = join(directory, "earlier");
  mkdirSync(earlier, { recursive: true });
  const target = join(earlier, String(readdirSync(earlier).length + 1));
  mkdirSync(target);
  for (const name of written) renameSync(join(directory, name), join(target, name));
  return target;
}

/** What a sandbox tells the world: the `--json` line, and sandbox.json in its directory. */

export interface SandboxMember {
  /** Hex SHA-256 of the certificate. */
  readonly id: string;
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
  readonly encryptionKey: string;
}

export interface SandboxUser {
  readonly id: string;
  readonly cert: string;
  readonly key: string;
}

/** All paths are absolute. */
export interface SandboxFacts {
  readonly url: string;
  readonly serviceCert: string;
  readonly ledgerDir: string;
  readonly members: readonly SandboxMember[];
  readonly users: readonly SandboxUser[];
  /** Beside the first one, which runs in the process of the sandbox; absent: there are none. */
  readonly nodes?: readonly {
    readonly url: string;
    readonly pid: number;
    readonly ledgerDir: string;
  }[];
}

/** In the data directory of the sandbox. */
export const sandboxFactsFile = "sandbox.json";
export const sandboxLogFile = "node.log";
export const sandboxConstitutionFile = "constitution.js";
export const sandboxPidFile = "node.pid";

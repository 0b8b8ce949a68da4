/** All commands. `--help` and docs/cli.md are made from this file. */

import type { CommandDescription } from "./command.ts";
import { appCommands } from "./command-tree-app.ts";
import { attestCommands } from "./command-tree-attest.ts";
import { governanceCommands } from "./command-tree-gov.ts";
import { ledgerCommands } from "./command-tree-ledger.ts";
import { connectionOptions } from "./connection-options.ts";

export const groupSummaries: Readonly<Record<string, string>> = {
  app: "Create, build, deploy and watch applications.",
  attest: "Check attestation evidence.",
  bench: "Measure a network.",
  gov: "Propose, vote, and see what the members decided.",
  "gov recovery-share": "Your share of the key to the ledger, after a disaster.",
  key: "Make keys and certificates.",
  ledger: "Verify, decrypt and read ledger files, offline.",
  network: "See the nodes of a network.",
  node: "Run a node.",
  receipt: "Get and verify receipts.",
};

const sandbox: CommandDescription = {
  path: "sandbox",
  summary: "Open a network on this machine",
  details:
    "Makes member and user keys, starts a node with virtual (insecure) attestation, opens the " +
    "service and deploys the app. What the last run in the same directory wrote is kept: its " +
    "ledger is recovered with the members' keys, under a new service certificate. The app " +
    "directory is watched: a saved change is served at " +
    "once, and a change that does not compile leaves the old version in place.",
  options: [
    {
      flags: "--app <dir>",
      description: "app to serve: TypeScript sources, or a bundle (app.json and src/)",
    },
    {
      flags: "--port <number>",
      description: "port on 127.0.0.1; 0: any",
      isNumber: true,
      default: 8000,
    },
    {
      flags: "--members <count>",
      description: "members of the consortium",
      isNumber: true,
      default: 1,
    },
    { flags: "--users <count>", description: "users of the app", isNumber: true, default: 1 },
    { flags: "--nodes <count>", description: "nodes of the network", isNumber: true, default: 1 },
    {
      flags: "--constitution <file...>",
      description: "JavaScript files of another constitution, put one after the other",
    },
    { flags: "--data <dir>", description: "keys, ledger and logs", default: "workspace/sandbox" },
    { flags: "--fresh", description: "remove the keys and ledger of the last run first" },
    { flags: "--inspect [port]", description: "let a debugger step through the app's TypeScript" },
    { flags: "--no-watch", description: "do not reload the app when its files change" },
    { flags: "--json", description: "print one line of JSON when ready" },
  ],
  examples: [
    ["coco sandbox", "a network with the logging sample"],
    ["coco sandbox --app ./my-app --members 3 --users 2", "your app, three members"],
    ["coco sandbox --nodes 3", "three nodes: kill one, and clients of the others go on"],
    ["coco sandbox --port 0 --fresh --json", "for scripts: any port, an empty ledger"],
  ],
  load: () => import("./commands/sandbox.ts"),
};

const nodeRun: CommandDescription = {
  path: "node run",
  summary: "Run a node until it is stopped",
  options: [
    { flags: "--config <file>", description: "node configuration (JSON)" },
    { flags: "--print-schema", description: "print the JSON Schema of the configuration" },
    { flags: "--json", description: "print one line of JSON when ready" },
  ],
  examples: [["coco node run --config node.json", "start, join or recover as the file says"]],
  load: () => import("./commands/node-run.ts"),
};

const nodeRecover: CommandDescription = {
  path: "node recover",
  summary: "Bring a service whose nodes are all lost back from its ledger",
  details:
    "Verifies the whole ledger, drops what no signature covers, and continues it under a new " +
    "service identity. The service stays closed until the members vote it open and submit their " +
    "recovery shares: docs/recovery.md. Beside the new service certificate it writes " +
    "open_service.json, the proposal for that vote.",
  options: [
    { flags: "--ledger <dir>", description: "ledger files of the lost service" },
    { flags: "--snapshots <dir>", description: "where snapshots are kept" },
    {
      flags: "--previous-service-cert <file>",
      description: "certificate of the lost service (PEM): no other ledger is taken",
    },
    {
      flags: "--config <file>",
      description: "node configuration (JSON); what is given here replaces what it says",
      isRequired: true,
    },
    { flags: "--json", description: "print one line of JSON when ready" },
  ],
  examples: [
    [
      "coco node recover --ledger ./ledger --previous-service-cert service_cert.pem " +
        "--config node.json",
      "the ledger in ./ledger is continued there",
    ],
  ],
  load: () => import("./commands/node-recover.ts"),
};

const networkStatus: CommandDescription = {
  path: "network status",
  summary: "Show the nodes: role, lag, attestation",
  options: connectionOptions,
  examples: [["coco network status", "the nodes of the sandbox"]],
  load: () => import("./commands/network-status.ts"),
};

const doctor: CommandDescription = {
  path: "doctor",
  summary: "Say what this machine can do: Node, TEE devices, port, clock, disk",
  options: [
    { flags: "--port <number>", description: "port to try", isNumber: true, default: 8000 },
    { flags: "--data <dir>", description: "directory whose disk is measured", default: "." },
    { flags: "--json", description: "print JSON" },
  ],
  examples: [["coco doctor", "check before the first sandbox"]],
  load: () => import("./commands/doctor.ts"),
};

const keyGenerate: CommandDescription = {
  path: "key generate",
  summary: "Make the key and certificate of a member or user",
  details:
    "A member also gets an RSA key pair for its recovery share unless --no-encryption-key is " +
    "given. Private keys are readable by their owner only. Existing files are never replaced.",
  options: [
    {
      flags: "--role <role>",
      description: "whose key",
      choices: ["member", "user"],
      isRequired: true,
    },
    { flags: "--out <dir>", description: "directory for the files", isRequired: true },
    { flags: "--name <name>", description: "file and subject name; default: member0, user0" },
    { flags: "--days <count>", description: "validity", isNumber: true, default: 365 },
    {
      flags: "--curve <curve>",
      description: "curve of the signing key",
      choices: ["secp384r1", "secp256r1"],
      default: "secp384r1",
    },
    { flags: "--no-encryption-key", description: "a member without recovery share" },
    { flags: "--json", description: "print JSON" },
  ],
  examples: [
    ["coco key generate --role member --out keys", "keys/member0_cert.pem and its keys"],
    ["coco key generate --role user --out keys --name acme-bank", "keys/acme-bank_cert.pem"],
  ],
  load: () => import("./commands/key-generate.ts"),
};

const benchLogging: CommandDescription = {
  path: "bench logging",
  summary: "Measure writes and reads of the logging app",
  details:
    "Without --url it starts its own network, and removes it afterwards. With --url it drives " +
    "any CCF-compatible node that serves the logging sample.",
  options: [
    { flags: "--duration <time>", description: "of each phase: 10s, 2m, 500ms", default: "10s" },
    {
      flags: "--connections <count>",
      description: "client connections",
      isNumber: true,
      default: 50,
    },
    {
      flags: "--nodes <count>",
      description: "nodes of the own network",
      isNumber: true,
      default: 1,
    },
    { flags: "--keys <count>", description: "distinct keys", isNumber: true, default: 1_000_000 },
    { flags: "--url <url...>", description: "nodes of a running network" },
    { flags: "--service-cert <file>", description: "service certificate of the running network" },
    { flags: "--cert <file>", description: "user certificate" },
    { flags: "--key <file>", description: "user key" },
    { flags: "--json", description: "print one line of JSON" },
  ],
  examples: [
    ["coco bench logging --duration 10s", "one node on this machine"],
    [
      "coco bench logging --url https://127.0.0.1:8000 --service-cert service_cert.pem " +
        "--cert user0_cert.pem --key user0_privk.pem",
      "a running network",
    ],
  ],
  load: () => import("./commands/bench-logging.ts"),
};

const measure: CommandDescription = {
  path: "measure",
  summary: "Print the SHA-256 measurement of this program",
  details:
    "Covers every file of the built packages and of their production dependencies, and the " +
    "version and integrity of each dependency in the lock file. The same sources give the same " +
    "value on every machine; Node itself is not part of it. See docs/deployment.md.",
  options: [
    { flags: "--root <dir>", description: "another checkout or installation to measure" },
    { flags: "--manifest", description: "print the lines whose SHA-256 is the measurement" },
    { flags: "--json", description: "print one line of JSON" },
  ],
  examples: [
    ["coco measure --json", "for scripts"],
    ["coco measure --manifest | sha256sum", "the same value, computed by another program"],
  ],
  load: () => import("./commands/measure.ts"),
};

export const commandTree: readonly CommandDescription[] = [
  sandbox,
  nodeRun,
  nodeRecover,
  networkStatus,
  doctor,
  keyGenerate,
  ...governanceCommands,
  ...appCommands,
  ...ledgerCommands,
  ...attestCommands,
  measure,
  benchLogging,
];

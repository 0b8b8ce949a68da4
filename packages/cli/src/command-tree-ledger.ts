/** Commands that audit: ledgers and receipts. */
import type { CommandDescription, OptionDescription } from "./command.ts";
import { connectionOptions } from "./connection-options.ts";

const json: OptionDescription = { flags: "--json", description: "print one line of JSON" };
const ledgerDirectory = {
  name: "<dir>",
  description: "ledger directory, or a service directory that holds it as ledger/",
};

export const ledgerCommands: readonly CommandDescription[] = [
  {
    path: "ledger verify",
    summary: "Verify every transaction and signature of a ledger",
    details:
      "Checks the files' structure, the Merkle tree, every node signature and every COSE root " +
      "signature. With --service-cert, that the ledger belongs to that service. Exit code 4 and " +
      "the place when anything does not fit.",
    arguments: [ledgerDirectory],
    options: [
      { flags: "--service-cert <file>", description: "certificate of the service (PEM)" },
      json,
    ],
    examples: [
      ["coco ledger verify workspace/sandbox/ledger", "the sandbox's own ledger"],
      ["coco ledger verify ./ledger --service-cert service_cert.pem --json", "for scripts"],
    ],
    load: () => import("./commands/ledger-verify.ts"),
  },
  {
    path: "ledger decrypt",
    summary: "Recover the ledger secrets from members' keys and decrypt the ledger",
    details:
      "Decrypts the recovery shares with the members' encryption keys (memberN_enc_privk.pem), " +
      "combines as many as the service's threshold asks for, and decrypts every private part. " +
      "With --table, prints the history of that table.",
    arguments: [ledgerDirectory],
    options: [
      {
        flags: "--member-keys <dir>",
        description: "directory with memberN_enc_privk.pem",
        isRequired: true,
      },
      { flags: "--table <name>", description: "print every write to this table, oldest first" },
      json,
    ],
    examples: [
      ["coco ledger decrypt ./ledger --member-keys ./common", "can the consortium recover it?"],
      [
        "coco ledger decrypt ./ledger --member-keys ./common --table records --json",
        "the history of a private table",
      ],
    ],
    load: () => import("./commands/ledger-decrypt.ts"),
  },
  {
    path: "ledger list",
    summary: "List the transactions of a ledger: id, place, size, tables",
    arguments: [ledgerDirectory],
    options: [
      { flags: "--from <seqno>", description: "first sequence number", isNumber: true, default: 1 },
      { flags: "--to <seqno>", description: "last sequence number", isNumber: true },
      json,
    ],
    examples: [
      ["coco ledger list ./ledger", "everything"],
      ["coco ledger list ./ledger --from 100 --to 120", "a part"],
    ],
    load: () => import("./commands/ledger-list.ts"),
  },
  {
    path: "ledger show",
    summary: "Show one transaction: digests and public writes",
    arguments: [ledgerDirectory, { name: "<txid>", description: "view.seqno, or the seqno" }],
    options: [
      {
        flags: "--member-keys <dir>",
        description: "decrypt the private writes too, with memberN_enc_privk.pem",
      },
      json,
    ],
    examples: [["coco ledger show ./ledger 2.17", "what transaction 2.17 wrote"]],
    load: () => import("./commands/ledger-show.ts"),
  },
  {
    path: "receipt get",
    summary: "Get the receipt of a transaction from a node",
    arguments: [{ name: "<txid>", description: "view.seqno" }],
    options: [
      { flags: "--out <file>", description: "write it to a file instead of stdout" },
      { flags: "--timeout <ms>", description: "wait for commit", isNumber: true, default: 30_000 },
      ...connectionOptions,
    ],
    examples: [["coco receipt get 2.17 --out receipt.json", "from the sandbox of this directory"]],
    load: () => import("./commands/receipt-get.ts"),
  },
  {
    path: "receipt verify",
    summary: "Verify a receipt offline",
    arguments: [{ name: "<file>", description: "receipt (JSON); - reads stdin" }],
    options: [
      {
        flags: "--service-cert <file>",
        description: "certificate of the service (PEM)",
        isRequired: true,
      },
      { flags: "--claims <file>", description: "file whose SHA-256 the receipt must claim" },
      json,
    ],
    examples: [
      [
        "coco receipt verify receipt.json --service-cert service_cert.pem",
        "exit code 4 if it lies",
      ],
    ],
    load: () => import("./commands/receipt-verify.ts"),
  },
];

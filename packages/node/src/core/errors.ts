/** Errors of the node's core: 7500 to 7599. */
import { defineErrors } from "@coco/base";

export const nodeErrors = defineErrors("node", {
  LedgerRolledBack: {
    number: 7500,
    title: "The ledger on disk is older than what was committed",
    next: "Find out who changed the ledger directory; recover the service from a complete copy",
  },
  LedgerNotOurs: {
    number: 7501,
    title: "The ledger on disk is not the one that this node wrote",
    next: "Find out who changed the ledger directory; recover the service from a complete copy",
  },
  LedgerDirectoryInUse: {
    number: 7502,
    title: "The ledger directory already holds a ledger",
    next: "Choose another directory, or recover the service from this ledger",
  },
  DiskFailed: {
    number: 7503,
    title: "The ledger could not be written",
    next: "Free space on the disk or replace it, then recover the service from the ledger",
  },
  NoRecoveryMember: {
    number: 7504,
    title: "Recovery shares cannot be issued",
    next: "Activate a member with an encryption key, or lower the recovery threshold by a proposal",
  },
  ServiceIdentityMismatch: {
    number: 7505,
    title: "The proposal names another service identity than the current one",
    next: "Take the certificate from GET /node/network and propose again",
  },
  BadValidity: {
    number: 7506,
    title: "The validity period of the certificate cannot be used",
    next: "Give the start as YYYYMMDDhhmmssZ or ISO 8601, and days within the configured maximum",
  },
  StartFailed: {
    number: 7507,
    title: "The node could not start",
    next: "Read the log lines before this one and correct what they name",
  },
  CommandNotSupported: {
    number: 7508,
    title: "The configuration asks for a command that this version does not have",
    next: "Use command.type Start",
  },
});

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
  NotRecovering: {
    number: 7504,
    title: "The service is not being recovered",
    next: "Submit recovery shares only while GET /node/network says WaitingForRecoveryShares",
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
  PeerMisbehaved: {
    number: 7520,
    title: "Another node sent what cannot be",
    next: "Check that all nodes run the same version; the message was dropped",
  },
  PeerRefused: {
    number: 7521,
    title: "A connection between nodes was refused",
    next: "Only nodes that the service trusts may connect: see GET /node/network/nodes",
  },
  JoinRefused: {
    number: 7522,
    title: "The service does not let the node join",
    next: "Correct what the message names; members decide by vote which code and nodes may join",
  },
  JoinFailed: {
    number: 7523,
    title: "The node could not join",
    next: "Check command.join.target_rpc_address and the service certificate",
  },
  NodeFailed: {
    number: 7509,
    title: "The node has stopped",
    next: "Read the log lines before this one; the ledger up to the last commit is intact",
  },
  SnapshotRefused: {
    number: 7550,
    title: "The snapshot cannot be used",
    next: "Take another snapshot, or start from the whole ledger",
  },
  CommandNotSupported: {
    number: 7508,
    title: "The configuration asks for a command that this version does not have",
    next: "Use command.type Start or Recover",
  },
  StillRecovering: {
    number: 7590,
    title: "The service is still being recovered",
    next: "Open it first: its recovery shares and secrets must stay as they are until then",
  },
  AttestationNotAvailable: {
    number: 7515,
    title: "The node cannot prove its code on the configured platform",
    next: "Set attestation.platform to Virtual for development; hardware platforms come later",
  },
});

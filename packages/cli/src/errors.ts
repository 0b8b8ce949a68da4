/** Errors of the cli room: 9000 to 9099. */
import { defineErrors } from "@coco/base";

export const cliErrors = defineErrors("cli", {
  Usage: {
    number: 9000,
    title: "The command line is not understood",
    next: "See coco --help",
  },
  FileUnreadable: {
    number: 9001,
    title: "The file cannot be read",
    next: "Check the path and its permissions",
  },
  FileUnwritable: {
    number: 9002,
    title: "The file cannot be written",
    next: "Check the path, its permissions and the free space",
  },
  FileExists: {
    number: 9003,
    title: "The file exists already",
    next: "Choose another directory or name, or remove the file",
  },
  NotJson: {
    number: 9004,
    title: "The file is not the expected JSON",
    next: "Correct the file; see the examples in --help",
  },
  PortInUse: {
    number: 9010,
    title: "The port is in use",
    next: "Stop the other program, or choose another port with --port",
  },
  AddressUnavailable: {
    number: 9011,
    title: "The address cannot be listened on",
    next: "Choose a port above 1023 and an address of this machine",
  },
  SandboxFailed: {
    number: 9012,
    title: "The sandbox could not start",
    next: "Run it again with -vv, or with --fresh for an empty ledger",
  },
  SandboxDataExists: {
    number: 9013,
    title: "The data directory holds something that is not a sandbox",
    next: "Choose another directory with --data",
  },
  SandboxRunning: {
    number: 9014,
    title: "A sandbox runs in the data directory already",
    next: "Stop it first, or choose another directory with --data",
  },
  NoLedger: {
    number: 9020,
    title: "There is no ledger in the directory",
    next: "Give the directory that holds the files ledger_<first>-<last>.committed",
  },
  NoMemberKeys: {
    number: 9021,
    title: "There are no member encryption keys in the directory",
    next: "Give the directory that holds the files memberN_enc_privk.pem",
  },
  NoSuchTransaction: {
    number: 9022,
    title: "The ledger does not hold the transaction",
    next: "See coco ledger list for what it holds",
  },
  NoSuchTable: {
    number: 9023,
    title: "No transaction of the ledger writes the table",
    next: "Choose one of the tables that coco ledger list names",
  },
  BadApp: {
    number: 9030,
    title: "The app cannot be built",
    next: "Correct the app as the message says",
  },
  NotConnected: {
    number: 9040,
    title: "No service is named",
    next: "Give --url and --service-cert, or start coco sandbox in this directory",
  },
  ProposalNotAccepted: {
    number: 9041,
    title: "The proposal was not accepted",
    next: "See coco gov show for its votes",
  },
  NotMeasurable: {
    number: 9060,
    title: "The program cannot be measured",
    next: "Measure a clean checkout after npm ci and npm run build",
  },
  BenchFailed: {
    number: 9050,
    title: "The measurement failed",
    next: "Check that the node answers, then try again",
  },
});

/** Commands of the members. */
import type { CommandDescription } from "./command.ts";
import { connectionOptions, memberOptions } from "./connection-options.ts";

const proposalId = { name: "<proposal>", description: "proposal id, or its unique beginning" };
const signing = [...memberOptions, ...connectionOptions];

export const governanceCommands: readonly CommandDescription[] = [
  {
    path: "gov propose",
    summary: "Propose something to the members",
    details:
      'The file holds {"actions": [{"name": ..., "args": ...}]}. With --prepare, nothing is ' +
      "sent: the message is written with the bytes that an HSM has to sign; --finish sends it " +
      "with the signature.",
    arguments: [{ name: "[file]", description: "proposal (JSON); - reads stdin" }],
    options: [
      { flags: "--prepare <file>", description: "write the message to be signed, send nothing" },
      { flags: "--finish <file>", description: "send the message that --prepare wrote" },
      {
        flags: "--signature <file>",
        description: "with --finish: signature (r||s bytes or base64)",
      },
      ...signing,
    ],
    examples: [
      ["coco gov propose set_user.json", "with the key of member 0 of the sandbox"],
      ["coco gov propose p.json --member-cert m.pem --prepare tbs.json", "for a key in an HSM"],
      ["coco gov propose --finish tbs.json --signature sig.bin", "send it with its signature"],
    ],
    load: () => import("./commands/gov-propose.ts"),
  },
  {
    path: "gov vote",
    summary: "Vote on a proposal",
    arguments: [proposalId],
    options: [
      { flags: "--yes", description: "vote for it" },
      { flags: "--no", description: "vote against it" },
      {
        flags: "--ballot <file>",
        description: "JavaScript that exports vote(proposal, proposerId)",
      },
      { flags: "--prepare <file>", description: "write the message to be signed, send nothing" },
      { flags: "--finish <file>", description: "send the message that --prepare wrote" },
      {
        flags: "--signature <file>",
        description: "with --finish: signature (r||s bytes or base64)",
      },
      ...signing,
    ],
    examples: [
      ["coco gov vote 36b0ad --yes --member 1", "member 1 of the sandbox agrees"],
      ["coco gov vote 36b0ad --ballot ballot.js", "a vote that depends on the state"],
    ],
    load: () => import("./commands/gov-vote.ts"),
  },
  {
    path: "gov withdraw",
    summary: "Withdraw your own open proposal",
    arguments: [proposalId],
    options: signing,
    examples: [["coco gov withdraw 36b0ad", "as member 0 of the sandbox"]],
    load: () => import("./commands/gov-withdraw.ts"),
  },
  {
    path: "gov list",
    summary: "List the proposals",
    options: connectionOptions,
    examples: [["coco gov list", "of the sandbox of this directory"]],
    load: () => import("./commands/gov-list.ts"),
  },
  {
    path: "gov show",
    summary: "Show a proposal: state, votes, actions",
    arguments: [proposalId],
    options: connectionOptions,
    examples: [["coco gov show 36b0ad", "who voted, and what it would do"]],
    load: () => import("./commands/gov-show.ts"),
  },
  {
    path: "gov ack",
    summary: "Acknowledge the state of the service: makes an accepted member active",
    options: signing,
    examples: [["coco gov ack --member-cert m.pem --member-key k.pem", "a new member joins in"]],
    load: () => import("./commands/gov-ack.ts"),
  },
  {
    path: "gov members",
    summary: "List the members",
    options: connectionOptions,
    examples: [["coco gov members --json", "for scripts"]],
    load: () => import("./commands/gov-members.ts"),
  },
  {
    path: "gov constitution",
    summary: "Print the constitution",
    options: connectionOptions,
    examples: [["coco gov constitution > constitution.js", "keep a copy"]],
    load: () => import("./commands/gov-constitution.ts"),
  },
  {
    path: "gov recovery-share show",
    summary: "Show what a recovery would bring back, and whether you hold a share",
    details:
      "Compare the previous identity and the last transaction with what you know before you vote " +
      "to open the service: a copy of the ledger that was rolled back ends earlier.",
    options: signing,
    examples: [["coco gov recovery-share show --member 1", "of member 1 of the sandbox"]],
    load: () => import("./commands/gov-recovery-share-show.ts"),
  },
  {
    path: "gov recovery-share submit",
    summary: "Decrypt your recovery share and submit it",
    details:
      "The share is decrypted here with your RSA key, signed, and sent over TLS to the node of " +
      "the service certificate. When enough members have done so, the service opens.",
    options: [
      {
        flags: "--encryption-key <file>",
        description: "member private encryption key (PEM); of the sandbox when not given",
      },
      ...signing,
    ],
    examples: [
      [
        "coco gov recovery-share submit --member-cert m.pem --member-key k.pem " +
          "--encryption-key m_enc_privk.pem --url https://127.0.0.1:8000 " +
          "--service-cert service_cert.pem",
        "a member after a disaster",
      ],
    ],
    load: () => import("./commands/gov-recovery-share-submit.ts"),
  },
];

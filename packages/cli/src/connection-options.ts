/** Options with which commands find a node and sign: flags, COCO_* variables, or the sandbox. */
import type { OptionDescription } from "./command.ts";

export const connectionOptions: readonly OptionDescription[] = [
  { flags: "--url <url>", description: "node, for example https://127.0.0.1:8000" },
  { flags: "--service-cert <file>", description: "certificate of the service (PEM)" },
  {
    flags: "--sandbox <dir>",
    description: "take what is not given from this sandbox",
    default: "workspace/sandbox",
  },
  { flags: "--json", description: "print one line of JSON" },
];

export const memberOptions: readonly OptionDescription[] = [
  { flags: "--member-cert <file>", description: "member certificate (PEM)" },
  { flags: "--member-key <file>", description: "member private key (PEM)" },
  {
    flags: "--member <number>",
    description: "which member of the sandbox signs",
    isNumber: true,
    default: 0,
  },
];

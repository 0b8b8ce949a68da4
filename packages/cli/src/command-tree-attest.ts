/** Commands about attestation evidence. */
import type { CommandDescription } from "./command.ts";

export const attestCommands: readonly CommandDescription[] = [
  {
    path: "attest verify",
    summary: "Check attestation evidence, line by line",
    details:
      "Reads SNP reports, SGX and TDX quotes, evidence of Azure confidential VMs, VBS evidence " +
      "of Windows, and tokens of Microsoft Azure Attestation: raw, hex, base64 or JSON, or a " +
      "folder that holds the evidence with its certificates. Without --policy it asks what needs " +
      "no vote: genuine hardware, valid certificates and collateral, no debug mode, no outdated " +
      "TCB; it does not say whether the code is one that somebody trusts. Exit code 4 when it is " +
      "refused.",
    arguments: [{ name: "<file>", description: "evidence, or a folder that holds it" }],
    options: [
      {
        flags: "--platform <platform>",
        description: "consider evidence of this platform only",
        choices: ["snp", "sgx", "tdx", "vsm", "virtual"],
      },
      {
        flags: "--collateral <path>",
        description: "certificates, TCB info, revocation lists: a file or a folder",
      },
      { flags: "--policy <file>", description: "rules by platform (JSON)" },
      { flags: "--at <time>", description: "time to verify at: 2026-11-20T12:00:00Z" },
      { flags: "--json", description: "print one line of JSON" },
    ],
    examples: [
      ["coco attest verify report.bin --collateral vcek.pem", "an SNP report"],
      ["coco attest verify quote.bin --collateral collateral.json --json", "for scripts"],
      ["coco attest verify evidence/ --at 2026-03-25T00:00:00Z", "a folder, at another time"],
    ],
    load: () => import("./commands/attest-verify.ts"),
  },
];

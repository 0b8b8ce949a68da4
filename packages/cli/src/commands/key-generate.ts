/** `coco key generate` */
import type { CurveName } from "@coco/base/node";
import type { OptionValues } from "../command.ts";
import { createIdentity } from "../identity.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const role = options["role"] as "member" | "user";
  const isMember = role === "member";
  const files = await createIdentity({
    directory: options["out"] as string,
    name: (options["name"] as string | undefined) ?? `${role}0`,
    curve: options["curve"] as CurveName,
    validityDays: options["days"] as number,
    hasEncryptionKey: isMember && options["encryptionKey"] !== false,
  });
  if (options["json"] === true) {
    context.out(toJsonLine(files));
    return;
  }
  const rows = [
    [`${role} id`, files.id],
    ["certificate", files.cert],
    ["private key", files.key],
  ];
  if (files.encryptionPublicKey !== undefined && files.encryptionKey !== undefined) {
    rows.push(["encryption key", files.encryptionPublicKey]);
    rows.push(["private encryption key", files.encryptionKey]);
  }
  context.out(toTable(rows));
  context.talk("Keep the private keys secret, and back them up: nobody can make them again.\n");
}

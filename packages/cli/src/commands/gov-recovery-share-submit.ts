/** `coco gov recovery-share submit` */
import { createNodeCrypto } from "@coco/base/node";
import type { OptionValues } from "../command.ts";
import { certificateToId, findEncryptionKey, findMember, withConnection } from "../connection.ts";
import { type CommandContext, toJsonLine } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const member = findMember(options);
  const encryptionKey = findEncryptionKey(options);
  const memberId = certificateToId(member.certificate);
  await withConnection(options, member, async ({ governance }) => {
    const encrypted = await governance.encryptedRecoveryShare(memberId);
    const share = createNodeCrypto().unwrapRsaOaep(encryptionKey, encrypted);
    try {
      const submission = await governance.submitRecoveryShare(share);
      const text = `${submission.message}\n`;
      context.out(options["json"] === true ? toJsonLine({ memberId, ...submission }) : text);
    } finally {
      share.fill(0);
    }
  });
}

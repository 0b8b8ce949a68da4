/** `coco receipt verify` */
import { bytesToUtf8 } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import { verifyServiceReceipt } from "@coco/client";
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { verifying } from "../failure.ts";
import { readBytes, readText } from "../files.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(
  context: CommandContext,
  options: OptionValues,
  file: string,
): Promise<undefined> {
  const bytes = readBytes(file);
  const serviceCertificate = readText(options["serviceCert"] as string);
  const claimsFile = options["claims"] as string | undefined;
  const expected = claimsFile === undefined ? {} : { claims: readBytes(claimsFile) };
  const verdict = await verifying(() =>
    verifyServiceReceipt(createNodeCrypto(), toReceipt(file, bytes), serviceCertificate, expected),
  );
  if (options["json"] === true) {
    context.out(toJsonLine({ ok: true, ...verdict }));
    return;
  }
  const hasClaims = verdict.claimsDigest !== undefined && !/^0*$/.test(verdict.claimsDigest);
  const rows = [
    ["verified", "yes"],
    ["transaction", verdict.txId ?? "a signature transaction"],
    ["Merkle root", verdict.root],
    ["claims digest", hasClaims ? verdict.claimsDigest! : "none"],
  ];
  context.out(toTable(rows));
}

/** COSE receipts begin with CBOR tag 18; everything else has to be JSON. */
function toReceipt(file: string, bytes: Uint8Array): unknown {
  if (bytes[0] === 0xd2) return bytes;
  try {
    return JSON.parse(bytesToUtf8(bytes));
  } catch (cause) {
    const detail = `${file}: ${(cause as Error).message}`;
    throw cliErrors.create("NotJson", detail, { path: file }, cause);
  }
}

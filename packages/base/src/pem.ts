/** PEM armour. @source RFC 7468 */
import { base64ToBytes, bytesToBase64 } from "./bytes.ts";
import { baseErrors } from "./catalogue.ts";

export interface PemBlock {
  /** For example CERTIFICATE or PUBLIC KEY. */
  readonly label: string;
  readonly der: Uint8Array;
}

const pemPattern =
  /-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*\r?\n([A-Za-z0-9+/=\r\n \t]*?)-----END \1-----/g;

/** All blocks of `text`, in order; other lines are ignored. @throws {CocoError} NotPem */
export function pemToBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const match of text.matchAll(pemPattern)) {
    blocks.push({ label: match[1]!, der: base64ToBytes(match[2]!.replace(/\s+/g, "")) });
  }
  if (blocks.length === 0) throw baseErrors.create("NotPem", `${text.length} characters`);
  return blocks;
}

/** The DER bytes of the first block called `label`. @throws {CocoError} NotPem */
export function pemToDer(text: string, label = "CERTIFICATE"): Uint8Array {
  for (const block of pemToBlocks(text)) if (block.label === label) return block.der;
  throw baseErrors.create("NotPem", `no block called ${label}`);
}

/** PEM with 64 characters a line and a final newline, as OpenSSL writes it. */
export function derToPem(der: Uint8Array, label = "CERTIFICATE"): string {
  const body = bytesToBase64(der).replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

/** Keys and values of tables as people read them. */
import { bytesToHex, bytesToUtf8 } from "@coco/base";

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** The text, when the bytes are printable UTF-8. */
export function bytesToPrintable(bytes: Uint8Array): string | undefined {
  try {
    const text = bytesToUtf8(bytes);
    return unprintable.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Text, or 0x and hexadecimal digits. */
export function bytesToShown(bytes: Uint8Array, lengthMax = 200): string {
  const text = bytesToPrintable(bytes) ?? `0x${bytesToHex(bytes)}`;
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}... (${bytes.length} bytes)` : text;
}

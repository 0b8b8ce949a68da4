/** Text and buffers, as `ccf.strToBuf` and `ccf.bufToStr` convert them. */
import { utf8ToBytes } from "@coco/base";

/** UTF-8 in a fresh ArrayBuffer. */
export function textToBuffer(text: string): ArrayBuffer {
  const length = text.length;
  // In this order, because a view that is made first has to be moved to a buffer of its own.
  const buffer = new ArrayBuffer(length);
  const bytes = new Uint8Array(buffer);
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 127) return encodeBeyondAscii(text);
    bytes[index] = code;
  }
  return buffer;
}

function encodeBeyondAscii(text: string): ArrayBuffer {
  const encoded = utf8ToBytes(text);
  const bytes = new Uint8Array(encoded.length);
  bytes.set(encoded);
  return bytes.buffer;
}

const pieceLength = 1024;

/** UTF-8 as text; bytes that are not UTF-8 become U+FFFD, as in CCF. */
export function bytesToText(bytes: Uint8Array): string {
  const { length } = bytes;
  for (let index = 0; index < length; index += 1) {
    if (bytes[index]! > 127) return decodeBeyondAscii(bytes);
  }
  if (length <= pieceLength) {
    return String.fromCharCode.apply(null, bytes as unknown as number[]);
  }
  let text = "";
  for (let start = 0; start < length; start += pieceLength) {
    const piece = bytes.subarray(start, start + pieceLength);
    text += String.fromCharCode.apply(null, piece as unknown as number[]);
  }
  return text;
}

interface LenientDecoder {
  decode(bytes: Uint8Array): string;
}

interface Platform {
  readonly TextDecoder: new (label: string, options: { ignoreBOM: boolean }) => LenientDecoder;
}

let lenientDecoder: LenientDecoder | undefined;

function decodeBeyondAscii(bytes: Uint8Array): string {
  // Every platform has this decoder, though it is not in the ECMAScript library.
  lenientDecoder ??= new (globalThis as unknown as Platform).TextDecoder("utf-8", {
    ignoreBOM: true,
  });
  return lenientDecoder.decode(bytes);
}

/** RLP for tests. */

export type RlpItem = Uint8Array | readonly RlpItem[];

export function encodeRlp(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array) {
    if (item.length === 1 && item[0]! < 0x80) return item;
    return Buffer.concat([encodeLength(item.length, 0x80), item]);
  }
  const parts = item.map(encodeRlp);
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([encodeLength(size, 0xc0), ...parts]);
}

function encodeLength(size: number, offset: number): Uint8Array {
  if (size < 56) return Uint8Array.of(offset + size);
  const bytes = encodeNumber(BigInt(size));
  return Uint8Array.of(offset + 55 + bytes.length, ...bytes);
}

/** Without leading zeros; zero is nothing. */
export function encodeNumber(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array();
  const text = value.toString(16);
  return new Uint8Array(Buffer.from(text.length % 2 === 1 ? `0${text}` : text, "hex"));
}

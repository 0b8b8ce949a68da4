import { bytesToUtf8, type CocoError, utf8ToBytes } from "@coco/base";
import { ByteReader } from "./byte-reader.ts";
import type { ByteText, ByteWriter } from "./byte-writer.ts";
import { ledgerErrors } from "./errors.ts";

/** What a transaction changes in one map. Keys are unique over writes and removes. */
export interface MapChanges<B extends ByteText = Uint8Array> {
  /** UTF-8; a name that begins with `public:` is written unencrypted. */
  readonly name: string;
  /** Version of the map that the transaction read. */
  readonly readVersion: number;
  readonly writes: readonly (readonly [key: B, value: B])[];
  readonly removes: readonly B[];
}

/** What a transaction changes. Decoded keys and values are views into the entry's bytes. */
export interface WriteSet<B extends ByteText = Uint8Array> {
  readonly maps: readonly MapChanges<B>[];
}

export const publicMapPrefix = "public:";

export function isPublicMap(name: string): boolean {
  return name.startsWith(publicMapPrefix);
}

const nameCountMax = 4096;
const nameBytes = new Map<string, Uint8Array>();

/** Map names are few and come again with every entry, so their bytes are kept. */
function mapNameToBytes(name: string): Uint8Array {
  let bytes = nameBytes.get(name);
  if (bytes === undefined) {
    if (nameBytes.size >= nameCountMax) nameBytes.clear();
    bytes = utf8ToBytes(name);
    nameBytes.set(name, bytes);
  }
  return bytes;
}

/**
 * Appends one map: name, read version, number of reads (always 0), writes, removes. Lengths,
 * versions and counts take 8 bytes each, little-endian.
 */
function encodeMapChanges(writer: ByteWriter, map: MapChanges<ByteText>): void {
  writer.sized(mapNameToBytes(map.name));
  writer.u64(map.readVersion);
  writer.u64(0);
  writer.u64(map.writes.length);
  for (const [key, value] of map.writes) {
    writer.sized(key);
    writer.sized(value);
  }
  writer.u64(map.removes.length);
  for (const key of map.removes) writer.sized(key);
}

/** Appends the maps of `writeSet` that are public, or those that are private. */
export function encodeWriteSet(
  writer: ByteWriter,
  writeSet: WriteSet<ByteText>,
  domain: "public" | "private",
): void {
  const wanted = domain === "public";
  for (const map of writeSet.maps) {
    if (isPublicMap(map.name) === wanted) encodeMapChanges(writer, map);
  }
}

function decodeMapName(reader: ByteReader, fail: (detail: string) => CocoError): string {
  try {
    return bytesToUtf8(reader.sized("map name"));
  } catch (cause) {
    if ((cause as { code?: string }).code === "NotUtf8") throw fail("a map name is not UTF-8");
    throw cause;
  }
}

function decodeMapChanges(reader: ByteReader): MapChanges {
  const name = decodeMapName(reader, (detail) => reader.error(detail));
  const readVersion = reader.u64("read version");
  if (reader.u64("read count") !== 0) throw reader.error("the read count is not 0");
  const writes: [Uint8Array, Uint8Array][] = [];
  for (let left = reader.count("write count", 16); left > 0; left--) {
    writes.push([reader.sized("key"), reader.sized("value")]);
  }
  const removes: Uint8Array[] = [];
  for (let left = reader.count("remove count", 8); left > 0; left--) {
    removes.push(reader.sized("removed key"));
  }
  return { name, readVersion, writes, removes };
}

function failWriteSet(detail: string, offset: number): CocoError {
  return ledgerErrors.create("BadWriteSet", `${detail} at byte ${offset}`, { offset });
}

/**
 * Decodes the maps that fill `bytes` from `offset` on.
 * @throws {CocoError} BadWriteSet also when a map of the other domain is among them
 */
export function decodeWriteSet(
  bytes: Uint8Array,
  domain: "public" | "private",
  offset = 0,
): WriteSet {
  const reader = new ByteReader(bytes, failWriteSet, offset);
  const maps: MapChanges[] = [];
  const names = new Set<string>();
  while (reader.left > 0) {
    const start = reader.offset;
    const map = decodeMapChanges(reader);
    if (isPublicMap(map.name) !== (domain === "public")) {
      throw reader.error(`a map of the ${domain} domain belongs to the other`, start);
    }
    if (names.has(map.name)) throw reader.error("a map occurs twice", start);
    names.add(map.name);
    maps.push(map);
  }
  return { maps };
}

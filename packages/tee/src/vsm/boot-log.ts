/**
 * The measured-boot log of Windows: events that were extended into the TPM's registers.
 * @source TCG PC Client Platform Firmware Profile section 10; Microsoft wbcl.h
 */
import { bytesToLatin1, concatBytes, equalBytes } from "@coco/base";
import { teeErrors } from "../errors.ts";
import { EvidenceReader, readU32 } from "../evidence-reader.ts";
import { type TpmHash, tpmHash } from "../tpm/tpm-quote.ts";
import type { VerificationInput } from "../verification.ts";

export interface BootEvent {
  readonly register: number;
  readonly type: number;
  readonly digests: ReadonlyMap<TpmHash, Uint8Array>;
  readonly data: Uint8Array;
}

const eventsCountMax = 4096;
const eventSizeBytesMax = 128 * 1024;
const eventTypes = { noAction: 3, tag: 6, variable: 0x8000_0001 };
const specId = "Spec ID Event03\0";
const startupLocality = "StartupLocality\0";

/** Digest sizes by algorithm, from the first event of a log with several banks. */
function readSpecId(data: Uint8Array): Map<number, number> {
  const reader = new EvidenceReader(data, "log header");
  reader.take(24);
  const count = reader.u32();
  if (count === 0 || count > 8) reader.fail(`${count} banks`);
  const sizes = new Map<number, number>();
  for (let index = 0; index < count; index++) {
    const algorithm = reader.u16();
    sizes.set(algorithm, reader.u16());
  }
  return sizes;
}

function readData(reader: EvidenceReader): Uint8Array {
  const size = reader.u32();
  if (size > eventSizeBytesMax) reader.fail(`an event of ${size} bytes`);
  return reader.take(size);
}

function readOldEvent(reader: EvidenceReader): BootEvent {
  const register = reader.u32();
  const type = reader.u32();
  const digest = reader.take(20);
  return { register, type, digests: new Map([["SHA-1", digest]]), data: readData(reader) };
}

function readEvent(reader: EvidenceReader, sizes: ReadonlyMap<number, number>): BootEvent {
  const register = reader.u32();
  const type = reader.u32();
  const count = reader.u32();
  if (count > sizes.size) reader.fail("more digests than banks");
  const digests = new Map<TpmHash, Uint8Array>();
  for (let index = 0; index < count; index++) {
    const algorithm = reader.u16();
    const size = sizes.get(algorithm);
    if (size === undefined) return reader.fail(`a digest of the unknown bank ${algorithm}`);
    const digest = reader.take(size);
    const hash = tpmHash(algorithm);
    if (hash !== undefined) digests.set(hash, digest);
  }
  return { register, type, digests, data: readData(reader) };
}

/** Reads a log in the format of one bank (SHA-1) or of several. @throws EvidenceMalformed */
export function bytesToBootLog(bytes: Uint8Array): BootEvent[] {
  const reader = new EvidenceReader(bytes, "boot log");
  const first = readOldEvent(reader);
  const isNew = first.type === eventTypes.noAction && latin1Head(first.data, 16) === specId;
  const sizes = isNew ? readSpecId(first.data) : undefined;
  const events = isNew ? [] : [first];
  while (reader.remaining > 0) {
    if (events.length >= eventsCountMax) reader.fail(`more than ${eventsCountMax} events`);
    const event = sizes === undefined ? readOldEvent(reader) : readEvent(reader, sizes);
    if (event.register > 23 && event.type !== eventTypes.noAction) {
      reader.fail(`register ${event.register}`);
    }
    events.push(event);
  }
  return events;
}

function latin1Head(bytes: Uint8Array, length: number): string {
  return bytesToLatin1(bytes.subarray(0, length));
}

/** The values of the SHA-256 registers after all events; undefined when digests are missing. */
export function replayBootLog(
  crypto: VerificationInput["crypto"],
  events: readonly BootEvent[],
): ReadonlyMap<number, Uint8Array> | undefined {
  const registers = new Map<number, Uint8Array>();
  for (const { register, type, digests, data } of events) {
    if (type === eventTypes.noAction) {
      if (register === 0 && latin1Head(data, 16) === startupLocality) {
        const start = new Uint8Array(32);
        start[31] = data[16] ?? 0;
        registers.set(0, start);
      }
      continue;
    }
    const digest = digests.get("SHA-256");
    if (digest === undefined) return undefined;
    const before = registers.get(register) ?? new Uint8Array(32);
    registers.set(register, crypto.sha256(concatBytes(before, digest)));
  }
  return registers;
}

const aggregation = 0x4000_0000;
const nestingMax = 8;

/** Settings that Windows measured, by their SIPA number; containers are opened. */
export interface BootSettings {
  readonly values: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Whether the firmware's SecureBoot variable was 1; undefined when it was not measured. */
  readonly isSecureBoot: boolean | undefined;
}

function readTree(bytes: Uint8Array, values: Map<number, Uint8Array[]>, depth: number): void {
  const reader = new EvidenceReader(bytes, "SIPA event");
  while (reader.remaining > 0) {
    const type = reader.u32();
    const size = reader.u32();
    const data = reader.take(size);
    if (type >= aggregation) {
      if (depth >= nestingMax) reader.fail("nested too deeply");
      readTree(data, values, depth + 1);
      continue;
    }
    const known = values.get(type) ?? [];
    known.push(data);
    values.set(type, known);
  }
}

/** UEFI_VARIABLE_DATA: identifier, two lengths, name, value. */
function readSecureBoot(data: Uint8Array): boolean | undefined {
  if (data.length < 32) return undefined;
  const nameSize = 2 * readU32(data, 16);
  const valueSize = readU32(data, 24);
  const name = bytesToLatin1(data.subarray(32, 32 + nameSize)).replaceAll("\0", "");
  if (name !== "SecureBoot" || data.length !== 32 + nameSize + valueSize) return undefined;
  return valueSize === 1 && data[32 + nameSize] === 1;
}

/**
 * Reads the settings from events whose digest is the hash of their data, and only from those: the
 * data of other events is not measured.
 * @param crypto absent: nothing is compared, for showing what a log claims
 * @throws {CocoError} BootLogInvalid, EvidenceMalformed
 */
export function readBootSettings(
  events: readonly BootEvent[],
  crypto: VerificationInput["crypto"] | undefined,
): BootSettings {
  const values = new Map<number, Uint8Array[]>();
  let isSecureBoot: boolean | undefined;
  const isMeasured = ({ digests, data }: BootEvent) => {
    if (crypto === undefined) return true;
    const digest = digests.get("SHA-256");
    return digest !== undefined && equalBytes(digest, crypto.sha256(data));
  };
  for (const event of events) {
    const isTag = event.type === eventTypes.tag && event.register >= 11 && event.register <= 14;
    const isVariable = event.type === eventTypes.variable && event.register === 7;
    if (!isTag && !isVariable) continue;
    if (!isMeasured(event)) {
      throw teeErrors.create("BootLogInvalid", "the data of an event is not what was measured");
    }
    if (isTag) readTree(event.data, values, 0);
    else isSecureBoot = readSecureBoot(event.data) ?? isSecureBoot;
  }
  return { values, isSecureBoot };
}

/**
 * The signed report of a Windows VBS enclave. Integers are little endian.
 * @source Microsoft ntenclv.h, VBS_ENCLAVE_REPORT_PKG_HEADER
 */
import { EvidenceReader } from "../evidence-reader.ts";

export interface VbsReport {
  /** 64 bytes that the enclave chose. */
  readonly enclaveData: Uint8Array;
  readonly ownerId: Uint8Array;
  /** Measurement of the enclave and all its modules. */
  readonly uniqueId: Uint8Array;
  readonly authorId: Uint8Array;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  readonly enclaveSvn: number;
  readonly secureKernelSvn: number;
  readonly platformSvn: number;
  /** 1: full debug, 2: dynamic debug enabled, 4: dynamic debug active. */
  readonly flags: number;
  readonly signingLevel: number;
  readonly modules: readonly string[];
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

const reportSizeBytes = 224;
const moduleSizeBytesMin = 108;
const vbsEnclaveType = 0x10;

/** UTF-16 name up to its zero. */
function readName(bytes: Uint8Array): string {
  let name = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const unit = bytes[at]! | (bytes[at + 1]! << 8);
    if (unit === 0) break;
    name += String.fromCharCode(unit);
  }
  return name;
}

/** Blocks {type, size} with one loaded module each. */
function readModules(reader: EvidenceReader): string[] {
  const modules: string[] = [];
  while (reader.remaining > 0) {
    const type = reader.u32();
    const size = reader.u32();
    if (type !== 1) reader.fail(`unknown block type ${type}`);
    if (size < moduleSizeBytesMin || size > 8192) reader.fail(`a block of ${size} bytes`);
    const block = reader.take(size - 8);
    // Three identities, two of 32 and two of 16 bytes, then the version number.
    modules.push(readName(block.subarray(100)));
  }
  return modules;
}

/** @throws {CocoError} EvidenceMalformed */
export function bytesToVbsReport(bytes: Uint8Array): VbsReport {
  const reader = new EvidenceReader(bytes, "VBS report");
  const packageSize = reader.u32();
  const version = reader.u32();
  const scheme = reader.u32();
  const statementSize = reader.u32();
  const signatureSize = reader.u32();
  reader.zeros(4);
  if (packageSize !== bytes.length) reader.fail(`${bytes.length} bytes instead of ${packageSize}`);
  if (version !== 1 || scheme !== 1) reader.fail(`version ${version}, scheme ${scheme}`);
  if (statementSize < reportSizeBytes) reader.fail("the statement is too short");
  const signedBytes = reader.take(statementSize);
  const signature = reader.take(signatureSize);
  reader.end();
  const inside = new EvidenceReader(signedBytes, "VBS statement");
  const reportSize = inside.u32();
  if (reportSize !== statementSize && reportSize !== reportSizeBytes) {
    inside.fail("sizes that contradict each other");
  }
  const reportVersion = inside.u32();
  if (reportVersion !== 1) inside.fail(`unknown version ${reportVersion}`);
  const enclaveData = inside.take(64);
  const [ownerId, uniqueId, authorId] = [inside.take(32), inside.take(32), inside.take(32)];
  const [familyId, imageId] = [inside.take(16), inside.take(16)];
  const [enclaveSvn, secureKernelSvn, platformSvn] = [inside.u32(), inside.u32(), inside.u32()];
  const [flags, signingLevel, enclaveType] = [inside.u32(), inside.u32(), inside.u32()];
  if (enclaveType !== vbsEnclaveType) inside.fail(`enclave type ${enclaveType}`);
  return {
    enclaveData,
    ownerId,
    uniqueId,
    authorId,
    familyId,
    imageId,
    enclaveSvn,
    secureKernelSvn,
    platformSvn,
    flags,
    signingLevel,
    modules: readModules(inside),
    signedBytes,
    signature,
  };
}

/** The attestation report of AMD SEV-SNP. @source AMD document 56860, table "ATTESTATION_REPORT" */
import { bytesToHex } from "@coco/base";
import { bitNames, EvidenceReader, isZero } from "../evidence-reader.ts";
import type { TcbVersion } from "../verification.ts";

export type SnpProduct = "Milan" | "Genoa" | "Turin";

export interface SnpReport {
  /** 2 to 5. */
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  /** 0 to 3 asked by the guest, above by the host. */
  readonly vmpl: number;
  readonly signatureAlgorithm: number;
  readonly currentTcb: Uint8Array;
  readonly platformInfo: bigint;
  readonly flags: number;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  readonly reportedTcb: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly launchTcb: Uint8Array;
  readonly chipId: Uint8Array;
  /** CPUID signature (leaf 1 EAX), lower-case hex; reports of version 2 carry none. */
  readonly cpu: string | undefined;
  readonly product: SnpProduct | undefined;
  /** What the key signed. */
  readonly signedBytes: Uint8Array;
  /** r||s, 48 bytes each, big endian. */
  readonly signature: Uint8Array;
}

export const snpReportSizeBytes = 1184;
const signedSizeBytes = 0x2a0;

const policyBits: Readonly<Record<number, string>> = {
  16: "smt",
  17: "always_one",
  18: "migration_agent",
  19: "debug",
  20: "single_socket",
  21: "cxl",
  22: "memory_aes_256_xts",
  23: "rapl_disabled",
  24: "ciphertext_hiding",
  25: "page_swap_disabled",
};

const platformBits: Readonly<Record<number, string>> = {
  0: "smt",
  1: "tsme",
  2: "ecc",
  3: "rapl_disabled",
  4: "ciphertext_hiding",
  5: "alias_check_complete",
  7: "tio",
};

/** Names of what the guest's policy allows or asks; unknown bits are called unknown_<bit>. */
export function snpPolicyNames(policy: bigint): string[] {
  return bitNames((policy >> 16n) << 16n, policyBits);
}

export function snpPlatformNames(platformInfo: bigint): string[] {
  return bitNames(platformInfo, platformBits);
}

function cpuToProduct(family: number, model: number): SnpProduct | undefined {
  if (family === 0x19 && model <= 0x0f) return "Milan";
  if (family === 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf))) {
    return "Genoa";
  }
  return family === 0x1a && model <= 0x11 ? "Turin" : undefined;
}

/** The product of a CPUID signature as `SnpReport.cpu` has it. */
export function cpuHexToProduct(cpu: string): SnpProduct | undefined {
  if (!/^[0-9a-f]{8}$/.test(cpu)) return undefined;
  const eax = Number.parseInt(cpu, 16);
  const family = ((eax >> 8) & 0xf) + ((eax >> 20) & 0xff);
  return cpuToProduct(family, ((eax >> 12) & 0xf0) | ((eax >> 4) & 0xf));
}

/** Leaf 1 EAX. @source AMD document 24594, CPUID Fn0000_0001_EAX */
function cpuToHex(family: number, model: number, stepping: number): string {
  const base = Math.min(family, 0xf);
  const eax = (base << 8) | ((model & 0xf) << 4) | (stepping & 0xf);
  return (eax | ((model >> 4) << 16) | ((family - base) << 20)).toString(16).padStart(8, "0");
}

/** Little-endian field of 72 bytes to 48 bytes, big endian. */
function readCoordinate(reader: EvidenceReader): Uint8Array {
  const magnitude = reader.take(48);
  reader.zeros(24);
  return Uint8Array.from(magnitude).reverse();
}

/** Reads version-dependent bytes between the TCB and the chip id. */
function readCpu(reader: EvidenceReader, version: number): readonly number[] | undefined {
  if (version === 2) {
    reader.zeros(24);
    return undefined;
  }
  const cpu = reader.take(3);
  reader.zeros(21);
  return [...cpu];
}

/** Versions of the firmware, and in version 5 the two vectors of mitigations. */
function readTail(reader: EvidenceReader, version: number): Uint8Array {
  for (let index = 0; index < 2; index++) {
    reader.take(3);
    reader.zeros(1);
  }
  const launchTcb = reader.take(8);
  if (version === 5) reader.take(16);
  reader.zeros(signedSizeBytes - reader.position);
  return launchTcb;
}

/**
 * Reads a report. Every reserved byte must be zero and the length exact.
 * @throws {CocoError} EvidenceMalformed
 */
export function bytesToSnpReport(bytes: Uint8Array): SnpReport {
  const reader = new EvidenceReader(bytes, "SNP report");
  if (bytes.length !== snpReportSizeBytes) {
    reader.fail(`${bytes.length} bytes instead of ${snpReportSizeBytes}`);
  }
  const version = reader.u32();
  if (version < 2 || version > 5) reader.fail(`unknown version ${version}`);
  const guestSvn = reader.u32();
  const policy = reader.u64();
  const familyId = reader.take(16);
  const imageId = reader.take(16);
  const vmpl = reader.u32();
  const signatureAlgorithm = reader.u32();
  const currentTcb = reader.take(8);
  const platformInfo = reader.u64();
  const flags = reader.u32();
  reader.zeros(4);
  const reportData = reader.take(64);
  const measurement = reader.take(48);
  const hostData = reader.take(32);
  const idKeyDigest = reader.take(48);
  const authorKeyDigest = reader.take(48);
  const reportId = reader.take(32);
  reader.take(32);
  const reportedTcb = reader.take(8);
  const cpu = readCpu(reader, version);
  const chipId = reader.take(64);
  const committedTcb = reader.take(8);
  const launchTcb = readTail(reader, version);
  const r = readCoordinate(reader);
  const s = readCoordinate(reader);
  reader.zeros(snpReportSizeBytes - reader.position);
  const signature = new Uint8Array(96);
  signature.set(r);
  signature.set(s, 48);
  const [family, model, stepping] = cpu ?? [];
  return {
    version,
    guestSvn,
    policy,
    familyId,
    imageId,
    vmpl,
    signatureAlgorithm,
    currentTcb,
    platformInfo,
    flags,
    reportData,
    measurement,
    hostData,
    idKeyDigest,
    authorKeyDigest,
    reportId,
    reportedTcb,
    committedTcb,
    launchTcb,
    chipId,
    cpu: cpu === undefined ? undefined : cpuToHex(family!, model!, stepping!),
    product: cpu === undefined ? undefined : cpuToProduct(family!, model!),
    signedBytes: bytes.subarray(0, signedSizeBytes),
    signature,
  };
}

/** Component names are those of CCF's nodes.snp.tcb_versions; Turin has `fmc` too. */
const tcbLayouts: Readonly<Record<SnpProduct, Readonly<Record<string, number>>>> = {
  Milan: { boot_loader: 0, tee: 1, snp: 6, microcode: 7 },
  Genoa: { boot_loader: 0, tee: 1, snp: 6, microcode: 7 },
  Turin: { fmc: 0, boot_loader: 1, tee: 2, snp: 3, microcode: 7 },
};

/** Reads the 8 bytes of a TCB version; `hex` has the most significant byte first, as in CCF. */
export function bytesToSnpTcb(bytes: Uint8Array, product: SnpProduct): TcbVersion {
  const layout = tcbLayouts[product];
  const components: Record<string, number> = {};
  for (const [name, at] of Object.entries(layout)) components[name] = bytes[at]!;
  return { components, hex: bytesToHex(Uint8Array.from(bytes).reverse()) };
}

/** True when the bytes between the components of a TCB version are zero. */
export function isCanonicalTcb(bytes: Uint8Array, product: SnpProduct): boolean {
  const used = new Set(Object.values(tcbLayouts[product]));
  return isZero(bytes.filter((_, index) => !used.has(index)));
}

/** Lower-case hex with 0x, for people. */
export function wordToText(word: bigint): string {
  return `0x${word.toString(16)}`;
}

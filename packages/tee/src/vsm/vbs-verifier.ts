/**
 * Windows VBS enclaves: attestation key of the TPM, quote, measured-boot log, identity key of the
 * boot, report of the enclave. The isolation is the hypervisor's, not a processor's: nothing
 * protects memory from somebody with the machine in hand. The evidence is JSON: vbs_report,
 * boot_log (base64), tpm_quote {message, signature, pcrs}, and ak_certificates (PEM) or ak_public
 * (SubjectPublicKeyInfo, or the TPM's own form).
 */
import {
  bytesToHex,
  bytesToUtf8,
  equalBytes,
  type ParsedCertificate,
  utf8ToBytes,
} from "@coco/base";
import { attempt } from "../attempt.ts";
import { readTpmEvidence, textToBytes } from "../azure/azure-verifier.ts";
import { type TeeErrorCode, teeErrors } from "../errors.ts";
import { EvidenceReader } from "../evidence-reader.ts";
import {
  checkTpmQuote,
  rsaToPublicKey,
  type TpmEvidence,
  type TpmQuote,
  tpmPublicToPublicKey,
} from "../tpm/tpm-quote.ts";
import {
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type VerificationInput,
  type VerificationResult,
} from "../verification.ts";
import { bytesToCertificates, checkPath, isSigned, keyDigest } from "../x509/certificate-path.ts";
import { type BootSettings, bytesToBootLog, readBootSettings, replayBootLog } from "./boot-log.ts";
import { bytesToVbsReport, type VbsReport } from "./vbs-report.ts";

interface VbsEvidence {
  readonly report: Uint8Array | undefined;
  readonly bootLog: Uint8Array;
  readonly tpm: TpmEvidence;
  readonly certificates: readonly ParsedCertificate[];
  readonly publicKey: Uint8Array | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Numbers of measured settings. @source Microsoft wbcl.h */
const setting = {
  bootDebugging: 0x40001,
  kernelDebug: 0x50001,
  codeIntegrity: 0x50002,
  testSigning: 0x50003,
  safeMode: 0x50005,
  winPe: 0x50006,
  hypervisorLaunchType: 0x5000a,
  hypervisorDebug: 0x5000d,
  vsmLaunchType: 0x50012,
  flightSigning: 0x50021,
  identityKey: 0x50023,
  vsmRequired: 0xa0001,
  secureBootRequired: 0xa0002,
  iommuRequired: 0xa0003,
} as const;

/** Settings with the value that they must have; `optional` ones may be absent. */
const rules: readonly (readonly [
  name: keyof typeof setting,
  isOn: boolean,
  isOptional: boolean,
])[] = [
  ["vsmLaunchType", true, false],
  ["hypervisorLaunchType", true, false],
  ["vsmRequired", true, false],
  ["secureBootRequired", true, false],
  ["iommuRequired", true, false],
  ["codeIntegrity", true, false],
  ["bootDebugging", false, false],
  ["kernelDebug", false, false],
  ["testSigning", false, false],
  ["safeMode", false, false],
  ["winPe", false, false],
  ["hypervisorDebug", false, true],
  ["flightSigning", false, true],
];

/** Registers that must be quoted and explained by the log: secure boot, and boot settings. */
const neededRegisters = [7, 12];

function fail(detail: string): never {
  throw teeErrors.create("EvidenceMalformed", `VBS evidence: ${detail}`);
}

function readEvidence(bytes: Uint8Array): VbsEvidence {
  let fields: Fields;
  try {
    fields = (JSON.parse(bytesToUtf8(bytes)) ?? {}) as Fields;
  } catch {
    return fail("no JSON");
  }
  const optional = (name: string) => {
    const text = fields[name];
    return typeof text === "string" ? textToBytes(text, name) : undefined;
  };
  const pem = fields["ak_certificates"];
  const key = optional("ak_public");
  return {
    report: optional("vbs_report"),
    bootLog: optional("boot_log") ?? fail("boot_log is missing"),
    tpm: readTpmEvidence(fields["tpm_quote"]),
    certificates: typeof pem === "string" ? bytesToCertificates(utf8ToBytes(pem)) : [],
    publicKey: key === undefined || key[0] === 0x30 ? key : tpmPublicToPublicKey(key),
  };
}

/**
 * The attestation key counts when its certificate leads to a root that the verifier gave
 * (collateral `tpm_roots`), or when the verifier lists its digest (collateral `tpm_keys`, hex).
 */
function checkAttestationKey(
  list: CheckList,
  input: VerificationInput,
  evidence: VbsEvidence,
): Uint8Array | undefined {
  const { crypto, nowMs, collateral, trustAnchors } = input;
  const [leaf, ...others] = evidence.certificates;
  const publicKey = leaf?.publicKey ?? evidence.publicKey;
  if (publicKey === undefined) {
    list.add("tpm key", false, "neither certificate nor key", "EndorsementsMissing");
    return undefined;
  }
  const digest = bytesToHex(crypto.sha256(publicKey));
  const listed = collateral?.get("tpm_keys");
  if (listed !== undefined && bytesToUtf8(listed).toLowerCase().split(/\s+/).includes(digest)) {
    list.add("tpm key", true, `listed by the verifier: ${digest}`, "EndorsementsInvalid");
    return publicKey;
  }
  const given = collateral?.get("tpm_roots");
  const roots = [...(trustAnchors ?? []), ...(given === undefined ? [] : [given])].flatMap(
    (bytes) => bytesToCertificates(bytes),
  );
  if (leaf === undefined || roots.length === 0) {
    list.add("tpm key", false, `nobody vouches for ${digest}`, "EndorsementsInvalid");
    return publicKey;
  }
  const rootKeyDigests = new Set(roots.map((root) => keyDigest(crypto, root)));
  checkPath(list, {
    name: "tpm key",
    crypto,
    leaf,
    others: [...others, ...roots],
    rootKeyDigests,
    nowMs,
  });
  return publicKey;
}

/** Little-endian number of up to 8 bytes; undefined when it was not measured or twice unequally. */
function readSetting(settings: BootSettings, number: number): bigint | undefined {
  const all = settings.values.get(number);
  if (all === undefined || all.some((value) => value.length === 0 || value.length > 8)) {
    return undefined;
  }
  const values = all.map((bytes) =>
    bytes.reduceRight((word, byte) => word * 256n + BigInt(byte), 0n),
  );
  return values.every((value) => value === values[0]) ? values[0] : undefined;
}

/** The boot must be one in which the secure kernel means something. */
function checkSettings(list: CheckList, settings: BootSettings): void {
  const code: TeeErrorCode = "BootStateRefused";
  const { isSecureBoot } = settings;
  list.add("secure boot", isSecureBoot === true, String(isSecureBoot ?? "not measured"), code);
  for (const [name, isOn, isOptional] of rules) {
    const value = readSetting(settings, setting[name]);
    const isAbsent = !settings.values.has(setting[name]);
    const isFine = isAbsent ? isOptional : value !== undefined && value > 0n === isOn;
    list.add(name, isFine, isAbsent ? "not measured" : String(value ?? "contradictory"), code);
  }
}

/** VSM_IDKS_INFO: algorithm, bits, two lengths, exponent, modulus. */
function readIdentityKey(settings: BootSettings): Uint8Array | undefined {
  const found = settings.values.get(setting.identityKey) ?? [];
  const [bytes] = found;
  if (bytes === undefined || found.some((other) => !equalBytes(other, bytes))) return undefined;
  const reader = new EvidenceReader(bytes, "identity key");
  reader.take(8);
  const [exponentSize, modulusSize] = [reader.u32(), reader.u32()];
  const exponent = reader.take(exponentSize);
  const modulus = reader.take(modulusSize);
  reader.end();
  if (modulusSize < 256 || exponentSize === 0 || exponentSize > 8) reader.fail("a weak key");
  return rsaToPublicKey(modulus, exponent);
}

/** Replays the log against the quoted registers. @returns its settings */
function checkBootLog(
  list: CheckList,
  input: VerificationInput,
  evidence: VbsEvidence,
  quote: TpmQuote,
): BootSettings {
  const { crypto } = input;
  const code: TeeErrorCode = "BootLogInvalid";
  const events = bytesToBootLog(evidence.bootLog);
  const replayed = replayBootLog(crypto, events);
  const isReplayable = list.add(
    "boot log bank",
    replayed !== undefined,
    replayed === undefined ? "it has no SHA-256 digests" : `${events.length} events`,
    code,
  );
  const missing = neededRegisters.filter((index) => !quote.selection.includes(index));
  list.add("quoted registers", missing.length === 0, `PCR ${quote.selection.join(" ")}`, code);
  // Firmware starts register 0 in ways that the log need not tell.
  const different = quote.selection.filter((index) => {
    const value = evidence.tpm.registers.get(index) ?? new Uint8Array(0);
    const own = replayed?.get(index);
    return index !== 0 && own !== undefined && !equalBytes(own, value);
  });
  const unexplained = neededRegisters.filter((index) => replayed?.has(index) !== true);
  const wrong = [...different, ...unexplained];
  const detail = wrong.length === 0 ? "all explained" : `PCR ${wrong.join(" ")}`;
  list.add("boot log replay", isReplayable && wrong.length === 0, detail, code);
  return readBootSettings(events, isReplayable ? crypto : undefined);
}

function toClaims(
  input: VerificationInput,
  report: VbsReport,
  publicKey: Uint8Array,
  quote: TpmQuote,
): Claims {
  return {
    platform: "vsm",
    format: input.evidence.format,
    isHardware: true,
    isDebug: (report.flags & 7) !== 0,
    measurement: bytesToHex(report.uniqueId),
    hostData: bytesToHex(report.ownerId),
    reportData: report.enclaveData,
    signer: bytesToHex(report.authorId),
    hardwareId: bytesToHex(input.crypto.sha256(publicKey)),
    details: {
      isolation: "hypervisor; memory is not encrypted",
      familyId: bytesToHex(report.familyId),
      imageId: bytesToHex(report.imageId),
      isvSvn: report.enclaveSvn,
      secureKernelSvn: report.secureKernelSvn,
      platformSvn: report.platformSvn,
      signingLevel: report.signingLevel,
      modules: report.modules.join(" "),
      challenge: bytesToHex(quote.nonce),
    },
  };
}

function checkReport(
  list: CheckList,
  input: VerificationInput,
  evidence: VbsEvidence,
  settings: BootSettings,
): VbsReport | undefined {
  if (evidence.report === undefined) return fail("vbs_report is missing");
  const report = bytesToVbsReport(evidence.report);
  const key = readIdentityKey(settings);
  const isKnown = key !== undefined;
  list.add(
    "identity key",
    isKnown,
    isKnown ? "measured in this boot" : "none",
    "ReportKeyMismatch",
  );
  const isGenuine =
    isKnown &&
    isSigned(() => input.crypto.verify("PS256", key, report.signedBytes, report.signature));
  list.add("report signature", isGenuine, "RSA-PSS SHA-256", "ReportKeyMismatch");
  const unknown = report.flags & ~7;
  list.add("report flags", unknown === 0, `0x${report.flags.toString(16)}`, "EvidenceMalformed");
  return report;
}

function verify(input: VerificationInput): VerificationResult {
  const list = new CheckList();
  const claims = attempt(list, "evidence", () => {
    const evidence = readEvidence(input.evidence.quote);
    const publicKey = checkAttestationKey(list, input, evidence);
    if (publicKey === undefined) return undefined;
    const quote = checkTpmQuote(list, input, evidence.tpm, publicKey);
    const settings = attempt(
      list,
      "boot log",
      () => checkBootLog(list, input, evidence, quote),
      "BootLogInvalid",
    );
    if (settings === undefined) return undefined;
    checkSettings(list, settings);
    const report = checkReport(list, input, evidence, settings);
    return report && toClaims(input, report, publicKey, quote);
  });
  if (claims !== undefined) list.checkDebug(claims, input);
  return list.toResult("vsm", claims);
}

export const vbsVerifier: EvidenceVerifier = {
  platform: "vsm",
  formats: ["Microsoft_VBS"],
  verify,
};

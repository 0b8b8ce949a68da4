/** AMD SEV-SNP: report, certificate of the machine, endorsement of the utility VM, policy text. */
import { bytesToHex, equalBytes } from "@coco/base";
import { attempt } from "../attempt.ts";
import type { TeeErrorCode } from "../errors.ts";
import { isZero } from "../evidence-reader.ts";
import {
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type UvmEndorsement,
  type VerificationInput,
  type VerificationResult,
} from "../verification.ts";
import { isSigned } from "../x509/certificate-path.ts";
import {
  bytesToSnpEndorsements,
  checkSnpEndorsements,
  chipIdToText,
  type SnpEndorsement,
} from "./snp-endorsements.ts";
import {
  bytesToSnpReport,
  bytesToSnpTcb,
  isCanonicalTcb,
  type SnpReport,
  snpPlatformNames,
  snpPolicyNames,
  wordToText,
} from "./snp-report.ts";
import { checkUvmEndorsement } from "./uvm-endorsement.ts";

const debugBit = 1n << 19n;
const migrationBit = 1n << 18n;
const alwaysOneBit = 1n << 17n;

const signingKeys = ["vcek", "vlek"] as const;

function signingKey(report: SnpReport): "vcek" | "vlek" | undefined {
  return signingKeys[(report.flags >> 2) & 7];
}

/** What no policy can allow. */
function checkFixedRules(list: CheckList, report: SnpReport): void {
  const { policy, vmpl, flags, signatureAlgorithm } = report;
  const refuse: TeeErrorCode = "ConfigurationRefused";
  list.add("signature algorithm", signatureAlgorithm === 1, "ECDSA P-384", "EvidenceMalformed");
  const key = signingKey(report);
  list.add(
    "signing key",
    key !== undefined,
    key ?? `kind ${(flags >> 2) & 7}`,
    "EvidenceMalformed",
  );
  list.add(
    "policy bit 17",
    (policy & alwaysOneBit) !== 0n,
    wordToText(policy),
    "EvidenceMalformed",
  );
  list.add("vmpl", vmpl <= 3, vmpl > 3 ? "made by the host" : String(vmpl), refuse);
  list.add("chip id shown", (flags & 2) === 0, "MASK_CHIP_KEY must be 0", refuse);
  list.add("migration", (policy & migrationBit) === 0n, "no migration agent", refuse);
  // A bit without a name is a fact to show, not a reason to refuse: vendors add bits.
  const names = snpPlatformNames(report.platformInfo).join(" ");
  list.add("platform info", true, `${wordToText(report.platformInfo)} ${names}`, refuse);
}

function checkMachine(list: CheckList, report: SnpReport, endorsement: SnpEndorsement): void {
  const { facts, product } = endorsement;
  const isVlek = signingKey(report) === "vlek";
  if (report.version > 2) {
    const shown = `CPU ${report.cpu} under ${product}`;
    list.add("cpu product", report.product === product, shown, "HardwareMismatch");
  }
  if (isVlek) {
    const isNamed = facts.providerId !== undefined && facts.chipId === undefined;
    list.add("provider", isNamed, facts.providerId ?? "no VLEK", "HardwareMismatch");
  } else {
    const { chipId } = facts;
    // Turin has identities of 8 bytes.
    const isSame =
      chipId !== undefined &&
      (chipId.length === 64 || (product === "Turin" && chipId.length === 8)) &&
      equalBytes(report.chipId.subarray(0, chipId.length), chipId);
    list.add("chip id", isSame, bytesToHex(report.chipId).slice(0, 16), "HardwareMismatch");
  }
  const reported = bytesToSnpTcb(report.reportedTcb, product);
  const different = Object.entries(reported.components).filter(
    ([name, version]) => facts.securityVersions[name] !== version,
  );
  const isSame = different.length === 0 && isCanonicalTcb(report.reportedTcb, product);
  const detail = isSame ? reported.hex : different.map(([name]) => name).join(" ");
  list.add("endorsed tcb", isSame, detail, "EndorsedTcbMismatch");
}

function toClaims(
  input: VerificationInput,
  report: SnpReport,
  endorsement: SnpEndorsement | undefined,
  uvmEndorsement: UvmEndorsement | undefined,
): Claims {
  const product = endorsement?.product ?? report.product;
  const machine = isZero(report.chipId) ? undefined : report.chipId;
  const policyNames = snpPolicyNames(report.policy);
  const platformNames = snpPlatformNames(report.platformInfo);
  const provider = endorsement?.facts.providerId;
  return {
    platform: "snp",
    format: input.evidence.format,
    isHardware: true,
    isDebug: (report.policy & debugBit) !== 0n,
    measurement: bytesToHex(report.measurement),
    hostData: bytesToHex(report.hostData),
    reportData: report.reportData,
    ...(isZero(report.idKeyDigest) ? {} : { signer: bytesToHex(report.idKeyDigest) }),
    ...(product === undefined ? {} : { product, tcb: bytesToSnpTcb(report.reportedTcb, product) }),
    ...(report.cpu === undefined ? {} : { cpu: report.cpu }),
    ...(machine === undefined || endorsement === undefined
      ? {}
      : { hardwareId: chipIdToText(machine, endorsement.facts) }),
    ...(uvmEndorsement === undefined ? {} : { uvmEndorsement }),
    details: {
      reportVersion: report.version,
      guestSvn: report.guestSvn,
      vmpl: report.vmpl,
      signingKey: signingKey(report) ?? "unknown",
      policy: wordToText(report.policy),
      policyNames: policyNames.join(" "),
      platformInfo: wordToText(report.platformInfo),
      platformNames: platformNames.join(" "),
      familyId: bytesToHex(report.familyId),
      imageId: bytesToHex(report.imageId),
      authorKeyDigest: bytesToHex(report.authorKeyDigest),
      reportId: bytesToHex(report.reportId),
      ...(provider === undefined ? {} : { provider }),
    },
  };
}

function checkSecurityPolicy(list: CheckList, input: VerificationInput, report: SnpReport): void {
  const text = input.collateral?.get("security_policy");
  if (text === undefined) return;
  const digest = input.crypto.sha256(text);
  const isSame = equalBytes(digest, report.hostData);
  list.add("security policy", isSame, bytesToHex(digest), "SecurityPolicyMismatch");
}

/**
 * Checks a report with its endorsements. Shared with evidence in which the report is only a part.
 * @returns the claims, when the report could be read
 */
export function checkSnpReport(
  list: CheckList,
  input: VerificationInput,
  quote: Uint8Array,
  endorsements: Uint8Array,
): Claims | undefined {
  const { crypto, evidence } = input;
  const report = attempt(list, "layout", () => bytesToSnpReport(quote));
  if (report === undefined) return undefined;
  list.add("layout", true, `SNP report version ${report.version}`, "EvidenceMalformed");
  const certificates = attempt(
    list,
    "endorsements",
    () => bytesToSnpEndorsements(endorsements),
    "EndorsementsInvalid",
  );
  const endorsement =
    certificates === undefined
      ? undefined
      : attempt(
          list,
          "endorsements",
          () => checkSnpEndorsements(list, input, certificates),
          "EndorsementsInvalid",
        );
  if (endorsement === undefined) return toClaims(input, report, undefined, undefined);
  const { publicKey } = endorsement.leaf;
  const isGenuine = isSigned(() =>
    crypto.verify("ES384", publicKey, report.signedBytes, report.signature),
  );
  list.add("signature", isGenuine, "ECDSA P-384 over 672 bytes", "EvidenceSignatureInvalid");
  checkFixedRules(list, report);
  checkMachine(list, report, endorsement);
  const reportedHex = bytesToSnpTcb(report.reportedTcb, endorsement.product).hex;
  const claimed = evidence.endorsedTcb;
  if (claimed !== undefined) {
    list.add("claimed tcb", claimed === reportedHex, claimed, "EndorsedTcbMismatch");
  }
  checkSecurityPolicy(list, input, report);
  const uvm = evidence.uvmEndorsements;
  const uvmEndorsement =
    uvm === undefined || uvm.length === 0
      ? undefined
      : attempt(
          list,
          "uvm endorsement",
          () => checkUvmEndorsement(list, input, uvm, report.measurement),
          "UvmEndorsementInvalid",
        );
  return toClaims(input, report, endorsement, uvmEndorsement);
}

function verify(input: VerificationInput): VerificationResult {
  const list = new CheckList();
  const { quote, endorsements } = input.evidence;
  const claims = checkSnpReport(list, input, quote, endorsements);
  if (claims !== undefined) list.checkDebug(claims, input);
  return list.toResult("snp", claims);
}

export const snpVerifier: EvidenceVerifier = {
  platform: "snp",
  formats: ["AMD_SEV_SNP_v1"],
  verify,
};

/** From claims to trust: whether the members, by their votes, let this code in. */
import { bytesToHex, concatBytes, equalBytes, type Hash } from "@coco/base";
import { evidenceFormats, type TeePlatform } from "./evidence.ts";
import { checkPlatformRules, type PlatformRules } from "./platform-rules.ts";
import { jsonToPlatformRules } from "./policy-json.ts";
import {
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type TcbVersion,
  type UvmEndorsement,
  type VerificationInput,
  type VerificationResult,
  verifyEvidence,
} from "./verification.ts";

/** What the members allow on one platform. */
export interface PlatformPolicy extends PlatformRules {
  /** Approved code; hex, for `virtual` text. Never absent: without approved code nobody joins. */
  readonly measurements: ReadonlySet<string>;
}

/** A platform that is not listed is refused. */
export type AppraisalPolicy = Readonly<Partial<Record<TeePlatform, PlatformPolicy>>>;

/** What the report data has to say: which key, and which challenge when there is one. */
export interface ReportDataBinding {
  /** The node's DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** One-time challenge of the verifier; absent: the second half must be zero, as in CCF. */
  readonly challenge?: Uint8Array;
}

/** 64 bytes: SHA-256 of the key, then SHA-256 of the challenge or zeros. */
export function bindingToReportData(
  hash: Pick<Hash, "sha256">,
  binding: ReportDataBinding,
): Uint8Array {
  const { publicKey, challenge } = binding;
  const second = challenge === undefined ? new Uint8Array(32) : hash.sha256(challenge);
  return concatBytes(hash.sha256(publicKey), second);
}

/** True when a hardware platform is listed: then `virtual` is refused whatever its tables say. */
export function hasHardwarePlatform(policy: AppraisalPolicy): boolean {
  return Object.keys(policy).some((platform) => platform !== "virtual");
}

/** Whether nodes on all these platforms may be in one network; no list allows everything. */
export function isCombinationAllowed(
  platforms: Iterable<TeePlatform>,
  combinations: readonly ReadonlySet<TeePlatform>[] | undefined,
): boolean {
  if (combinations === undefined) return true;
  const present = [...platforms];
  return combinations.some((allowed) => present.every((platform) => allowed.has(platform)));
}

/**
 * Judges verified claims by the policy, in CCF's order: host data, code, TCB, key.
 * @param nowMs needed by rules about the age of collateral
 */
export function appraise(
  claims: Claims,
  policy: AppraisalPolicy,
  reportData: Uint8Array,
  nowMs?: number,
): VerificationResult {
  const list = new CheckList();
  const rules = policy[claims.platform];
  const isShadowed = !claims.isHardware && hasHardwarePlatform(policy);
  const detail = isShadowed ? "virtual beside a hardware platform" : claims.platform;
  const isListed = rules !== undefined && !isShadowed;
  list.add("platform", isListed, detail, "PlatformNotAllowed");
  if (rules === undefined || isShadowed) return list.toResult(claims.platform, claims);
  checkPlatformRules(list, claims, rules, nowMs);
  const isBound = equalBytes(claims.reportData, reportData);
  const shown = bytesToHex(claims.reportData.subarray(0, 8));
  list.add("report data", isBound, `begins with ${shown}`, "ReportDataMismatch");
  return list.toResult(claims.platform, claims);
}

/**
 * Judges verified claims by rules alone: for a person who looks at evidence, not for admission.
 * @param rules by platform; a platform that is not listed is refused
 */
export function assess(
  claims: Claims,
  rules: Readonly<Partial<Record<TeePlatform, PlatformRules>>>,
  nowMs: number,
): VerificationResult {
  const list = new CheckList();
  const own = rules[claims.platform];
  list.add("platform", own !== undefined, claims.platform, "PlatformNotAllowed");
  if (own !== undefined) checkPlatformRules(list, claims, own, nowMs);
  return list.toResult(claims.platform, claims);
}

/** Verifies and appraises: the whole decision about a joiner, a peer or a service. */
export function verifyAndAppraise(
  verifiers: readonly EvidenceVerifier[],
  input: VerificationInput,
  policy: AppraisalPolicy,
  binding: ReportDataBinding,
): VerificationResult {
  const isDebugAllowed = policy[evidenceFormats[input.evidence.format]]?.isDebugAllowed === true;
  const verified = verifyEvidence(verifiers, { ...input, isDebugAllowed });
  if (!verified.ok || verified.claims === undefined) return verified;
  const reportData = bindingToReportData(input.crypto, binding);
  const appraised = appraise(verified.claims, policy, reportData, input.nowMs);
  return { ...appraised, checks: [...verified.checks, ...appraised.checks] };
}

/** The contents of the governance tables that decide who may join. */
export interface JoinTables {
  /** Keys of nodes.virtual.measurements. */
  readonly virtualMeasurements: Iterable<string>;
  /** Keys of nodes.virtual.host_data, hex. */
  readonly virtualHostData: Iterable<string>;
  /** Keys of nodes.snp.measurements, hex. */
  readonly snpMeasurements: Iterable<string>;
  /** Keys of nodes.snp.host_data, hex. */
  readonly snpHostData: Iterable<string>;
  readonly snpUvmEndorsements: Iterable<UvmEndorsement>;
  /** nodes.snp.tcb_versions: CPUID hex to minimum. */
  readonly snpMinimumTcb: Iterable<readonly [cpu: string, minimum: TcbVersion]>;
  /** Keys of nodes.code_ids (SGX), hex. */
  readonly sgxMeasurements: Iterable<string>;
  /**
   * This project's own table: platform to its rules in JSON. They come on top of the tables above;
   * `measurements` in them adds to the approved code.
   */
  readonly platformRules?: Iterable<readonly [platform: TeePlatform, rules: unknown]>;
}

/** The policy that CCF's tables alone express. */
function ccfTablesToPolicy(tables: JoinTables): AppraisalPolicy {
  const virtual = new Set(tables.virtualMeasurements);
  const snp = new Set(tables.snpMeasurements);
  const sgx = new Set(tables.sgxMeasurements);
  const uvmEndorsements = [...tables.snpUvmEndorsements];
  return {
    ...(virtual.size === 0
      ? {}
      : { virtual: { measurements: virtual, hostData: new Set(tables.virtualHostData) } }),
    ...(snp.size === 0 && uvmEndorsements.length === 0
      ? {}
      : {
          snp: {
            measurements: snp,
            hostData: new Set(tables.snpHostData),
            uvmEndorsements,
            minimumTcb: new Map(tables.snpMinimumTcb),
          },
        }),
    ...(sgx.size === 0 ? {} : { sgx: { measurements: sgx } }),
  };
}

/**
 * The policy that the tables express. A platform without approved code is not listed, and debug
 * mode is never allowed.
 * @throws {CocoError} PolicyMalformed
 */
export function tablesToPolicy(tables: JoinTables): AppraisalPolicy {
  const policy: Partial<Record<TeePlatform, PlatformPolicy>> = { ...ccfTablesToPolicy(tables) };
  for (const [platform, value] of tables.platformRules ?? []) {
    const rules = jsonToPlatformRules(value);
    const known = policy[platform];
    const measurements = new Set([...(known?.measurements ?? []), ...(rules.measurements ?? [])]);
    const hasCode = measurements.size > 0 || (known?.uvmEndorsements ?? []).length > 0;
    if (!hasCode) continue;
    const { isDebugAllowed: _, ...merged } = { ...known, ...rules };
    policy[platform] = { ...merged, measurements };
  }
  return policy;
}

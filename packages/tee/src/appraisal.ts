/** From claims to trust: whether the members, by their votes, let this code in. */
import { bytesToHex, concatBytes, equalBytes, type Hash } from "@coco/base";
import type { TeePlatform } from "./evidence.ts";
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

/** What the members allow on one platform. An absent set means: nothing is asked. */
export interface PlatformPolicy {
  /** Approved code; hex, for `virtual` text. Never absent: without approved code nobody joins. */
  readonly measurements: ReadonlySet<string>;
  /** Approved host data, hex. */
  readonly hostData?: ReadonlySet<string>;
  /** Accepted issuers of utility VMs; `svn` is the minimum. */
  readonly uvmEndorsements?: readonly UvmEndorsement[];
  /** Minimum TCB version by CPU, lower-case hex. A CPU that is not listed is refused. */
  readonly minimumTcb?: ReadonlyMap<string, TcbVersion>;
  /** Accepted verdicts of the vendor about the TCB. */
  readonly tcbStatuses?: ReadonlySet<string>;
  /** Known flaws that are accepted nevertheless. */
  readonly advisories?: ReadonlySet<string>;
  /** CPU products that are refused although they verify. */
  readonly deniedProducts?: ReadonlySet<string>;
  /** Only these machines, hex. */
  readonly hardwareIds?: ReadonlySet<string>;
  readonly isDebugAllowed?: boolean;
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

function checkHardware(list: CheckList, claims: Claims, rules: PlatformPolicy): void {
  const { product = "", hardwareId = "", tcbStatus, advisories = [] } = claims;
  const isDebugFine = claims.platform === "virtual" || !claims.isDebug || rules.isDebugAllowed;
  list.add("debug", isDebugFine === true, `debug is ${claims.isDebug}`, "DebugEnabled");
  if (rules.deniedProducts !== undefined) {
    list.add("product", !rules.deniedProducts.has(product), product, "ProductDenied");
  }
  if (rules.hardwareIds !== undefined) {
    list.add("machine", rules.hardwareIds.has(hardwareId), hardwareId, "HardwareNotAllowed");
  }
  if (rules.tcbStatuses !== undefined) {
    const status = tcbStatus ?? "unknown";
    list.add("tcb status", rules.tcbStatuses.has(status), status, "TcbTooOld");
  }
  if (rules.advisories !== undefined) {
    const unaccepted = advisories.filter((advisory) => !rules.advisories?.has(advisory));
    list.add("advisories", unaccepted.length === 0, unaccepted.join(" "), "TcbTooOld");
  }
}

function checkCode(list: CheckList, claims: Claims, rules: PlatformPolicy): void {
  if (rules.hostData !== undefined) {
    const { hostData } = claims;
    const isKnown = hostData !== undefined && rules.hostData.has(hostData);
    list.add("host data", isKnown, hostData ?? "absent", "HostDataNotTrusted");
  }
  const { uvmEndorsement: uvm, measurement } = claims;
  if (uvm === undefined) {
    const isKnown = rules.measurements.has(measurement);
    list.add("measurement", isKnown, measurement, "MeasurementNotTrusted");
    return;
  }
  const isEndorsed = (rules.uvmEndorsements ?? []).some(
    (rule) => rule.did === uvm.did && rule.feed === uvm.feed && uvm.svn >= rule.svn,
  );
  const detail = `${uvm.feed} ${uvm.svn}`;
  list.add("uvm endorsement", isEndorsed, detail, "UvmEndorsementNotTrusted");
}

function checkTcb(list: CheckList, claims: Claims, rules: PlatformPolicy): void {
  if (rules.minimumTcb === undefined) return;
  const cpu = claims.cpu ?? "";
  const minimum = rules.minimumTcb.get(cpu);
  if (!list.add("cpu", minimum !== undefined, cpu, "CpuNotTrusted") || minimum === undefined) {
    return;
  }
  const reported = claims.tcb?.components ?? {};
  const older = Object.entries(minimum.components).filter(
    ([name, version]) => !((reported[name] ?? -1) >= version),
  );
  const detail = older.map(([name]) => name).join(" ");
  list.add("tcb version", older.length === 0, detail, "TcbTooOld");
}

/** Judges verified claims by the policy, in CCF's order: host data, code, TCB, key. */
export function appraise(
  claims: Claims,
  policy: AppraisalPolicy,
  reportData: Uint8Array,
): VerificationResult {
  const list = new CheckList();
  const rules = policy[claims.platform];
  const isShadowed = !claims.isHardware && hasHardwarePlatform(policy);
  const detail = isShadowed ? "virtual beside a hardware platform" : claims.platform;
  const isListed = rules !== undefined && !isShadowed;
  list.add("platform", isListed, detail, "PlatformNotAllowed");
  if (rules === undefined || isShadowed) return list.toResult(claims.platform, claims);
  checkHardware(list, claims, rules);
  checkCode(list, claims, rules);
  checkTcb(list, claims, rules);
  const isBound = equalBytes(claims.reportData, reportData);
  const shown = bytesToHex(claims.reportData.subarray(0, 8));
  list.add("report data", isBound, `begins with ${shown}`, "ReportDataMismatch");
  return list.toResult(claims.platform, claims);
}

/** Verifies and appraises: the whole decision about a joiner, a peer or a service. */
export function verifyAndAppraise(
  verifiers: readonly EvidenceVerifier[],
  input: VerificationInput,
  policy: AppraisalPolicy,
  binding: ReportDataBinding,
): VerificationResult {
  const verified = verifyEvidence(verifiers, input);
  if (!verified.ok || verified.claims === undefined) return verified;
  const reportData = bindingToReportData(input.crypto, binding);
  const appraised = appraise(verified.claims, policy, reportData);
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
}

/** The policy that CCF's tables express. A platform without approved code is not listed. */
export function tablesToPolicy(tables: JoinTables): AppraisalPolicy {
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

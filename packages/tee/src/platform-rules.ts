/** Rules about one platform, and how verified claims are judged by them. */
import { bytesToHex } from "@coco/base";
import type { TeeErrorCode } from "./errors.ts";
import type { TeePlatform } from "./evidence.ts";
import type { CheckList, Claims, TcbVersion, UvmEndorsement } from "./verification.ts";

/** An absent rule asks nothing, except where its description names what then holds. */
export interface PlatformRules {
  /** Approved code; hex, for `virtual` text. */
  readonly measurements?: ReadonlySet<string>;
  /** Approved signers of code (SGX: MRSIGNER, TDX: MROWNER, SNP: id key digest), hex. */
  readonly signers?: ReadonlySet<string>;
  /** Approved host data, hex. */
  readonly hostData?: ReadonlySet<string>;
  /** Accepted issuers of utility VMs; `svn` is the minimum. */
  readonly uvmEndorsements?: readonly UvmEndorsement[];
  /** Minimum TCB version by CPU (CPUID or FMSPC), hex. A CPU that is not listed is refused. */
  readonly minimumTcb?: ReadonlyMap<string, TcbVersion>;
  /** Accepted verdicts of the vendor about the TCB; absent: `defaultTcbStatuses`. */
  readonly tcbStatuses?: ReadonlySet<string>;
  /** Known flaws that are accepted nevertheless. */
  readonly advisories?: ReadonlySet<string>;
  /** The only accepted CPU products. */
  readonly products?: ReadonlySet<string>;
  /** CPU products that are refused although they verify. */
  readonly deniedProducts?: ReadonlySet<string>;
  /** Only these machines, hex. */
  readonly hardwareIds?: ReadonlySet<string>;
  readonly deniedHardwareIds?: ReadonlySet<string>;
  /** Names of platform information that must be set, for example alias_check_complete. */
  readonly requiredPlatformInfo?: ReadonlySet<string>;
  /** Names of platform information that must not be set, for example smt. */
  readonly deniedPlatformInfo?: ReadonlySet<string>;
  /** Accepted kinds of the key that signs SNP reports; absent: vcek. */
  readonly signingKeys?: ReadonlySet<string>;
  /** Accepted surroundings that relax a rule, for example azure-paravisor; absent: none. */
  readonly profiles?: ReadonlySet<string>;
  /** Least values of facts: reportVersion, isvSvn, guestSvn, tcbEvaluationDataNumber. */
  readonly minimums?: ReadonlyMap<string, number>;
  /** Facts that must have one of these values: rtmr0, pcr7, isvProductId, provider. */
  readonly facts?: ReadonlyMap<string, ReadonlySet<string>>;
  /** How old signed collateral may be. */
  readonly collateralAgeMsMax?: number;
  /** Accepted report data, 64 bytes in hex. */
  readonly reportData?: ReadonlySet<string>;
  /** For tests of policies; the tables of a service cannot express it. */
  readonly isDebugAllowed?: boolean;
}

/** The vendor's verdicts that need nobody's consent. */
export const defaultTcbStatuses: ReadonlySet<string> = new Set(["UpToDate", "SWHardeningNeeded"]);

const defaultSigningKeys: ReadonlySet<string> = new Set(["vcek"]);

const minimumCodes: Readonly<Record<string, TeeErrorCode>> = {
  reportVersion: "EvidenceVersionTooOld",
  tcbEvaluationDataNumber: "CollateralTooOld",
};

function checkSettings(list: CheckList, claims: Claims, rules: PlatformRules): void {
  const { details, platform } = claims;
  const isDebugFine = platform === "virtual" || !claims.isDebug || rules.isDebugAllowed;
  list.add("debug", isDebugFine === true, `debug is ${claims.isDebug}`, "DebugEnabled");
  const signingKey = details["signingKey"];
  if (platform === "snp" && signingKey !== undefined) {
    const isAllowed = (rules.signingKeys ?? defaultSigningKeys).has(String(signingKey));
    list.add("signing key allowed", isAllowed, String(signingKey), "SigningKeyNotAllowed");
  }
  const profile = String(details["profile"] ?? "none");
  if (platform === "tdx") {
    const isFine = details["isSeptVeDisabled"] === true || rules.profiles?.has(profile) === true;
    const detail = `SEPT_VE_DISABLE ${String(details["isSeptVeDisabled"])}, profile ${profile}`;
    list.add("sept ve disable", isFine, detail, "ConfigurationRefused");
  }
  const info = new Set(String(details["platformNames"] ?? "").split(" "));
  for (const name of rules.requiredPlatformInfo ?? []) {
    list.add(`platform ${name}`, info.has(name), "must be set", "ConfigurationRefused");
  }
  for (const name of rules.deniedPlatformInfo ?? []) {
    list.add(`platform ${name}`, !info.has(name), "must not be set", "ConfigurationRefused");
  }
  for (const [name, allowed] of rules.facts ?? []) {
    const value = String(details[name] ?? "absent");
    list.add(name, allowed.has(value), value, "ConfigurationRefused");
  }
}

function checkHardware(list: CheckList, claims: Claims, rules: PlatformRules): void {
  const { product = "", hardwareId = "" } = claims;
  const { products, deniedProducts, hardwareIds, deniedHardwareIds } = rules;
  if (products !== undefined || deniedProducts !== undefined) {
    const isListed = products?.has(product) ?? true;
    const isFine = isListed && deniedProducts?.has(product) !== true;
    list.add("product", isFine, product, "ProductDenied");
  }
  if (hardwareIds !== undefined || deniedHardwareIds !== undefined) {
    const isListed = hardwareIds?.has(hardwareId) ?? true;
    const isFine = isListed && deniedHardwareIds?.has(hardwareId) !== true;
    list.add("machine", isFine, hardwareId, "HardwareNotAllowed");
  }
}

function checkVendorVerdict(
  list: CheckList,
  claims: Claims,
  rules: PlatformRules,
  nowMs: number | undefined,
): void {
  const { tcbStatus, advisories = [], platform, details } = claims;
  const isJudged = tcbStatus !== undefined || platform === "sgx" || platform === "tdx";
  if (isJudged || rules.tcbStatuses !== undefined) {
    const status = tcbStatus ?? "unknown";
    const isAccepted = (rules.tcbStatuses ?? defaultTcbStatuses).has(status);
    const detail = [status, ...advisories].join(" ");
    list.add("tcb status", isAccepted, detail, "TcbTooOld");
  }
  if (rules.advisories !== undefined) {
    const unaccepted = advisories.filter((advisory) => !rules.advisories?.has(advisory));
    list.add("advisories", unaccepted.length === 0, unaccepted.join(" "), "TcbTooOld");
  }
  for (const [name, least] of rules.minimums ?? []) {
    const value = details[name];
    const isReached = typeof value === "number" && value >= least;
    const code = minimumCodes[name] ?? "TcbTooOld";
    list.add(`minimum ${name}`, isReached, `${value ?? "absent"}, at least ${least}`, code);
  }
  const { collateralAgeMsMax } = rules;
  if (collateralAgeMsMax !== undefined) {
    const issuedMs = Number(details["collateralIssuedMs"] ?? Number.NaN);
    const isFresh = nowMs !== undefined && nowMs - issuedMs <= collateralAgeMsMax;
    list.add("collateral age", isFresh, `issued at ${issuedMs}`, "CollateralTooOld");
  }
}

function checkCode(list: CheckList, claims: Claims, rules: PlatformRules): void {
  if (rules.hostData !== undefined) {
    const { hostData } = claims;
    const isKnown = hostData !== undefined && rules.hostData.has(hostData);
    list.add("host data", isKnown, hostData ?? "absent", "HostDataNotTrusted");
  }
  if (rules.signers !== undefined) {
    const signer = claims.signer ?? "absent";
    list.add("signer", rules.signers.has(signer), signer, "MeasurementNotTrusted");
  }
  const { uvmEndorsement: uvm, measurement } = claims;
  const { uvmEndorsements, measurements } = rules;
  if (uvm !== undefined && (uvmEndorsements !== undefined || measurements !== undefined)) {
    const isEndorsed = (uvmEndorsements ?? []).some(
      (rule) => rule.did === uvm.did && rule.feed === uvm.feed && uvm.svn >= rule.svn,
    );
    const detail = `${uvm.feed} ${uvm.svn}`;
    list.add("uvm endorsement", isEndorsed, detail, "UvmEndorsementNotTrusted");
    return;
  }
  if (measurements !== undefined) {
    const isKnown = measurements.has(measurement);
    list.add("measurement", isKnown, measurement, "MeasurementNotTrusted");
  }
}

function checkTcb(list: CheckList, claims: Claims, rules: PlatformRules): void {
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

/** Judges claims by every rule; the order is CCF's: settings, host data, code, TCB. */
export function checkPlatformRules(
  list: CheckList,
  claims: Claims,
  rules: PlatformRules,
  nowMs?: number,
): void {
  checkSettings(list, claims, rules);
  checkHardware(list, claims, rules);
  checkVendorVerdict(list, claims, rules, nowMs);
  checkCode(list, claims, rules);
  checkTcb(list, claims, rules);
  if (rules.reportData !== undefined) {
    const shown = bytesToHex(claims.reportData);
    list.add("report data", rules.reportData.has(shown), shown, "ReportDataMismatch");
  }
}

/**
 * What a verifier asks without any vote: no debug, no TCB that its vendor calls outdated, no
 * unusual signing key, hardware. It says nothing about which code is trusted.
 */
export const baselineRules: Readonly<Partial<Record<TeePlatform, PlatformRules>>> = (() => {
  const tcbStatuses = new Set([
    ...defaultTcbStatuses,
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
  ]);
  return { snp: {}, sgx: { tcbStatuses }, tdx: { tcbStatuses }, vsm: {} };
})();

/** Intel SGX and TDX: quote, platform key, collateral, TCB. */
import { bytesToHex } from "@coco/base";
import { attempt } from "../attempt.ts";
import { bitNames, isZero, readU64 } from "../evidence-reader.ts";
import {
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type VerificationInput,
  type VerificationResult,
} from "../verification.ts";
import { bytesToDcapQuote, type DcapQuote, type SgxReport, type TdReport } from "./dcap-quote.ts";
import { type CheckedPlatform, checkDcapSignature } from "./dcap-signature.ts";
import { checkIntelCollateral, fmspcToText, readIntelCollateral } from "./intel-collateral.ts";
import { checkTcb, type TcbVerdict } from "./intel-tcb.ts";

const sgxAttributeBits: Readonly<Record<number, string>> = {
  0: "init",
  1: "debug",
  2: "mode64",
  4: "provision_key",
  5: "einittoken_key",
  7: "kss",
  10: "aex_notify",
};

const tdAttributeBits: Readonly<Record<number, string>> = {
  0: "debug",
  28: "sept_ve_disable",
  29: "migratable",
  30: "pks",
  31: "kl",
  63: "perfmon",
};

interface PlatformClaims {
  readonly platform: CheckedPlatform | undefined;
  readonly verdict: TcbVerdict | undefined;
}

/** Facts that come from the platform's certificate and from the collateral. */
function toPlatformClaims({ platform, verdict }: PlatformClaims): Partial<Claims> {
  if (platform === undefined) return {};
  const { components, pceSvn, ppid } = platform.facts;
  const named = components.map((value, index) => [`component_${index + 1}`, value] as const);
  const tcb = {
    components: { ...Object.fromEntries(named), pce: pceSvn },
    hex: bytesToHex(Uint8Array.from([...components, pceSvn & 0xff, pceSvn >> 8])),
  };
  return {
    cpu: fmspcToText(platform),
    ...(isZero(ppid) ? {} : { hardwareId: bytesToHex(ppid) }),
    tcb,
    ...(verdict === undefined ? {} : { tcbStatus: verdict.status, advisories: verdict.advisories }),
  };
}

function collateralDetails(verdict: TcbVerdict | undefined): Readonly<Record<string, number>> {
  if (verdict === undefined) return {};
  return {
    tcbEvaluationDataNumber: verdict.evaluationNumber,
    collateralIssuedMs: verdict.issuedMs,
  };
}

function sgxToClaims(input: VerificationInput, report: SgxReport, from: PlatformClaims): Claims {
  const flags = readU64(report.attributes, 0);
  return {
    platform: "sgx",
    format: input.evidence.format,
    isHardware: true,
    isDebug: (flags & 2n) !== 0n,
    measurement: bytesToHex(report.mrEnclave),
    hostData: isZero(report.configId) ? undefined : bytesToHex(report.configId),
    reportData: report.reportData,
    signer: bytesToHex(report.mrSigner),
    ...toPlatformClaims(from),
    details: {
      isvProductId: report.isvProductId,
      isvSvn: report.isvSvn,
      attributes: bytesToHex(report.attributes),
      attributeNames: bitNames(flags, sgxAttributeBits).join(" "),
      miscSelect: bytesToHex(report.miscSelect),
      ...collateralDetails(from.verdict),
    },
  };
}

function tdToClaims(
  input: VerificationInput,
  version: number,
  td: TdReport,
  from: PlatformClaims,
): Claims {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = td.rtmrs.map(bytesToHex);
  return {
    platform: "tdx",
    format: input.evidence.format,
    isHardware: true,
    isDebug: (td.attributes & 1n) !== 0n,
    measurement: bytesToHex(td.mrTd),
    hostData: bytesToHex(td.mrConfigId),
    reportData: td.reportData,
    ...(isZero(td.mrOwner) ? {} : { signer: bytesToHex(td.mrOwner) }),
    ...toPlatformClaims(from),
    details: {
      quoteVersion: version,
      attributes: `0x${td.attributes.toString(16)}`,
      attributeNames: bitNames(td.attributes, tdAttributeBits).join(" "),
      isSeptVeDisabled: (td.attributes & (1n << 28n)) !== 0n,
      xfam: `0x${td.xfam.toString(16)}`,
      mrSeam: bytesToHex(td.mrSeam),
      mrOwnerConfig: bytesToHex(td.mrOwnerConfig),
      teeTcbSvn: bytesToHex(td.teeTcbSvn),
      rtmr0: rtmr0!,
      rtmr1: rtmr1!,
      rtmr2: rtmr2!,
      rtmr3: rtmr3!,
      ...collateralDetails(from.verdict),
    },
  };
}

/** What no policy can allow. */
function checkFixedRules(list: CheckList, body: DcapQuote["body"]): void {
  const code = "ConfigurationRefused";
  if ("sgx" in body) {
    const flags = readU64(body.sgx.attributes, 0);
    const names = bitNames(flags, sgxAttributeBits).join(" ");
    list.add("attributes", (flags & 1n) === 1n && (flags & 8n) === 0n, names, code);
    return;
  }
  const { td } = body;
  const names = bitNames(td.attributes, tdAttributeBits).join(" ");
  const isFixed = (td.attributes & (1n << 29n)) === 0n;
  list.add("attributes", isFixed, names || "none", code);
  const service = td.mrServiceTd;
  const hasService = service !== undefined && !isZero(service);
  const detail = hasService ? `bound to ${bytesToHex(service).slice(0, 16)}` : "none";
  list.add("service td", !hasService, detail, code);
}

/**
 * Checks a quote with its collateral. Shared with evidence in which the quote is only a part.
 * @returns the quote and its claims, when it could be read
 */
export function checkDcapQuote(
  list: CheckList,
  input: VerificationInput,
  bytes: Uint8Array,
  bundle: Uint8Array,
): { readonly quote: DcapQuote; readonly claims: Claims } | undefined {
  const quote = attempt(list, "layout", () => bytesToDcapQuote(bytes));
  if (quote === undefined) return undefined;
  list.add("layout", true, `quote version ${quote.version}`, "EvidenceMalformed");
  const { body, version, qeReport } = quote;
  const toClaims = (from: PlatformClaims) => ({
    quote,
    claims:
      "sgx" in body
        ? sgxToClaims(input, body.sgx, from)
        : tdToClaims(input, version, body.td, from),
  });
  const platform = attempt(
    list,
    "endorsements",
    () => checkDcapSignature(list, input, quote),
    "EndorsementsInvalid",
  );
  if (platform === undefined) return toClaims({ platform, verdict: undefined });
  checkFixedRules(list, body);
  list.checkDebug(toClaims({ platform, verdict: undefined }).claims, input);
  // What is not from the platform needs no collateral; a forger should not make us read it.
  if (!platform.isGenuine) return toClaims({ platform, verdict: undefined });
  const verdict = attempt(
    list,
    "collateral",
    () => {
      const collateral = readIntelCollateral(input, bundle);
      const checked = checkIntelCollateral(list, input, collateral, platform);
      const td = "td" in body ? body.td : undefined;
      return checked && checkTcb(list, checked, platform, { qeReport, td });
    },
    "CollateralMalformed",
  );
  return toClaims({ platform, verdict });
}

function createDcapVerifier(
  platform: "sgx" | "tdx",
  formats: EvidenceVerifier["formats"],
): EvidenceVerifier {
  const verify = (input: VerificationInput): VerificationResult => {
    const list = new CheckList();
    const { quote, endorsements } = input.evidence;
    const found = checkDcapQuote(list, input, quote, endorsements);
    const isKind = found === undefined || found.claims.platform === platform;
    const shown = found?.claims.platform ?? platform;
    list.add("platform", isKind, shown, "EvidenceMalformed");
    return list.toResult(platform, found?.claims);
  };
  return { platform, formats, verify };
}

export const sgxVerifier = createDcapVerifier("sgx", ["Intel_SGX_DCAP"]);
export const tdxVerifier = createDcapVerifier("tdx", ["Intel_TDX_DCAP"]);

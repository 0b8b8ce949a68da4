/** Which TCB level a platform reaches. @source Intel PCS API v4, "TCB info" and "QE identity" */
import { bytesToHex } from "@coco/base";
import { teeErrors } from "../errors.ts";
import { isZero } from "../evidence-reader.ts";
import type { CheckList } from "../verification.ts";
import type { SgxReport, TdReport } from "./dcap-quote.ts";
import type { CheckedPlatform } from "./dcap-signature.ts";
import { fmspcToText, type JsonFields } from "./intel-collateral.ts";

/** From best to worst. */
const tcbStatuses = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
] as const;

export type TcbStatus = (typeof tcbStatuses)[number];

export interface TcbLevel {
  readonly status: TcbStatus;
  readonly advisories: readonly string[];
}

function fail(detail: string): never {
  throw teeErrors.create("CollateralMalformed", detail);
}

function asFields(value: unknown, what: string): JsonFields {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonFields) : fail(`${what} is no object`);
}

function asArray(value: unknown, what: string): readonly unknown[] {
  return Array.isArray(value) && value.length <= 1024 ? value : fail(`${what} is no list`);
}

function asCount(value: unknown, what: string): number {
  const isCount = Number.isSafeInteger(value) && (value as number) >= 0;
  return isCount ? (value as number) : fail(`${what} is no version number`);
}

function asHex(value: unknown, sizeBytes: number, what: string): string {
  const isHex =
    typeof value === "string" && value.length === 2 * sizeBytes && /^[0-9a-fA-F]*$/.test(value);
  return isHex ? value.toLowerCase() : fail(`${what} is not ${sizeBytes} bytes of hex`);
}

function readLevel(level: JsonFields): TcbLevel {
  const status = tcbStatuses.find((known) => known === level["tcbStatus"]);
  if (status === undefined) return fail(`tcbStatus ${String(level["tcbStatus"]).slice(0, 40)}`);
  const advisories = asArray(level["advisoryIDs"] ?? [], "advisoryIDs").map(String);
  return { status, advisories };
}

function readComponents(value: unknown, what: string): number[] {
  const components = asArray(value, what);
  if (components.length !== 16) fail(`${what} has ${components.length} entries`);
  return components.map((item) => asCount(asFields(item, what)["svn"], what));
}

function reaches(own: Iterable<number>, needed: readonly number[], from = 0): boolean {
  return [...own].every((version, index) => index < from || version >= needed[index]!);
}

/** The first level that all components reach; levels stand in descending order. */
function findPlatformLevel(
  tcbInfo: JsonFields,
  platform: CheckedPlatform,
  td: TdReport | undefined,
): TcbLevel | undefined {
  const { components, pceSvn } = platform.facts;
  for (const item of asArray(tcbInfo["tcbLevels"], "tcbLevels")) {
    const level = asFields(item, "a TCB level");
    const tcb = asFields(level["tcb"], "tcb");
    const needed = readComponents(tcb["sgxtcbcomponents"], "sgxtcbcomponents");
    if (!reaches(components, needed) || pceSvn < asCount(tcb["pcesvn"], "pcesvn")) continue;
    if (td !== undefined) {
      const tdNeeded = readComponents(tcb["tdxtcbcomponents"], "tdxtcbcomponents");
      // The first two bytes are the module's, which has an identity of its own when [1] is set.
      if (!reaches(td.teeTcbSvn, tdNeeded, td.teeTcbSvn[1]! > 0 ? 2 : 0)) continue;
    }
    return readLevel(level);
  }
  return undefined;
}

function findSvnLevel(levels: unknown, svn: number): TcbLevel | undefined {
  for (const item of asArray(levels, "tcbLevels")) {
    const level = asFields(item, "a TCB level");
    const needed = asCount(asFields(level["tcb"], "tcb")["isvsvn"], "isvsvn");
    if (svn >= needed) return readLevel(level);
  }
  return undefined;
}

function isMasked(own: Uint8Array, mask: string, expected: string): boolean {
  return [...own].every((byte, index) => {
    const at = 2 * index;
    const bits = Number.parseInt(mask.slice(at, at + 2), 16);
    return (byte & bits) === (Number.parseInt(expected.slice(at, at + 2), 16) & bits);
  });
}

/** The TDX module: signer and attributes must fit; newer modules have levels of their own. */
function checkModule(list: CheckList, tcbInfo: JsonFields, td: TdReport): TcbLevel | undefined {
  const version = td.teeTcbSvn[1]!;
  const name = `TDX_${version.toString(16).toUpperCase().padStart(2, "0")}`;
  const listed = asArray(tcbInfo["tdxModuleIdentities"] ?? [], "tdxModuleIdentities");
  const found =
    version === 0
      ? tcbInfo["tdxModule"]
      : listed.find((item) => asFields(item, "a module")["id"] === name);
  const isListed = found !== undefined;
  if (!list.add("tdx module", isListed, name, "TcbLevelUnknown")) return undefined;
  const module = asFields(found, "tdxModule");
  const signer = asHex(module["mrsigner"], 48, "mrsigner");
  const attributes = asHex(module["attributes"], 8, "attributes");
  const mask = asHex(module["attributesMask"], 8, "attributesMask");
  const isSigner = bytesToHex(td.mrSignerSeam) === signer;
  list.add("tdx module signer", isSigner, signer.slice(0, 16), "ConfigurationRefused");
  const isPlain = isMasked(td.seamAttributes, mask, attributes) && isZero(td.seamAttributes);
  const shown = bytesToHex(td.seamAttributes);
  list.add("tdx module attributes", isPlain, shown, "ConfigurationRefused");
  if (version === 0) return undefined;
  const level = findSvnLevel(module["tcbLevels"], td.teeTcbSvn[0]!);
  const detail = `${name} svn ${td.teeTcbSvn[0]} ${level?.status ?? "below every level"}`;
  list.add("tdx module level", level !== undefined, detail, "TcbLevelUnknown");
  return level;
}

/** The quoting enclave must be the one that Intel publishes. */
function checkQeIdentity(
  list: CheckList,
  identity: JsonFields,
  id: "QE" | "TD_QE",
  report: SgxReport,
): TcbLevel | undefined {
  const code = "QuotingEnclaveNotTrusted";
  const isKind = identity["id"] === id && identity["version"] === 2;
  const shown = `${String(identity["id"])} version ${String(identity["version"])}`;
  list.add("qe identity kind", isKind, shown, "QeIdentityInvalid");
  const text = (name: string, sizeBytes: number) => asHex(identity[name], sizeBytes, name);
  const signer = text("mrsigner", 32);
  list.add("quoting enclave signer", bytesToHex(report.mrSigner) === signer, signer, code);
  const product = asCount(identity["isvprodid"], "isvprodid");
  list.add("quoting enclave product", report.isvProductId === product, `${product}`, code);
  // SGX writes the selector as a little-endian word, Intel's text has it byte by byte.
  const selectMask = text("miscselectMask", 4);
  const isSelect = isMasked(report.miscSelect, selectMask, text("miscselect", 4));
  const attributesMask = text("attributesMask", 16);
  const isAttributes = isMasked(report.attributes, attributesMask, text("attributes", 16));
  const attributes = bytesToHex(report.attributes);
  list.add("quoting enclave attributes", isSelect && isAttributes, attributes, code);
  const level = findSvnLevel(identity["tcbLevels"], report.isvSvn);
  const detail = `svn ${report.isvSvn} ${level?.status ?? "below every level"}`;
  list.add("quoting enclave level", level !== undefined, detail, "TcbLevelUnknown");
  return level;
}

/** The worst of several levels; configuration and age together are a status of their own. */
export function mergeLevels(levels: readonly TcbLevel[]): TcbLevel {
  const rank = (level: TcbLevel) => tcbStatuses.indexOf(level.status);
  const worst = levels.reduce((left, right) => (rank(right) > rank(left) ? right : left));
  const needsConfiguration = levels.some(({ status }) => status.startsWith("Configuration"));
  const status =
    worst.status === "OutOfDate" && needsConfiguration
      ? "OutOfDateConfigurationNeeded"
      : worst.status;
  return { status, advisories: [...new Set(levels.flatMap(({ advisories }) => advisories))] };
}

export interface TcbVerdict extends TcbLevel {
  readonly evaluationNumber: number;
  readonly issuedMs: number;
}

/** Judges platform, module and quoting enclave together. */
export function checkTcb(
  list: CheckList,
  collateral: { readonly tcbInfo: JsonFields; readonly qeIdentity: JsonFields },
  platform: CheckedPlatform,
  quote: { readonly qeReport: SgxReport; readonly td: TdReport | undefined },
): TcbVerdict | undefined {
  const { tcbInfo, qeIdentity } = collateral;
  const { td, qeReport } = quote;
  const id = td === undefined ? "SGX" : "TDX";
  const isKind = tcbInfo["id"] === id && tcbInfo["version"] === 3;
  const kind = `${String(tcbInfo["id"])} version ${String(tcbInfo["version"])}`;
  if (!list.add("tcb info kind", isKind, kind, "TcbInfoInvalid")) return undefined;
  const fmspc = asHex(tcbInfo["fmspc"], 6, "fmspc");
  const pceId = asHex(tcbInfo["pceId"], 2, "pceId");
  const isForPlatform =
    fmspc === fmspcToText(platform) && pceId === bytesToHex(platform.facts.pceId);
  list.add("tcb info platform", isForPlatform, `FMSPC ${fmspc} PCE ${pceId}`, "TcbInfoInvalid");
  const own = findPlatformLevel(tcbInfo, platform, td);
  const detail = own?.status ?? "below every level";
  list.add("platform level", own !== undefined, detail, "TcbLevelUnknown");
  const module = td === undefined ? undefined : checkModule(list, tcbInfo, td);
  const enclave = checkQeIdentity(list, qeIdentity, td === undefined ? "QE" : "TD_QE", qeReport);
  const levels = [own, module, enclave].filter((level) => level !== undefined);
  if (own === undefined || enclave === undefined) return undefined;
  const merged = mergeLevels(levels);
  const isRevoked = merged.status === "Revoked";
  list.add("tcb level", !isRevoked, merged.status, "EndorsementsRevoked");
  const evaluationNumber = Math.min(
    asCount(tcbInfo["tcbEvaluationDataNumber"], "tcbEvaluationDataNumber"),
    asCount(qeIdentity["tcbEvaluationDataNumber"], "tcbEvaluationDataNumber"),
  );
  const issuedMs = Date.parse(String(tcbInfo["issueDate"]));
  return { ...merged, evaluationNumber, issuedMs };
}

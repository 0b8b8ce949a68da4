/** Rules about platforms as JSON: in the table of the service, and in files. */
import { hexToBytes } from "@coco/base";
import { teeErrors } from "./errors.ts";
import { evidenceFormats, type TeePlatform } from "./evidence.ts";
import type { PlatformRules } from "./platform-rules.ts";
import { bytesToSnpTcb, cpuHexToProduct } from "./snp/snp-report.ts";
import type { TcbVersion, UvmEndorsement } from "./verification.ts";

type Fields = Readonly<Record<string, unknown>>;

const entriesCountMax = 4096;

function fail(detail: string): never {
  throw teeErrors.create("PolicyMalformed", detail);
}

function toFields(value: unknown, what: string): Fields {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Fields) : fail(`${what} is no object`);
}

function toTexts(value: unknown, what: string): Set<string> {
  if (!Array.isArray(value) || value.length > entriesCountMax) return fail(`${what} is no list`);
  return new Set(
    value.map((item) => (typeof item === "string" ? item : fail(`${what} holds no text`))),
  );
}

function toHexes(value: unknown, what: string): Set<string> {
  const lower = [...toTexts(value, what)].map((text) => text.toLowerCase());
  if (lower.some((text) => !/^([0-9a-f]{2})+$/.test(text))) fail(`${what} holds no hex`);
  return new Set(lower);
}

/** Code of `virtual` is text; everywhere else it is hex. */
function toMeasurements(value: unknown, what: string): Set<string> {
  const texts = [...toTexts(value, what)];
  return new Set(
    texts.map((text) => (/^[0-9a-fA-F]{64,}$/.test(text) ? text.toLowerCase() : text)),
  );
}

function toNumbers(value: unknown, what: string): Map<string, number> {
  return new Map(
    Object.entries(toFields(value, what)).map(([name, item]) => {
      const isNumber = typeof item === "number" && Number.isSafeInteger(item) && item >= 0;
      return [name, isNumber ? item : fail(`${what}.${name} is no number`)];
    }),
  );
}

function toTcb(cpu: string, value: unknown): TcbVersion {
  if (typeof value === "string") {
    const product = cpuHexToProduct(cpu);
    if (product === undefined) return fail(`the CPU ${cpu} is not known`);
    if (!/^[0-9a-fA-F]{16}$/.test(value)) return fail("minimumTcb is not 16 hexadecimal digits");
    return bytesToSnpTcb(hexToBytes(value).reverse(), product);
  }
  const { hex, hexstring, components, ...rest } = toFields(value, "minimumTcb");
  const named = toNumbers(components ?? rest, "minimumTcb");
  const shown = hex ?? hexstring ?? "";
  if (named.size === 0 || typeof shown !== "string") fail("minimumTcb has no components");
  return { components: Object.fromEntries(named), hex: shown as string };
}

function toUvmEndorsements(value: unknown, what: string): UvmEndorsement[] {
  if (!Array.isArray(value) || value.length > entriesCountMax) return fail(`${what} is no list`);
  return value.map((item) => {
    const { did, feed, svn } = toFields(item, what);
    const number = typeof svn === "string" && /^\d{1,9}$/.test(svn) ? Number(svn) : svn;
    const isNumber = typeof number === "number" && Number.isSafeInteger(number);
    if (typeof did !== "string" || typeof feed !== "string" || !isNumber) return fail(what);
    return { did, feed, svn: number };
  });
}

const readers: Readonly<Record<keyof PlatformRules, (value: unknown, name: string) => unknown>> = {
  measurements: toMeasurements,
  signers: toHexes,
  hostData: toHexes,
  uvmEndorsements: toUvmEndorsements,
  minimumTcb: (value, name) =>
    new Map(
      Object.entries(toFields(value, name)).map(([cpu, item]) => [
        cpu.toLowerCase(),
        toTcb(cpu.toLowerCase(), item),
      ]),
    ),
  tcbStatuses: toTexts,
  advisories: toTexts,
  products: toTexts,
  deniedProducts: toTexts,
  hardwareIds: toHexes,
  deniedHardwareIds: toHexes,
  requiredPlatformInfo: toTexts,
  deniedPlatformInfo: toTexts,
  signingKeys: toTexts,
  profiles: toTexts,
  minimums: toNumbers,
  facts: (value, name) =>
    new Map(
      Object.entries(toFields(value, name)).map(([fact, item]) => [fact, toTexts(item, fact)]),
    ),
  collateralAgeMsMax: (value, name) =>
    typeof value === "number" && value >= 0 ? value : fail(`${name} is no duration`),
  reportData: toHexes,
  isDebugAllowed: (value, name) =>
    typeof value === "boolean" ? value : fail(`${name} is neither true nor false`),
};

/**
 * Reads the rules of one platform. Names are those of PlatformRules; sets are lists, maps are
 * objects, a minimum TCB is CCF's hex or its components. Unknown names are refused.
 * @throws {CocoError} PolicyMalformed
 */
export function jsonToPlatformRules(value: unknown): PlatformRules {
  const rules: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(toFields(value, "the rules"))) {
    if (!Object.hasOwn(readers, name)) return fail(`the rule ${name.slice(0, 40)} is not known`);
    rules[name] = readers[name as keyof PlatformRules](item, name);
  }
  return rules;
}

/** Reads rules by platform. @throws {CocoError} PolicyMalformed */
export function jsonToRules(value: unknown): Partial<Record<TeePlatform, PlatformRules>> {
  const platforms: ReadonlySet<string> = new Set(Object.values(evidenceFormats));
  const entries = Object.entries(toFields(value, "the policy")).map(([platform, item]) => {
    if (!platforms.has(platform)) return fail(`the platform ${platform.slice(0, 40)}`);
    return [platform, jsonToPlatformRules(item)] as const;
  });
  return Object.fromEntries(entries);
}

/** What JSON can say of rules: sets become lists, maps objects. */
export function platformRulesToJson(rules: PlatformRules): Record<string, unknown> {
  const plain = (value: unknown): unknown => {
    if (value instanceof Set) return [...value];
    if (value instanceof Map) {
      return Object.fromEntries([...value].map(([name, item]) => [name, plain(item)]));
    }
    return value;
  };
  return Object.fromEntries(Object.entries(rules).map(([name, value]) => [name, plain(value)]));
}

/** `coco attest verify` */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { bytesToHex, isCocoError } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  allVerifiers,
  assess,
  baselineRules,
  type Check,
  type Claims,
  evidenceFormats,
  type FoundEvidence,
  findEvidence,
  jsonToRules,
  type NamedFile,
  type PlatformRules,
  type TeePlatform,
  teeErrors,
  verifyEvidence,
} from "@coco/tee";
import type { OptionValues } from "../command.ts";
import { cliErrors } from "../errors.ts";
import { exitCode } from "../failure.ts";
import { readBytes, readJson } from "../files.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

/** What is printed with --json. */
interface Verdict {
  readonly ok: boolean;
  readonly platform: string;
  readonly code?: string;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly checks: readonly Check[];
}

const filesCountMax = 64;
const folderDepthMax = 2;

export async function run(
  context: CommandContext,
  options: OptionValues,
  file: string,
): Promise<number> {
  const nowMs = readTime(options["at"] as string | undefined);
  const policyFile = options["policy"] as string | undefined;
  const policy = policyFile === undefined ? undefined : readJson<unknown>(policyFile);
  const collateral = toList(options["collateral"]).flatMap((path) => readFiles(path));
  const files = readFiles(file);
  const platform = options["platform"] as TeePlatform | undefined;
  const verdict = judge({ files, collateral, platform, policy, nowMs });
  if (options["json"] === true) context.out(toJsonLine(verdict));
  else context.out(toText(context, verdict));
  return verdict.ok ? exitCode.ok : exitCode.verificationFailed;
}

function toList(value: unknown): readonly string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly string[]) : [value as string];
}

function readTime(text: string | undefined): number {
  if (text === undefined) return Date.now();
  const isNumber = /^\d+$/.test(text);
  const timeMs = isNumber ? Number(text) * 1000 : Date.parse(text);
  if (!Number.isFinite(timeMs)) throw cliErrors.create("Usage", `--at ${text} is no time`);
  return timeMs;
}

/** A file, or the files of a folder. */
function readFiles(path: string, depth = 0): NamedFile[] {
  let isFolder = false;
  try {
    isFolder = path !== "-" && statSync(path).isDirectory();
  } catch (cause) {
    throw cliErrors.create("FileUnreadable", path, { path }, cause);
  }
  if (!isFolder) return [{ name: basename(path), bytes: readBytes(path) }];
  if (depth >= folderDepthMax) return [];
  const names = readdirSync(path).sort().slice(0, filesCountMax);
  return names.flatMap((name) => readFiles(join(path, name), depth + 1));
}

interface Question {
  readonly files: readonly NamedFile[];
  readonly collateral: readonly NamedFile[];
  readonly platform: TeePlatform | undefined;
  readonly policy: unknown;
  readonly nowMs: number;
}

/** Several pieces of evidence in a folder are accepted together or not at all. */
function judge(question: Question): Verdict {
  const { files, collateral, platform, policy } = question;
  const rules = policy === undefined ? baselineRules : jsonToRules(policy);
  let found: readonly FoundEvidence[];
  try {
    found = findEvidence(files, collateral, platform);
  } catch (cause) {
    if (!isCocoError(cause) || !Object.hasOwn(teeErrors.descriptions, cause.code)) throw cause;
    const checks = [{ name: "evidence", ok: false, detail: cause.message }];
    return { ok: false, platform: platform ?? "unknown", code: cause.code, claims: {}, checks };
  }
  const verdicts = found.map((one) => judgeOne(one, rules, question.nowMs));
  const [first] = verdicts;
  if (verdicts.length === 1) return first!;
  const refused = verdicts.find(({ ok }) => !ok);
  const checks = verdicts.flatMap((verdict, index) =>
    verdict.checks.map((check) => ({ ...check, name: `${found[index]!.name}: ${check.name}` })),
  );
  return { ...(refused ?? first!), checks };
}

function judgeOne(
  found: FoundEvidence,
  rules: Readonly<Partial<Record<TeePlatform, PlatformRules>>>,
  nowMs: number,
): Verdict {
  const { evidence } = found;
  const platform = evidenceFormats[evidence.format];
  const verified = verifyEvidence(allVerifiers, {
    evidence,
    nowMs,
    crypto: createNodeCrypto(),
    collateral: found.collateral,
    isDebugAllowed: rules[platform]?.isDebugAllowed === true,
  });
  const seen = found.files
    .filter(({ taken }) => taken !== "ignored")
    .map(({ name, taken }) => ({ name: "file", ok: true, detail: `${name}: ${taken}` }));
  const { claims } = verified;
  const assessed = claims === undefined ? undefined : assess(claims, rules, nowMs);
  const code = verified.code ?? assessed?.code;
  return {
    ok: verified.ok && assessed?.ok === true,
    platform,
    ...(code === undefined ? {} : { code }),
    claims: claims === undefined ? {} : claimsToJson(claims),
    checks: [...seen, ...verified.checks, ...(assessed?.checks ?? [])],
  };
}

function claimsToJson(claims: Claims): Record<string, unknown> {
  return { ...claims, reportData: bytesToHex(claims.reportData) };
}

function toText(context: CommandContext, verdict: Verdict): string {
  const { color } = context;
  const { ok, platform, code, claims, checks } = verdict;
  const rows = checks.map((check) => [
    check.ok ? "ok" : "REFUSED",
    check.name,
    check.detail.length > 100 ? `${check.detail.slice(0, 97)}...` : check.detail,
  ]);
  const shown = Object.entries(claims)
    .filter(([, value]) => typeof value !== "object")
    .map(([name, value]) => [name, String(value)]);
  const head = ok
    ? `accepted: genuine ${platform} evidence\n`
    : `refused: ${platform}, ${code}: ${describe(code)}\n`;
  const isInsecure = claims["isHardware"] === false;
  const warning = isInsecure ? "INSECURE: no hardware protects this program\n" : "";
  return `${toTable(rows)}\n${toTable(shown)}\n${ok ? head : color.bold(head)}${warning}`;
}

function describe(code: string | undefined): string {
  const description = teeErrors.descriptions[code as keyof typeof teeErrors.descriptions];
  return description === undefined ? "" : `${description.title}. ${description.next}`;
}

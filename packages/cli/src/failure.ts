/** How commands end: exit codes and the one line that says what went wrong. */
import { errorToLine, isCocoError } from "@coco/base";
import type { CommandContext } from "./streams.ts";

export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  network: 3,
  verificationFailed: 4,
} as const;

/** Errors of the client that mean: no connection. */
const networkNumberMax = 8009;

/**
 * The exit code for an error. Errors of the ledger room (2100s) say that files or receipts do not
 * verify.
 */
function errorToExitCode(error: unknown): number {
  if (!isCocoError(error)) return exitCode.failed;
  const { number, code } = error;
  if (code === "Usage") return exitCode.usage;
  if (number >= 8000 && number <= networkNumberMax) return exitCode.network;
  if (number >= 2100 && number <= 2199) return exitCode.verificationFailed;
  return exitCode.failed;
}

/** An error that belongs to a verification, whatever room it comes from: exit code 4. */
class VerificationFailure extends Error {
  override readonly name = "VerificationFailure";
}

/** Writes the error to stderr, and with `--json` as one line of JSON to stdout. */
export function reportError(context: CommandContext, error: unknown, isJson: boolean): number {
  const isVerification = error instanceof VerificationFailure;
  const shown = isVerification ? error.cause : error;
  const code = isVerification ? exitCode.verificationFailed : errorToExitCode(error);
  if (isJson) {
    const facts = isCocoError(shown) ? { code: shown.code, number: shown.number } : {};
    const message = shown instanceof Error ? shown.message : String(shown);
    const place = isCocoError(shown) ? shown.facts : {};
    const body = { ok: false, error: { ...facts, message, ...definedFacts(place) } };
    context.out(`${JSON.stringify(body)}\n`);
  }
  const line = errorToLine(shown).replace(/^COCO-[0-9]+/, (number) => context.color.red(number));
  context.talk(`${isCocoError(shown) ? "" : "coco: "}${line}\n`);
  if (context.verbosity >= 2) talkStacks(context, shown);
  return code;
}

function definedFacts(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

function talkStacks(context: CommandContext, error: unknown): void {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; depth++) {
    context.talk(`${context.color.dim(at.stack ?? at.message)}\n`);
    at = at.cause;
  }
}

/** Errors that say something about the machine, not about what is verified. */
const machineErrors: ReadonlySet<string> = new Set(["FileUnreadable", "FileUnwritable", "Usage"]);

/** Runs the part of a command that verifies: what it finds wrong ends with exit code 4. */
export async function verifying<Result>(check: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await check();
  } catch (cause) {
    if (isCocoError(cause) && machineErrors.has(cause.code)) throw cause;
    throw new VerificationFailure("verification failed", { cause });
  }
}

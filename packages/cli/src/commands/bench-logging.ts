/** `coco bench logging` */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoggingBenchOptions, LoggingBenchResult } from "@coco/testkit";
import type { OptionValues } from "../command.ts";
import { findSandbox } from "../connection.ts";
import { cliErrors } from "../errors.ts";
import { readText } from "../files.ts";
import { type ChildSandbox, startChildSandbox } from "../sandbox/child.ts";
import { type CommandContext, toJsonLine, toTable } from "../streams.ts";

export async function run(context: CommandContext, options: OptionValues): Promise<undefined> {
  const { runLoggingBench } = await import("@coco/testkit");
  const settings = {
    durationMs: parseDuration(options["duration"] as string),
    connectionCount: options["connections"] as number,
    keyCount: options["keys"] as number,
  };
  const urls = options["url"] as readonly string[] | undefined;
  if (urls !== undefined) {
    context.talk(`Measuring ${urls.join(", ")} ...\n`);
    const result = await runLoggingBench({ ...settings, ...findTarget(options, urls) });
    print(context, result, options["json"] === true);
    return;
  }
  if (options["nodes"] !== 1) {
    const detail = "the own network has one node; start the nodes and name them with --url";
    throw cliErrors.create("Usage", detail);
  }
  await withOwnSandbox(context, async (sandbox) => {
    const user = sandbox.facts.users[0]!;
    const result = await runLoggingBench({
      ...settings,
      urls: [sandbox.facts.url],
      serviceCertificate: readText(sandbox.facts.serviceCert),
      certificate: readText(user.cert),
      key: readText(user.key),
      serverPid: sandbox.pid,
    });
    print(context, result, options["json"] === true);
  });
}

async function withOwnSandbox(
  context: CommandContext,
  use: (sandbox: ChildSandbox) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "coco-bench-"));
  context.talk("Starting a network of its own ...\n");
  try {
    const data = join(directory, "sandbox");
    const sandbox = await startChildSandbox(["--port", "0", "--data", data], context.stop);
    try {
      context.talk(`Measuring ${sandbox.facts.url} ...\n`);
      await use(sandbox);
    } finally {
      await sandbox.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Certificates of the running network: from the flags, or from the sandbox of this directory. */
function findTarget(
  options: OptionValues,
  urls: readonly string[],
): Pick<LoggingBenchOptions, "urls" | "serviceCertificate" | "certificate" | "key"> {
  const sandbox = findSandbox({ sandbox: "workspace/sandbox" });
  const user = sandbox?.users[0];
  const serviceCert = (options["serviceCert"] as string | undefined) ?? sandbox?.serviceCert;
  const cert = (options["cert"] as string | undefined) ?? user?.cert;
  const key = (options["key"] as string | undefined) ?? user?.key;
  if (cert === undefined || key === undefined) {
    throw cliErrors.create("NotConnected", "the user's --cert and --key are missing");
  }
  return {
    urls,
    ...(serviceCert !== undefined && { serviceCertificate: readText(serviceCert) }),
    certificate: readText(cert),
    key: readText(key),
  };
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** `10s`, `500ms`, `2m`; a bare number is seconds. @throws {CocoError} Usage */
export function parseDuration(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m)?$/.exec(text);
  const durationMs = match === null ? 0 : Number(match[1]) * unitsMs[match[2] ?? "s"]!;
  if (durationMs > 0) return durationMs;
  throw cliErrors.create("Usage", `--duration ${text}: give for example 10s, 500ms or 2m`);
}

function print(context: CommandContext, result: LoggingBenchResult, isJson: boolean): void {
  if (isJson) {
    context.out(toJsonLine(result));
    return;
  }
  const rows = Object.entries(result).flatMap(([name, value]) =>
    typeof value === "object" ? [] : [[name, toFigure(value)]],
  );
  context.out(toTable(rows));
}

function toFigure(value: unknown): string {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return value.toFixed(value < 10 ? 3 : 1);
}

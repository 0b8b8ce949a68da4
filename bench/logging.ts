/**
 * Starts a sandbox with the logging app, measures it, and writes the result as JSON to standard
 * output and to bench/results. With --url it measures a node that already runs.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { type LoggingBenchOptions, runLoggingBench } from "@coco/testkit";

const usage = `npm run bench:logging -- [--seconds 10] [--connections 50] [--keys 1000000]
  [--pipeline 1] [--rate 3000] [--fill] [--out FILE]
  [--url URL --service-cert FILE --cert FILE --key FILE [--pid PID]]
`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    connections: { type: "string", default: "50" },
    keys: { type: "string", default: "1000000" },
    pipeline: { type: "string", default: "1" },
    rate: { type: "string", default: "3000" },
    fill: { type: "boolean", default: false },
    out: { type: "string" },
    url: { type: "string", multiple: true },
    "service-cert": { type: "string" },
    cert: { type: "string" },
    key: { type: "string" },
    pid: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

type Target = Pick<LoggingBenchOptions, "urls" | "certificate" | "key"> &
  Partial<Pick<LoggingBenchOptions, "serviceCertificate" | "serverPid">>;

/** The line that `coco sandbox --json` prints when it is ready. */
interface SandboxLine {
  readonly url: string;
  readonly serviceCert: string;
  readonly users: readonly { readonly cert: string; readonly key: string }[];
}

const read = (path: string) => readFileSync(path, "utf8");

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 8000;
}

async function startSandbox(dataDir: string): Promise<{ child: ChildProcess; target: Target }> {
  const port = String(await freePort());
  const args = ["packages/cli/bin/coco.js", "sandbox", "--json", "--app", "bench/logging-app"];
  const child = spawn(process.execPath, [...args, "--port", port, "--data", dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<SandboxLine>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", (text) => resolve(JSON.parse(text)));
    child.once("exit", (code) => reject(new Error(`the sandbox ended with code ${code}`)));
  });
  const user = line.users[0]!;
  const target = {
    urls: [line.url],
    serviceCertificate: read(line.serviceCert),
    certificate: read(user.cert),
    key: read(user.key),
    serverPid: child.pid!,
  };
  return { child, target };
}

function givenTarget(urls: readonly string[]): Target {
  if (values.cert === undefined || values.key === undefined) throw new Error(usage);
  const serviceCert = values["service-cert"];
  return {
    urls,
    ...(serviceCert !== undefined && { serviceCertificate: read(serviceCert) }),
    certificate: read(values.cert),
    key: read(values.key),
    ...(values.pid !== undefined && { serverPid: Number(values.pid) }),
  };
}

async function measure(target: Target): Promise<void> {
  const result = await runLoggingBench({
    ...target,
    durationMs: Number(values.seconds) * 1000,
    connectionCount: Number(values.connections),
    keyCount: Number(values.keys),
    pipelineDepth: Number(values.pipeline),
    commitRatePerSecond: Number(values.rate),
    isFilled: values.fill,
  });
  const text = `${JSON.stringify(result, undefined, 2)}\n`;
  const stamp = result.machine.measuredAt.replaceAll(/[:.]/g, "-");
  mkdirSync("bench/results", { recursive: true });
  writeFileSync(values.out ?? `bench/results/local-logging-${stamp}.json`, text);
  process.stdout.write(text);
}

async function main(): Promise<void> {
  if (values.help) {
    process.stderr.write(usage);
    return;
  }
  if (values.url !== undefined) {
    await measure(givenTarget(values.url));
    return;
  }
  const dataDir = mkdtempSync(join(tmpdir(), "coco-bench-"));
  const { child, target } = await startSandbox(dataDir);
  try {
    await measure(target);
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    rmSync(dataDir, { recursive: true, force: true });
  }
}

await main();

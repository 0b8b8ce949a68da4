/** The whole-system measurement of the `logging` workload against one service. */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { testkitErrors } from "../errors.ts";
import type { MachineFacts } from "./machine-facts.ts";

export interface LoggingBenchOptions {
  /** `https://host:port` of the nodes: all writes go to the first, reads to all of them. */
  readonly urls: readonly string[];
  /** PEM; undefined accepts any server. */
  readonly serviceCertificate?: string;
  /** PEM of a user's certificate and its key. */
  readonly certificate: string;
  readonly key: string;
  /** Length of each throughput phase; the others are shorter. Default 10 s. */
  readonly durationMs?: number;
  /** Default 50. */
  readonly connectionCount?: number;
  /** Number of distinct keys. Default 1,000,000. */
  readonly keyCount?: number;
  /** Requests in flight on one connection in the throughput phases. Default 1. */
  readonly pipelineDepth?: number;
  /** Rate of the commit phase. Default 3,000. */
  readonly commitRatePerSecond?: number;
  /** Writes every key at the end, to see the memory of a full store. Default false. */
  readonly isFilled?: boolean;
  /** Process of the node, when it runs on this machine: its CPU time and memory are reported. */
  readonly serverPid?: number;
}

/** Absent figures could not be measured: process facts need a local process on Linux. */
export interface LoggingBenchResult {
  readonly workload: "logging";
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  readonly writeP50Ms: number;
  readonly writeP99Ms: number;
  readonly readP50Ms: number;
  readonly readP99Ms: number;
  readonly commitP50Ms: number;
  readonly commitP99Ms: number;
  readonly commitRatePerSecond: number;
  readonly commitSamples: number;
  /** `wait`: the answer came after commit; `poll`: GET /node/tx was asked until Committed. */
  readonly commitMethod: "wait" | "poll";
  readonly singleConnectionP50Ms: number;
  readonly singleConnectionP99Ms: number;
  readonly singleConnectionReadP50Ms: number;
  readonly serverCpuMicrosPerWrite?: number;
  readonly serverCpuMicrosPerRead?: number;
  /** Memory of the node after the last phase. */
  readonly rssBytes?: number;
  readonly generatorCpuMicrosPerWrite: number;
  readonly generatorCpuMicrosPerRead: number;
  readonly writes: number;
  readonly reads: number;
  /** Writes that the node refused for want of room (503) and that were sent again. */
  readonly writesRefused: number;
  readonly distinctKeysWritten: number;
  readonly connections: number;
  readonly pipelineDepth: number;
  readonly keys: number;
  readonly nodes: number;
  readonly seconds: number;
  readonly machine: MachineFacts;
}

/**
 * Runs all phases in a process of its own, so that the caller's work does not disturb them.
 * @throws {CocoError} BadLoadOptions, ConnectionLost, RequestRefused, BadResponse, GeneratorFailed
 */
export async function runLoggingBench(options: LoggingBenchOptions): Promise<LoggingBenchResult> {
  checkOptions(options);
  const entry = generatorPath();
  if (entry === undefined) {
    const { runLoggingPhases } = await import("./logging-phases.ts");
    return runLoggingPhases(options);
  }
  const child = fork(entry, [], { execArgv: ["--max-semi-space-size=32"] });
  try {
    return await askChild(child, options);
  } finally {
    child.kill();
  }
}

function checkOptions(options: LoggingBenchOptions): void {
  const { urls, durationMs, connectionCount, keyCount, pipelineDepth } = options;
  const numbers = { durationMs, connectionCount, keyCount, pipelineDepth };
  for (const [name, value] of Object.entries(numbers)) {
    if (value !== undefined && !(Number.isFinite(value) && value > 0)) {
      throw testkitErrors.create("BadLoadOptions", `${name} is ${value}`);
    }
  }
  if (urls.length === 0) throw testkitErrors.create("BadLoadOptions", "there is no URL");
  for (const url of urls) {
    if (!URL.canParse(url) || new URL(url).protocol !== "https:") {
      throw testkitErrors.create("BadLoadOptions", `${url} is not an https URL`);
    }
  }
}

/** The built generator; undefined when this module runs from its source. */
function generatorPath(): string | undefined {
  const path = fileURLToPath(new URL("./generator.js", import.meta.url));
  return existsSync(path) ? path : undefined;
}

/** What the generator's process sends. */
export type GeneratorMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly result: LoggingBenchResult }
  | { readonly kind: "error"; readonly code: string; readonly message: string };

function askChild(child: ChildProcess, options: LoggingBenchOptions): Promise<LoggingBenchResult> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: GeneratorMessage) => {
      if (message.kind === "ready") child.send(options);
      else if (message.kind === "result") resolve(message.result);
      else reject(toError(message.code, message.message));
    });
    child.on("error", (cause) =>
      reject(testkitErrors.create("GeneratorFailed", cause.message, {}, cause)),
    );
    child.on("exit", (code) => reject(testkitErrors.create("GeneratorFailed", `exit ${code}`)));
  });
}

/** Errors lose their class on the way between processes. */
function toError(code: string, message: string): Error {
  const known = code in testkitErrors.descriptions ? code : "GeneratorFailed";
  return testkitErrors.create(known as keyof typeof testkitErrors.descriptions, message);
}

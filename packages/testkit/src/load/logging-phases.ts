import type { PhaseResult } from "./closed-loop.ts";
import { refusal, runClosedLoop } from "./closed-loop.ts";
import { LoadConnection, type LoadTarget } from "./load-connection.ts";
import type { LoggingBenchOptions, LoggingBenchResult } from "./logging-bench.ts";
import { createLoggingWorkload, encodeGet, type LoggingWorkload } from "./logging-workload.ts";
import { readMachineFacts } from "./machine-facts.ts";
import { CommitProbe, isCommitted, runOpenLoop } from "./open-loop.ts";
import { readProcessUsage } from "./process-usage.ts";

/** Handshakes that run at once: more would only queue on the node. */
const handshakesAtOnce = 8;
const warmUpMs = 1_000;
const singlePhaseMs = 2_000;
const commitPhaseMs = 5_000;

interface Bench {
  readonly options: LoggingBenchOptions;
  readonly host: string;
  readonly workload: LoggingWorkload;
  /** To the first node. */
  readonly writers: readonly LoadConnection[];
  /** Spread over all nodes. */
  readonly readers: readonly LoadConnection[];
  readonly single: LoadConnection;
}

/** Runs the phases one after the other on the calling thread. */
export async function runLoggingPhases(options: LoggingBenchOptions): Promise<LoggingBenchResult> {
  const startMs = performance.now();
  const machine = readMachineFacts();
  const bench = await openBench(options);
  try {
    const figures = await measure(bench);
    return {
      ...figures,
      connections: bench.writers.length,
      pipelineDepth: options.pipelineDepth ?? 1,
      keys: bench.workload.keyCount,
      nodes: options.urls.length,
      seconds: Math.round((performance.now() - startMs) / 100) / 10,
      machine,
    };
  } finally {
    for (const connection of [...bench.writers, ...bench.readers, bench.single]) connection.close();
  }
}

async function openBench(options: LoggingBenchOptions): Promise<Bench> {
  const { urls, connectionCount = 50, keyCount = 1_000_000 } = options;
  const host = new URL(urls[0]!).host;
  const target = (url: string): LoadTarget => ({ ...options, url });
  const writers = await openMany(connectionCount, () => target(urls[0]!));
  const readers =
    urls.length === 1
      ? writers
      : await openMany(connectionCount, (index) => target(urls[index % urls.length]!));
  const single = await LoadConnection.open(target(urls[0]!));
  return {
    options,
    host,
    workload: createLoggingWorkload(host, keyCount),
    writers,
    readers,
    single,
  };
}

async function openMany(
  count: number,
  targetOf: (index: number) => LoadTarget,
): Promise<LoadConnection[]> {
  const connections: LoadConnection[] = [];
  while (connections.length < count) {
    const batch = Math.min(handshakesAtOnce, count - connections.length);
    const opened = Array.from({ length: batch }, (_, index) =>
      LoadConnection.open(targetOf(connections.length + index)),
    );
    connections.push(...(await Promise.all(opened)));
  }
  return connections;
}

type Figures = Omit<
  LoggingBenchResult,
  "connections" | "pipelineDepth" | "keys" | "nodes" | "seconds" | "machine"
>;

async function measure(bench: Bench): Promise<Figures> {
  const { options, workload, writers, readers, single } = bench;
  const durationMs = options.durationMs ?? 10_000;
  const pipelineDepth = options.pipelineDepth ?? 1;
  const writer = workload.createWriter();
  const reader = workload.createReader(() => workload.writtenCount);
  const warm = Math.min(warmUpMs, durationMs / 2);
  await runClosedLoop({ connections: writers, maker: writer, durationMs: warm, pipelineDepth });
  const write = await withServerCpu(options.serverPid, () =>
    runClosedLoop({ connections: writers, maker: writer, durationMs, pipelineDepth }),
  );
  await runClosedLoop({ connections: readers, maker: reader, durationMs: warm, pipelineDepth });
  const read = await withServerCpu(options.serverPid, () =>
    runClosedLoop({ connections: readers, maker: reader, durationMs, pipelineDepth }),
  );
  const singleMs = Math.min(singlePhaseMs, durationMs);
  const one = await runClosedLoop({ connections: [single], maker: writer, durationMs: singleMs });
  const oneRead = await runClosedLoop({
    connections: [single],
    maker: reader,
    durationMs: singleMs,
  });
  const commit = await measureCommit(bench, Math.min(commitPhaseMs, durationMs));
  if (options.isFilled === true) await fill(bench);
  const usage = options.serverPid === undefined ? undefined : readProcessUsage(options.serverPid);
  return {
    workload: "logging",
    writesPerSecond: write.perSecond,
    readsPerSecond: read.perSecond,
    writeP50Ms: write.p50Ms,
    writeP99Ms: write.p99Ms,
    readP50Ms: read.p50Ms,
    readP99Ms: read.p99Ms,
    ...commit,
    singleConnectionP50Ms: one.p50Ms,
    singleConnectionP99Ms: one.p99Ms,
    singleConnectionReadP50Ms: oneRead.p50Ms,
    ...(write.serverCpuMicros !== undefined && { serverCpuMicrosPerWrite: write.serverCpuMicros }),
    ...(read.serverCpuMicros !== undefined && { serverCpuMicrosPerRead: read.serverCpuMicros }),
    ...(usage !== undefined && { rssBytes: usage.rssBytes }),
    generatorCpuMicrosPerWrite: write.generatorCpuMicros,
    generatorCpuMicrosPerRead: read.generatorCpuMicros,
    writes: write.count,
    reads: read.count,
    writesRefused: write.refusedCount,
    distinctKeysWritten: workload.writtenCount,
  };
}

/** Adds the CPU time that the node's process spent on one request. */
async function withServerCpu(
  pid: number | undefined,
  run: () => Promise<PhaseResult>,
): Promise<PhaseResult & { readonly serverCpuMicros?: number }> {
  const before = pid === undefined ? undefined : readProcessUsage(pid);
  const result = await run();
  const after = pid === undefined ? undefined : readProcessUsage(pid);
  if (before === undefined || after === undefined) return result;
  const micros = (after.cpuMicros - before.cpuMicros) / Math.max(1, result.count);
  return { ...result, serverCpuMicros: Math.round(micros * 10) / 10 };
}

type CommitFigures = Pick<
  LoggingBenchResult,
  "commitP50Ms" | "commitP99Ms" | "commitRatePerSecond" | "commitSamples" | "commitMethod"
>;

/** Time from the moment a write is due until the client knows that it is committed. */
async function measureCommit(bench: Bench, durationMs: number): Promise<CommitFigures> {
  const { options, workload, writers, host, single } = bench;
  const ratePerSecond = options.commitRatePerSecond ?? 3_000;
  const waits = await canWaitForCommit(bench);
  const maker = workload.createWriter({ waitsForCommit: waits });
  const probe = new CommitProbe(single, host);
  const phase = await runOpenLoop({
    connections: writers,
    maker,
    ratePerSecond,
    durationMs,
    ...(!waits && { onWritten: (txId, dueAtMs) => probe.offer(txId, dueAtMs) }),
  });
  return {
    commitP50Ms: waits ? phase.p50Ms : probe.histogram.percentileMs(0.5),
    commitP99Ms: waits ? phase.p99Ms : probe.histogram.percentileMs(0.99),
    commitRatePerSecond: phase.perSecond,
    commitSamples: waits ? phase.count : probe.histogram.count,
    commitMethod: waits ? "wait" : "poll",
  };
}

/** Whether the node honours `x-coco-wait`: then the write is committed when its answer is there. */
async function canWaitForCommit(bench: Bench): Promise<boolean> {
  const { single, host, workload } = bench;
  const maker = workload.createWriter({ waitsForCommit: true });
  for (let attempt = 0; attempt < 3; attempt++) {
    const written = await single.ask(maker.next());
    if (written.status >= 300) throw refusal(written.status, written.body);
    const path = `/node/tx?transaction_id=${written.txId}`;
    if (!isCommitted((await single.ask(encodeGet(host, path))).body)) return false;
  }
  return true;
}

/** Writes the keys that are not yet there. */
async function fill(bench: Bench): Promise<void> {
  const { workload, writers } = bench;
  const countMax = workload.keyCount - workload.writtenCount;
  if (countMax <= writers.length) return;
  const durationMs = Number.POSITIVE_INFINITY;
  const maker = workload.createWriter();
  await runClosedLoop({ connections: writers, maker, durationMs, countMax, pipelineDepth: 4 });
}

import { testkitErrors } from "../errors.ts";
import { LatencyHistogram } from "./histogram.ts";
import type { LoadConnection } from "./load-connection.ts";
import type { RequestMaker } from "./logging-workload.ts";

export interface PhaseResult {
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** CPU of the generator for one request. */
  readonly generatorCpuMicros: number;
  /** Requests that the node refused because it had too much to do; they were sent again. */
  readonly refusedCount: number;
}

export interface ClosedLoopOptions {
  readonly connections: readonly LoadConnection[];
  readonly maker: RequestMaker;
  readonly durationMs: number;
  /** Stop after so many answers. */
  readonly countMax?: number;
  /** Requests in flight on each connection. */
  readonly pipelineDepth?: number;
}

interface InFlight {
  readonly bytes: Uint8Array;
  readonly sentAtMs: number;
}

/** How long a connection rests after a 503. */
const restMs = 5;

/**
 * Each connection sends its next request when the answer to the oldest one has come. After a 503
 * it rests a little: that is how a node slows its clients down.
 */
export function runClosedLoop(options: ClosedLoopOptions): Promise<PhaseResult> {
  const { connections, maker, countMax = Number.POSITIVE_INFINITY, pipelineDepth = 1 } = options;
  const histogram = new LatencyHistogram();
  const cpuStart = process.cpuUsage();
  const startMs = performance.now();
  const endMs = startMs + options.durationMs;
  let sent = 0;
  let waiting = 0;
  let refusedCount = 0;
  return new Promise((resolve, reject) => {
    const finish = (nowMs: number) => {
      const cpu = process.cpuUsage(cpuStart);
      resolve(toPhaseResult(histogram, nowMs - startMs, cpu, refusedCount));
    };
    for (const connection of connections) {
      const inFlight: InFlight[] = [];
      const send = (bytes: Uint8Array, sentAtMs: number) => {
        inFlight.push({ bytes: connection.send(bytes), sentAtMs });
      };
      const sendNext = (sentAtMs: number) => {
        sent += 1;
        waiting += 1;
        send(maker.next(), sentAtMs);
      };
      connection.onError = reject;
      connection.onResponse = ({ status, body }) => {
        const nowMs = performance.now();
        const { bytes, sentAtMs } = inFlight.shift()!;
        if (status === 503) {
          refusedCount += 1;
          setTimeout(() => send(bytes, performance.now()), restMs);
          return;
        }
        waiting -= 1;
        histogram.record((nowMs - sentAtMs) * 1000);
        if (status >= 300) reject(refusal(status, body));
        else if (nowMs < endMs && sent < countMax) sendNext(nowMs);
        else if (waiting === 0) finish(nowMs);
      };
      for (let depth = 0; depth < pipelineDepth; depth++) sendNext(startMs);
    }
  });
}

export function toPhaseResult(
  histogram: LatencyHistogram,
  elapsedMs: number,
  cpu: NodeJS.CpuUsage,
  refusedCount: number,
): PhaseResult {
  const { count } = histogram;
  return {
    count,
    seconds: round(elapsedMs / 1000),
    perSecond: Math.round((count * 1000) / elapsedMs),
    p50Ms: round(histogram.percentileMs(0.5)),
    p99Ms: round(histogram.percentileMs(0.99)),
    maxMs: round(histogram.percentileMs(1)),
    refusedCount,
    generatorCpuMicros: round((cpu.user + cpu.system) / Math.max(1, count)),
  };
}

export function refusal(status: number, body: Uint8Array): Error {
  const text = Buffer.from(body).toString("latin1").slice(0, 200);
  return testkitErrors.create("RequestRefused", `status ${status}: ${text}`, { status });
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

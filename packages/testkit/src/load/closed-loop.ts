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

/** Each connection sends its next request when the answer to the oldest one has come. */
export function runClosedLoop(options: ClosedLoopOptions): Promise<PhaseResult> {
  const { connections, maker, countMax = Number.POSITIVE_INFINITY, pipelineDepth = 1 } = options;
  const histogram = new LatencyHistogram();
  const cpuStart = process.cpuUsage();
  const startMs = performance.now();
  const endMs = startMs + options.durationMs;
  let sent = 0;
  let waiting = 0;
  return new Promise((resolve, reject) => {
    const send = (connection: LoadConnection, sentAt: number[], nowMs: number) => {
      sentAt.push(nowMs);
      sent += 1;
      waiting += 1;
      connection.send(maker.next());
    };
    for (const connection of connections) {
      const sentAt: number[] = [];
      connection.onError = reject;
      connection.onResponse = (response) => {
        const nowMs = performance.now();
        waiting -= 1;
        histogram.record((nowMs - sentAt.shift()!) * 1000);
        if (response.status >= 300) {
          reject(refusal(response.status, response.body));
        } else if (nowMs < endMs && sent < countMax) {
          send(connection, sentAt, nowMs);
        } else if (waiting === 0) {
          resolve(toPhaseResult(histogram, nowMs - startMs, process.cpuUsage(cpuStart)));
        }
      };
      for (let depth = 0; depth < pipelineDepth; depth++) send(connection, sentAt, startMs);
    }
  });
}

export function toPhaseResult(
  histogram: LatencyHistogram,
  elapsedMs: number,
  cpu: NodeJS.CpuUsage,
): PhaseResult {
  const { count } = histogram;
  return {
    count,
    seconds: round(elapsedMs / 1000),
    perSecond: Math.round((count * 1000) / elapsedMs),
    p50Ms: round(histogram.percentileMs(0.5)),
    p99Ms: round(histogram.percentileMs(0.99)),
    maxMs: round(histogram.percentileMs(1)),
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

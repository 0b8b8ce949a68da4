import { type PhaseResult, refusal, toPhaseResult } from "./closed-loop.ts";
import { LatencyHistogram } from "./histogram.ts";
import type { LoadConnection } from "./load-connection.ts";
import { encodeGet, type RequestMaker } from "./logging-workload.ts";

export interface OpenLoopOptions {
  readonly connections: readonly LoadConnection[];
  readonly maker: RequestMaker;
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** Told of every answer: its id and when its request was due. */
  readonly onWritten?: (txId: string | undefined, dueAtMs: number) => void;
}

/**
 * Sends at a fixed rate whether answers come or not; a duration counts from the moment at which
 * the request was due, so that a stalled node cannot hide its stall.
 */
export function runOpenLoop(options: OpenLoopOptions): Promise<PhaseResult> {
  const { connections, maker, ratePerSecond, durationMs } = options;
  const histogram = new LatencyHistogram();
  const cpuStart = process.cpuUsage();
  const startMs = performance.now();
  const total = Math.max(1, Math.round((ratePerSecond * durationMs) / 1000));
  const dueAt = connections.map((): number[] => []);
  let sent = 0;
  let answered = 0;
  let refusedCount = 0;
  return new Promise((resolve, reject) => {
    connections.forEach((connection, index) => {
      connection.onError = reject;
      connection.onResponse = (response) => {
        const nowMs = performance.now();
        const due = dueAt[index]!.shift()!;
        answered += 1;
        if (response.status < 300) {
          histogram.record((nowMs - due) * 1000);
          options.onWritten?.(response.txId, due);
        } else if (response.status === 503) refusedCount += 1;
        else reject(refusal(response.status, response.body));
        if (answered === total) {
          clearInterval(timer);
          const cpu = process.cpuUsage(cpuStart);
          resolve(toPhaseResult(histogram, nowMs - startMs, cpu, refusedCount));
        }
      };
    });
    const timer = setInterval(() => {
      const dueCount = ((performance.now() - startMs) * ratePerSecond) / 1000;
      while (sent < total && sent < dueCount) {
        const index = sent % connections.length;
        dueAt[index]!.push(startMs + (sent * 1000) / ratePerSecond);
        sent += 1;
        connections[index]!.send(maker.next());
      }
    }, 1);
  });
}

/**
 * Watches single transactions until they are committed by asking GET /node/tx again and again,
 * one after the other on a connection of its own.
 */
export class CommitProbe {
  readonly histogram = new LatencyHistogram();
  readonly #connection: LoadConnection;
  readonly #host: string;
  #isBusy = false;

  constructor(connection: LoadConnection, host: string) {
    this.#connection = connection;
    this.#host = host;
  }

  /** Watches `txId`, unless another transaction is being watched. */
  offer(txId: string | undefined, sinceMs: number): void {
    if (this.#isBusy || txId === undefined) return;
    this.#isBusy = true;
    this.#watch(txId, sinceMs).then(
      () => {
        this.#isBusy = false;
      },
      // The probe stays busy: the phase then ends with fewer samples, which it reports.
      () => {},
    );
  }

  async #watch(txId: string, sinceMs: number): Promise<void> {
    const request = encodeGet(this.#host, `/node/tx?transaction_id=${txId}`);
    for (;;) {
      const response = await this.#connection.ask(request);
      if (isCommitted(response.body)) break;
    }
    this.histogram.record((performance.now() - sinceMs) * 1000);
  }
}

/** Whether the body of GET /node/tx says so. */
export function isCommitted(body: Uint8Array): boolean {
  return Buffer.from(body).includes('"Committed"');
}

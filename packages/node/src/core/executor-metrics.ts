/** Metrics of a node, read from what the executor and the front workers count anyway. */
import type { MetricsPort, SessionMetrics } from "../api/ports.ts";
import { FrontCounters, type InterfaceCounter } from "../front/front-counters.ts";
import { MetricsRegistry, registerProcessMetrics } from "../metrics.ts";
import type { ApplicationsOptions } from "./applications.ts";

type Read = () => number;
type Row = readonly [name: string, kind: "counter" | "gauge", help: string, read: Read];

/** The rows about consensus, ledger and execution. */
function executorRows(options: ApplicationsOptions): readonly Row[] {
  const { consensus, pipeline, disk, state, dispatcherStats, commitWaiterCount } = options;
  const { store } = state;
  return [
    ["coco_view", "gauge", "View of consensus.", () => consensus.view],
    ["coco_seqno", "gauge", "Last executed transaction.", () => store.seqno],
    [
      "coco_committed_seqno",
      "gauge",
      "Last committed transaction.",
      () => consensus.lastCommitted().seqno,
    ],
    ["coco_is_primary", "gauge", "1 on the primary.", () => (consensus.isPrimary ? 1 : 0)],
    ["coco_requests_total", "counter", "Requests executed.", () => dispatcherStats().requestCount],
    [
      "coco_request_errors_total",
      "counter",
      "Requests refused before their handler ran.",
      () => dispatcherStats().errorCount,
    ],
    [
      "coco_transaction_conflicts_total",
      "counter",
      "Transactions that had to run again.",
      () => dispatcherStats().conflictCount,
    ],
    [
      "coco_handlers_terminated_total",
      "counter",
      "Handlers that exceeded their time.",
      () => dispatcherStats().terminatedCount,
    ],
    ["coco_commit_waiters", "gauge", "Answers waiting for commit.", commitWaiterCount],
    [
      "coco_uncommitted_transactions",
      "gauge",
      "Executed and not committed.",
      () => pipeline.uncommittedCount,
    ],
    [
      "coco_ledger_entries_total",
      "counter",
      "Entries appended to the ledger.",
      () => pipeline.stats.appendedCount,
    ],
    ["coco_ledger_written_bytes_total", "counter", "Written.", () => disk.stats.writtenBytes],
    ["coco_ledger_flushes_total", "counter", "Flushes to disk.", () => disk.stats.flushCount],
    [
      "coco_ledger_flush_seconds_total",
      "counter",
      "Time spent in flushes.",
      () => disk.stats.flushMs / 1000,
    ],
    [
      "coco_signatures_total",
      "counter",
      "Signatures over the Merkle root.",
      () => pipeline.stats.signatureCount,
    ],
    [
      "coco_signature_seconds_total",
      "counter",
      "Time from the begin of a signature to its end.",
      () => pipeline.stats.signatureMs / 1000,
    ],
  ];
}

const frontSamples: readonly (readonly [InterfaceCounter, string, "counter" | "gauge"])[] = [
  ["active", "coco_sessions_active", "gauge"],
  ["peak", "coco_sessions_peak", "gauge"],
  ["requests", "coco_http_requests_total", "counter"],
  ["parsingErrors", "coco_http_parsing_errors_total", "counter"],
  ["bodyTooLarge", "coco_http_body_too_large_total", "counter"],
  ["headerTooLarge", "coco_http_header_too_large_total", "counter"],
  ["refusedSoft", "coco_sessions_refused_total", "counter"],
  ["refusedHard", "coco_sessions_closed_total", "counter"],
];

export function createExecutorMetrics(options: ApplicationsOptions): MetricsPort {
  const registry = new MetricsRegistry();
  registerProcessMetrics(registry);
  for (const [name, kind, help, read] of executorRows(options)) {
    registry.observed(name, kind, help, () => [{ value: read() }]);
  }
  const { frontCounters, frontInterfaces } = options.data;
  const fronts = frontCounters.map((memory) => new FrontCounters(memory));
  const sum = (index: number, counter: InterfaceCounter): number =>
    fronts.reduce((total, front) => total + front.getInterface(index, counter), 0);
  for (const [counter, name, kind] of frontSamples) {
    registry.observed(name, kind, `By interface: ${counter}.`, () =>
      frontInterfaces.map((face, index) => ({
        labels: { interface: face.name },
        value: sum(index, counter),
      })),
    );
  }
  let peakBytes = 0;
  return {
    text: () => registry.toText(),
    sessions: (): SessionMetrics => {
      const interfaces = Object.fromEntries(
        frontInterfaces.map((face, index) => [
          face.name,
          {
            active: sum(index, "active"),
            errors: {
              parsing: sum(index, "parsingErrors"),
              request_header_too_large: sum(index, "headerTooLarge"),
              request_payload_too_large: sum(index, "bodyTooLarge"),
            },
            hard_cap: face.sessionsHardMax,
            peak: sum(index, "peak"),
            soft_cap: face.sessionsSoftMax,
          },
        ]),
      );
      const total = (field: "active" | "peak") =>
        Object.values(interfaces).reduce((count, face) => count + face[field], 0);
      return { active: total("active"), interfaces, peak: total("peak") };
    },
    memory: () => {
      const { rss } = process.memoryUsage();
      peakBytes = Math.max(peakBytes, rss);
      return { currentBytes: rss, maxBytes: options.data.settings.memorySizeBytes, peakBytes };
    },
    jwtRefresh: () => ({ attempts: 0, failures: 0, successes: 0 }),
  };
}

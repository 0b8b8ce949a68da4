/** The counters of the front workers as metrics, and as CCF's session metrics. */
import type { MetricsRegistry, Sample } from "../metrics.ts";
import {
  type FrontCounters,
  type InterfaceCounter,
  interfaceCounterNames,
  type WorkerCounter,
} from "./front-counters.ts";

/** Registers the metrics of all front workers; they are read from shared memory when looked at. */
export function registerFrontMetrics(
  registry: MetricsRegistry,
  workers: readonly FrontCounters[],
  interfaceNames: readonly string[],
): void {
  const byInterface = (counter: InterfaceCounter) => (): Sample[] =>
    interfaceNames.map((name, index) => ({
      labels: { interface: name },
      value: sumInterface(workers, index, counter),
    }));
  const overall = (counter: WorkerCounter) => (): Sample[] => [
    { value: workers.reduce((sum, worker) => sum + worker.get(counter), 0) },
  ];
  registry.observed("coco_sessions", "gauge", "Open client sessions.", byInterface("active"));
  registry.observed(
    "coco_requests_total",
    "counter",
    "Requests read, by RPC interface.",
    byInterface("requests"),
  );
  registry.observed(
    "coco_request_errors_total",
    "counter",
    "Requests and sessions that the front refused, by RPC interface and reason.",
    () =>
      interfaceNames.flatMap((name, index) =>
        refusalReasons.map((reason) => ({
          labels: { interface: name, reason },
          value: sumInterface(workers, index, reason),
        })),
      ),
  );
  registry.observed(
    "coco_requests_in_flight",
    "gauge",
    "Requests passed to the executor and not answered yet.",
    overall("inFlight"),
  );
  registry.observed(
    "coco_busy_answers_total",
    "counter",
    "Requests told 503 because too many were in flight.",
    overall("busyAnswers"),
  );
  registry.observed(
    "coco_handshake_failures_total",
    "counter",
    "TLS handshakes that failed.",
    overall("handshakeFailures"),
  );
  registry.observed(
    "coco_session_timeouts_total",
    "counter",
    "Sessions closed because they were idle or too slow.",
    overall("timeouts"),
  );
  registry.observed(
    "coco_batches_total",
    "counter",
    "Batches of requests passed to the executor.",
    overall("batches"),
  );
}

/** Session metrics of one interface as `GET /node/metrics` of CCF shows them. */
export interface InterfaceSessionMetrics {
  readonly active: number;
  readonly errors: {
    readonly parsing: number;
    readonly request_header_too_large: number;
    readonly request_payload_too_large: number;
  };
  readonly hard_cap: number;
  readonly peak: number;
  readonly soft_cap: number;
}

/** @param index position of the interface in the configuration */
export function interfaceSessionMetrics(
  workers: readonly FrontCounters[],
  index: number,
  softCap: number,
  hardCap: number,
): InterfaceSessionMetrics {
  return {
    active: sumInterface(workers, index, "active"),
    errors: {
      parsing: sumInterface(workers, index, "parsingErrors"),
      request_header_too_large: sumInterface(workers, index, "headerTooLarge"),
      request_payload_too_large: sumInterface(workers, index, "bodyTooLarge"),
    },
    hard_cap: hardCap,
    peak: sumInterface(workers, index, "peak"),
    soft_cap: softCap,
  };
}

const refusalReasons = interfaceCounterNames.filter(
  (name) => name !== "active" && name !== "peak" && name !== "requests",
);

function sumInterface(
  workers: readonly FrontCounters[],
  index: number,
  counter: InterfaceCounter,
): number {
  return workers.reduce((sum, worker) => sum + worker.getInterface(index, counter), 0);
}

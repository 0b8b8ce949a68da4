import { describe, expect, test } from "vitest";
import { FrontCounters, frontCountersSizeBytes } from "./front/front-counters.ts";
import { interfaceSessionMetrics, registerFrontMetrics } from "./front/front-metrics.ts";
import { MetricsRegistry, registerProcessMetrics } from "./metrics.ts";

describe("the metrics", () => {
  test("are Prometheus text: counters, labels, gauges read when looked at, histograms", () => {
    const registry = new MetricsRegistry();
    registry.counter("coco_transactions_total", "Transactions.").add(3);
    const results = ["ok", "failed"] as const;
    registry.counterByLabel("coco_results_total", "Results.", "result", results).failed.add();
    let seqno = 1;
    registry.observed("coco_seqno", "gauge", "Last\nseqno.", () => [
      { value: seqno, labels: { node: 'a"\\b' } },
    ]);
    seqno = 7;
    const histogram = registry.histogram("coco_seconds", "Times.", [0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 3]) histogram.observe(value);
    expect(registry.toText()).toBe(
      [
        "# HELP coco_transactions_total Transactions.",
        "# TYPE coco_transactions_total counter",
        "coco_transactions_total 3",
        "# HELP coco_results_total Results.",
        "# TYPE coco_results_total counter",
        'coco_results_total{result="ok"} 0',
        'coco_results_total{result="failed"} 1',
        "# HELP coco_seqno Last\\nseqno.",
        "# TYPE coco_seqno gauge",
        'coco_seqno{node="a\\"\\\\b"} 7',
        "# HELP coco_seconds Times.",
        "# TYPE coco_seconds histogram",
        'coco_seconds_bucket{le="0.1"} 2',
        'coco_seconds_bucket{le="1"} 3',
        'coco_seconds_bucket{le="+Inf"} 4',
        "coco_seconds_sum 3.65",
        "coco_seconds_count 4",
        "",
      ].join("\n"),
    );
  });

  test("a name is used once and must be a Prometheus name", () => {
    const registry = new MetricsRegistry();
    registry.counter("coco_total", "One.");
    expect(() => registry.counter("coco_total", "Two.")).toThrow(/registered once/);
    expect(() => registry.counter("coco-total", "Three.")).toThrow(/Prometheus name/);
  });

  test("the process shows its CPU and memory", () => {
    const registry = new MetricsRegistry();
    registerProcessMetrics(registry);
    expect(registry.toText()).toMatch(/\nprocess_cpu_seconds_total 0*[0-9.]+\n/);
    expect(registry.toText()).toMatch(/\nprocess_resident_memory_bytes [1-9]\d{6,}\n/);
  });

  test("counters of several front workers in shared memory are summed", () => {
    const workers = [1, 2].map(
      () => new FrontCounters(new SharedArrayBuffer(frontCountersSizeBytes)),
    );
    workers[0]?.changeActive(1, 1);
    workers[1]?.changeActive(1, 1);
    workers[1]?.changeActive(1, -1);
    workers[1]?.addInterface(1, "parsingErrors", 4);
    workers[0]?.add("inFlight", 5);
    const registry = new MetricsRegistry();
    registerFrontMetrics(registry, workers, ["a", "b"]);
    const text = registry.toText();
    expect(text).toContain('coco_sessions{interface="a"} 0\ncoco_sessions{interface="b"} 1\n');
    expect(text).toContain('{interface="b",reason="parsingErrors"} 4');
    expect(text).toContain("coco_requests_in_flight 5\n");
    expect(interfaceSessionMetrics(workers, 1, 1000, 1010)).toEqual({
      active: 1,
      errors: { parsing: 4, request_header_too_large: 0, request_payload_too_large: 0 },
      hard_cap: 1010,
      peak: 2,
      soft_cap: 1000,
    });
  });
});

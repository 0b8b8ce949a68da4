import { describe, expect, test } from "vitest";
import {
  FrontCounters,
  frontCountersSizeBytes,
  frontInterfaceCountMax,
} from "./front/front-counters.ts";
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

  test("counters of a front are seen through the shared memory by another reader", () => {
    const memory = new SharedArrayBuffer(frontCountersSizeBytes);
    const writer = new FrontCounters(memory);
    const reader = new FrontCounters(memory);
    writer.changeActive(1, 1);
    writer.changeActive(1, 1);
    writer.changeActive(1, -1);
    writer.addInterface(frontInterfaceCountMax - 1, "refusedHard", 4);
    writer.add("inFlight", 5);
    expect(reader.getInterface(1, "active")).toBe(1);
    expect(reader.getInterface(1, "peak")).toBe(2);
    expect(reader.getInterface(0, "peak")).toBe(0);
    expect(reader.getInterface(frontInterfaceCountMax - 1, "refusedHard")).toBe(4);
    expect(reader.get("inFlight")).toBe(5);
  });
});

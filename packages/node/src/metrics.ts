/**
 * Metrics for Prometheus. A counter is a number that code increments; everything that is known
 * elsewhere is read when somebody looks, so the transaction path pays nothing for being watched.
 * @source Prometheus text exposition format 0.0.4
 */
import { assert } from "@coco/base";

type Labels = Readonly<Record<string, string>>;

/** One value of a metric that is read when somebody looks. */
export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** Goes up only. */
export class Counter {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }
}

/** Counts values by size; a few additions for each. */
export class Histogram {
  /** Ascending upper bounds. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    assert(
      bounds.every((bound, index) => index === 0 || bound > (bounds[index - 1] as number)),
      "the bounds of a histogram ascend",
    );
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
  }
}

type Kind = "counter" | "gauge" | "histogram";

interface Metric {
  readonly kind: Kind;
  readonly help: string;
  lines(name: string): string[];
}

/** The metrics of one thread. */
export class MetricsRegistry {
  private readonly metrics = new Map<string, Metric>();

  /** @param name with its unit last: `coco_transactions_total` */
  counter(name: string, help: string): Counter {
    const counter = new Counter();
    const lines = () => [sampleLine(name, {}, counter.value)];
    this.register(name, { kind: "counter", help, lines });
    return counter;
  }

  /** One counter per value of `label`; the values must come from a closed set. */
  counterByLabel<Value extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly Value[],
  ): Readonly<Record<Value, Counter>> {
    const counters = values.map((value) => [value, new Counter()] as const);
    const lines = () =>
      counters.map(([value, counter]) => sampleLine(name, { [label]: value }, counter.value));
    this.register(name, { kind: "counter", help, lines });
    return Object.fromEntries(counters) as Record<Value, Counter>;
  }

  /** A gauge or counter whose samples are read when somebody looks. */
  observed(name: string, kind: "counter" | "gauge", help: string, read: () => readonly Sample[]) {
    const lines = () => read().map(({ labels = {}, value }) => sampleLine(name, labels, value));
    this.register(name, { kind, help, lines });
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const histogram = new Histogram(bounds);
    this.register(name, { kind: "histogram", help, lines: () => histogramLines(name, histogram) });
    return histogram;
  }

  /** All metrics as text of content type `text/plain; version=0.0.4`. */
  toText(): string {
    const lines: string[] = [];
    for (const [name, metric] of this.metrics) {
      lines.push(`# HELP ${name} ${escapeHelp(metric.help)}`, `# TYPE ${name} ${metric.kind}`);
      lines.push(...metric.lines(name));
    }
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }

  private register(name: string, metric: Metric): void {
    assert(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name), "a metric has a Prometheus name");
    assert(!this.metrics.has(name), "a metric is registered once");
    this.metrics.set(name, metric);
  }
}

/** What the process itself costs: CPU, memory, file descriptors are the operator's first look. */
export function registerProcessMetrics(registry: MetricsRegistry): void {
  const one = (read: () => number) => () => [{ value: read() }];
  registry.observed(
    "process_cpu_seconds_total",
    "counter",
    "CPU time of all threads of the process, user and system.",
    one(() => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
  );
  registry.observed(
    "process_resident_memory_bytes",
    "gauge",
    "Resident memory of the process.",
    one(() => process.memoryUsage.rss()),
  );
  registry.observed(
    "coco_heap_used_bytes",
    "gauge",
    "JavaScript heap in use by this thread.",
    one(() => process.memoryUsage().heapUsed),
  );
  registry.observed(
    "coco_uptime_seconds",
    "gauge",
    "Time since the process started.",
    one(() => process.uptime()),
  );
}

function histogramLines(name: string, histogram: Histogram): string[] {
  const lines: string[] = [];
  let count = 0;
  histogram.bounds.forEach((bound, index) => {
    count += histogram.counts[index] as number;
    lines.push(sampleLine(`${name}_bucket`, { le: numberToText(bound) }, count));
  });
  count += histogram.counts.at(-1) as number;
  lines.push(
    sampleLine(`${name}_bucket`, { le: "+Inf" }, count),
    sampleLine(`${name}_sum`, {}, histogram.sum),
    sampleLine(`${name}_count`, {}, count),
  );
  return lines;
}

function sampleLine(name: string, labels: Labels, value: number): string {
  const entries = Object.entries(labels);
  const pairs = entries.map(([label, text]) => `${label}="${escapeLabel(text)}"`).join(",");
  return `${name}${pairs === "" ? "" : `{${pairs}}`} ${numberToText(value)}`;
}

function numberToText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

/**
 * Owns the threads of a node: keeps the secrets and the progress, starts an executor and the
 * front workers, and replaces an executor that died.
 */
import { MessageChannel, Worker } from "node:worker_threads";
import type { Log } from "@coco/base";
import { frontCountersSizeBytes } from "../front/front-counters.ts";
import type {
  FrontCertificate,
  FrontCommand,
  FrontInterfaceOptions,
  FrontLimits,
  FrontReport,
  FrontWorkerData,
} from "../front/front-options.ts";
import { nodeErrors } from "./errors.ts";
import { Watchdog, watchSizeBytes } from "./execution-watch.ts";
import type {
  ExecutorCommand,
  ExecutorData,
  ExecutorReport,
  ExecutorSettings,
  ExecutorStart,
  NodeCertificates,
  Progress,
} from "./executor-messages.ts";
import type { NodeSecrets } from "./node-secrets.ts";
import { ThreadTerminator } from "./thread-terminator.ts";

export interface SupervisorOptions {
  readonly settings: ExecutorSettings;
  readonly start: ExecutorStart;
  readonly secrets: NodeSecrets;
  readonly interfaces: readonly FrontInterfaceOptions[];
  readonly frontLimits: FrontLimits;
  readonly frontCount: number;
  /** Heap of the executor; above it the executor is replaced. */
  readonly executorHeapSizeBytes: number;
  /** Handlers may stand at breakpoints, so that their limits do not hold. */
  readonly isDebugged: boolean;
  readonly log: Log;
  /** The node cannot go on; it has stopped serving. */
  readonly onFailed: (error: Error) => void;
}

interface FrontThread {
  readonly worker: Worker;
  readonly counters: SharedArrayBuffer;
}

/** Executors that may die in one minute before the node gives up. */
const restartCountMax = 10;
const restartWindowMs = 60_000;
const drainTimeoutMs = 2000;
const watchIntervalMs = 10;

export class Supervisor {
  readonly #options: SupervisorOptions;
  #secrets: NodeSecrets;
  #certificates: NodeCertificates | undefined;
  readonly #progressMemory = new SharedArrayBuffer(32);
  #executor: Worker | undefined;
  #fronts: FrontThread[] = [];
  #isStopping = false;
  #restartTimes: number[] = [];
  #addresses: Readonly<Record<string, string>> = {};
  nodeId = "";

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#secrets = options.secrets;
  }

  get certificates(): NodeCertificates {
    if (this.#certificates === undefined) throw nodeErrors.create("StartFailed", "not started yet");
    return this.#certificates;
  }

  /** Of the executor that lives, or lived last. */
  get #progress(): Progress {
    const numbers = new Float64Array(this.#progressMemory);
    const [view = 0, committedSeqno = 0, createSeqno = 1, isRecovering = 0] = numbers;
    return {
      view,
      committedSeqno,
      createSeqno,
      isRecovering: isRecovering !== 0,
      ...this.certificates,
    };
  }

  /** `host:port` by interface name. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses;
  }

  /**
   * Resolves when the interfaces are open.
   * @throws {CocoError} StartFailed, NodeFailed
   */
  async start(): Promise<void> {
    const { frontCount } = this.#options;
    const counters = Array.from(
      { length: frontCount },
      () => new SharedArrayBuffer(frontCountersSizeBytes),
    );
    await this.#startExecutor(this.#options.start, counters);
    for (const [index, shared] of counters.entries()) await this.#startFront(index, shared);
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await Promise.all(this.#fronts.map((front) => this.#stopFront(front)));
    const executor = this.#executor;
    if (executor === undefined) return;
    await new Promise<void>((resolve) => {
      executor.once("exit", () => resolve());
      executor.postMessage({ kind: "stop" } satisfies ExecutorCommand);
    });
  }

  async #stopFront({ worker }: FrontThread): Promise<void> {
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    worker.postMessage({ kind: "drain", timeoutMs: drainTimeoutMs } satisfies FrontCommand);
    await exited;
  }

  #startExecutor(start: ExecutorStart, counters: readonly SharedArrayBuffer[]): Promise<void> {
    const { settings, interfaces, executorHeapSizeBytes } = this.#options;
    const watchMemory = new SharedArrayBuffer(watchSizeBytes);
    const terminator = new ThreadTerminator();
    const data: ExecutorData = {
      settings,
      watchMemory,
      progressMemory: this.#progressMemory,
      secrets: this.#secrets,
      start,
      frontCounters: counters,
      frontInterfaces: interfaces.map(({ name, sessionsSoftMax, sessionsHardMax }) => ({
        name,
        sessionsSoftMax,
        sessionsHardMax,
      })),
    };
    const worker = new Worker(workerUrl("core/executor-worker"), {
      name: terminator.threadName,
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: Math.round(executorHeapSizeBytes / 2 ** 20) },
      // Flags of the process (loaders, conditions) are not for the compiled code of threads.
      execArgv: [],
    });
    this.#executor = worker;
    this.#watch(worker, terminator, watchMemory);
    return new Promise((resolve, reject) => {
      let isReady = false;
      worker.on("message", (report: ExecutorReport) => {
        if (report.kind === "ready") {
          isReady = true;
          this.nodeId = report.nodeId;
        }
        this.#take(report, worker, reject);
        if (report.kind === "ready") resolve();
      });
      worker.on("error", (error) => {
        this.#options.log("error", "executor died", { error: String(error) });
        if (!isReady) reject(nodeErrors.create("StartFailed", String(error), {}, error));
      });
      worker.on("exit", () => {
        if (isReady && this.#executor === worker) this.#replaceExecutor(counters);
      });
    });
  }

  /** Has handlers terminated that exceed their limits, as long as the executor lives. */
  #watch(worker: Worker, terminator: ThreadTerminator, memory: SharedArrayBuffer): void {
    if (this.#options.isDebugged) return;
    const watchdog = new Watchdog({
      memory,
      nowMs: () => performance.now(),
      residentBytes: () => process.memoryUsage.rss(),
      terminate: () => {
        terminator.terminate();
        worker.postMessage({ kind: "recover" } satisfies ExecutorCommand);
      },
      onStuck: () => void worker.terminate(),
    });
    const timer = setInterval(() => watchdog.check(), watchIntervalMs);
    worker.once("exit", () => {
      clearInterval(timer);
      terminator.close();
    });
  }

  #take(report: ExecutorReport, worker: Worker, reject: (error: Error) => void): void {
    switch (report.kind) {
      case "ready":
      case "certificates":
        this.#setCertificates(report.certificates);
        break;
      case "secrets":
        this.#secrets = { ...this.#secrets, ledgerSecrets: report.ledgerSecrets };
        break;
      case "log":
        this.#options.log(report.level, report.message, report.facts);
        break;
      case "failed": {
        const error = nodeErrors.create("NodeFailed", report.message.replace(/\.$/, ""), {
          cause: report.code,
        });
        reject(error);
        if (this.#executor === worker && this.#certificates !== undefined) this.#give(error);
        break;
      }
      case "stopped":
        break;
    }
  }

  #setCertificates(certificates: NodeCertificates): void {
    const before = this.#certificates;
    this.#certificates = certificates;
    if (before === undefined || before.nodeCertificate === certificates.nodeCertificate) return;
    for (const certificate of this.#frontCertificates()) {
      for (const { worker } of this.#fronts) {
        worker.postMessage({ kind: "certificate", certificate } satisfies FrontCommand);
      }
    }
  }

  #frontCertificates(): FrontCertificate[] {
    const { nodeCertificate, selfSignedCertificate } = this.certificates;
    const keyPem = this.#secrets.nodeKeyPem;
    return [
      { authority: "Service", certificatePem: nodeCertificate, keyPem },
      { authority: "Node", certificatePem: selfSignedCertificate, keyPem },
    ];
  }

  async #startFront(workerIndex: number, counters: SharedArrayBuffer): Promise<void> {
    const { interfaces, frontLimits, frontCount, log } = this.#options;
    const { port1, port2 } = new MessageChannel();
    this.#executor?.postMessage({ kind: "front", port: port2 } satisfies ExecutorCommand, [port2]);
    const data: FrontWorkerData = {
      workerIndex,
      interfaces,
      limits: frontLimits,
      certificates: this.#frontCertificates(),
      executor: port1,
      counters,
      isPortShared: frontCount > 1,
    };
    const worker = new Worker(workerUrl("front/front-worker"), {
      workerData: data,
      transferList: [port1],
      execArgv: [],
    });
    this.#fronts.push({ worker, counters });
    await new Promise<void>((resolve, reject) => {
      worker.on("message", (report: FrontReport) => {
        if (report.kind === "listening") {
          this.#addresses = report.addresses;
          resolve();
        } else if (report.kind === "failed") {
          reject(nodeErrors.create("StartFailed", report.detail, { cause: report.code }));
        } else if (report.kind === "log") {
          log(report.level, report.message, report.facts);
        }
      });
      worker.on("error", (error) => {
        const failure = nodeErrors.create("NodeFailed", "a front worker died", {}, error);
        reject(failure);
        if (!this.#isStopping) this.#give(failure);
      });
    });
  }

  /** A handler used up the memory, most likely: see docs/adr/0002. */
  #replaceExecutor(counters: readonly SharedArrayBuffer[]): void {
    const { log } = this.#options;
    if (this.#isStopping) return;
    this.#executor = undefined;
    const nowMs = performance.now();
    this.#restartTimes = this.#restartTimes.filter((time) => nowMs - time < restartWindowMs);
    this.#restartTimes.push(nowMs);
    if (this.#restartTimes.length > restartCountMax) {
      this.#give(nodeErrors.create("NodeFailed", "the executor died again and again"));
      return;
    }
    const progress = this.#progress;
    log("warn", "starting a new executor", { committedSeqno: progress.committedSeqno });
    this.#disconnectFronts();
    this.#startExecutor({ kind: "resume", progress }, counters).then(
      () => this.#connectFronts(),
      (error: Error) => this.#give(error),
    );
  }

  #disconnectFronts(): void {
    for (const { worker } of this.#fronts) {
      worker.postMessage({ kind: "executor", port: undefined } satisfies FrontCommand);
    }
  }

  #connectFronts(): void {
    for (const { worker } of this.#fronts) {
      const { port1, port2 } = new MessageChannel();
      this.#executor?.postMessage({ kind: "front", port: port2 } satisfies ExecutorCommand, [
        port2,
      ]);
      worker.postMessage({ kind: "executor", port: port1 } satisfies FrontCommand, [port1]);
    }
  }

  /** Stops serving: what the node would answer can no longer be trusted to last. */
  #give(error: Error): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const { worker } of this.#fronts) void worker.terminate();
    void this.#executor?.terminate();
    this.#options.onFailed(error);
  }
}

/** Threads run compiled code, also when the supervisor itself runs from source in a test. */
function workerUrl(name: string): URL {
  const isSource = import.meta.url.endsWith(".ts");
  return new URL(`${isSource ? "../../dist" : ".."}/${name}.js`, import.meta.url);
}

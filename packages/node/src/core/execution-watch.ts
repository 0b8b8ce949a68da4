/**
 * Limits of time and memory for handlers, watched from another thread (docs/adr/0001). The executor
 * says in shared memory which run is going on; the supervisor sees one that lasts too long or makes
 * the process grow too much, condemns it, and has V8 terminate it.
 *
 * The two agree by one atomic word, so that only the condemned run is ever terminated: a run that
 * finds itself condemned when it ends waits for its termination.
 */

/** Words of the shared memory. */
const word = { run: 0, condemned: 1, limitMs: 2, growthKilobytesMax: 3 } as const;

/** Bytes of shared memory between an executor and its supervisor. */
export const watchSizeBytes = 16;

export interface RunLimits {
  readonly timeMs: number;
  /** How much the process may grow during one run. */
  readonly growthBytesMax: number;
}

/** Executor side. */
export class WatchedRuns {
  readonly #words: Int32Array;
  #lastRun = 0;
  #limits: RunLimits | undefined;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    Atomics.store(this.#words, word.run, 0);
    Atomics.store(this.#words, word.condemned, 0);
  }

  setLimits(limits: RunLimits): void {
    if (limits === this.#limits) return;
    this.#limits = limits;
    this.#words[word.limitMs] = Math.min(limits.timeMs, 0x7fff_ffff);
    this.#words[word.growthKilobytesMax] = Math.min(limits.growthBytesMax / 1024, 0x7fff_ffff);
  }

  /** Begins a run: from here on it may be terminated at any instruction. */
  begin(): void {
    this.#lastRun = this.#lastRun === 0x7fff_ffff ? 1 : this.#lastRun + 1;
    Atomics.store(this.#words, word.run, this.#lastRun);
  }

  /** Ends the run. Does not return when the run was condemned. */
  end(): void {
    const run = this.#lastRun;
    if (Atomics.compareExchange(this.#words, word.run, run, 0) === run) return;
    for (;;) {
      // The termination is on its way and has to strike here, not in a later run.
    }
  }

  /** Takes note that the condemned run is over. */
  clear(): Condemnation {
    const reason = Atomics.exchange(this.#words, word.condemned, 0);
    Atomics.store(this.#words, word.run, 0);
    return reason === memoryReason ? "memory" : "time";
  }
}

export type Condemnation = "time" | "memory";

const timeReason = 1;
const memoryReason = 2;
/** In place of the number of a run that was condemned. */
const condemnedMark = -1;

export interface WatchdogOptions {
  readonly memory: SharedArrayBuffer;
  readonly nowMs: () => number;
  /** Resident bytes of the process. */
  readonly residentBytes: () => number;
  /** Terminates what the executor runs. */
  readonly terminate: () => void;
  /** The termination did not strike: the executor has to be replaced. */
  readonly onStuck: () => void;
}

/** Time that a termination may take to strike. */
const strikeTimeoutMs = 3000;

/** Supervisor side; `check` is to be called every few milliseconds. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #words: Int32Array;
  #run = 0;
  #startMs = 0;
  #startBytes = 0;
  #strikeEndMs = Number.POSITIVE_INFINITY;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#words = new Int32Array(options.memory);
  }

  check(): void {
    const { nowMs, residentBytes, onStuck } = this.#options;
    const run = Atomics.load(this.#words, word.run);
    if (run === condemnedMark && nowMs() > this.#strikeEndMs) {
      this.#strikeEndMs = Number.POSITIVE_INFINITY;
      onStuck();
    }
    if (run <= 0) {
      this.#run = 0;
      return;
    }
    if (run !== this.#run) {
      this.#run = run;
      this.#startMs = nowMs();
      this.#startBytes = residentBytes();
      return;
    }
    if (nowMs() - this.#startMs > this.#words[word.limitMs]!) {
      this.#condemn(run, timeReason);
    } else if (residentBytes() - this.#startBytes > this.#words[word.growthKilobytesMax]! * 1024) {
      this.#condemn(run, memoryReason);
    }
  }

  #condemn(run: number, reason: number): void {
    Atomics.store(this.#words, word.condemned, reason);
    if (Atomics.compareExchange(this.#words, word.run, run, condemnedMark) === run) {
      this.#strikeEndMs = this.#options.nowMs() + strikeTimeoutMs;
      this.#options.terminate();
    }
  }
}

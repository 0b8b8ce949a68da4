/** Feeds a parser with changed inputs and watches what it does. */
import { isCocoError } from "@coco/base";
import { BlockCoverage } from "./coverage.ts";
import { mutate, SeededRandom } from "./mutator.ts";

export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs from which the changed ones are made. */
  readonly seeds: () => readonly Uint8Array[];
  readonly dictionary?: readonly (string | Uint8Array)[];
  /**
   * Parses; typed errors are expected, everything else is a finding. It may throw an
   * `OracleViolation` for what is wrong although nothing was thrown.
   */
  readonly run: (input: Uint8Array) => void;
}

/** A property that does not hold, found by a target itself. */
export class OracleViolation extends Error {
  override readonly name = "OracleViolation";
}

export interface FuzzOptions {
  readonly durationMs: number;
  readonly seed: number;
  /** Longest input. Default 64 KB. */
  readonly sizeBytesMax?: number;
  /** Keeps inputs that reach new code. Default true. */
  readonly usesCoverage?: boolean;
  /** Stops after so many findings. Default 20. */
  readonly findingCountMax?: number;
}

export interface FuzzFinding {
  readonly kind: "error" | "time" | "memory";
  readonly detail: string;
  readonly input: Uint8Array;
}

export interface FuzzReport {
  readonly target: string;
  readonly executions: number;
  readonly corpusCount: number;
  readonly blockCount: number;
  /** Inputs that were parsed without an error. */
  readonly acceptedCount: number;
  readonly slowestMs: number;
  readonly findings: readonly FuzzFinding[];
}

/** An input of at most 64 KB that takes longer, three times in a row, is a finding. */
const inputTimeMsMax = 200;
/** Bytes that one input may leave behind or hold at once outside of the heap. */
const inputMemoryBytesMax = 64 << 20;
const batchCount = 64;

export function runFuzz(target: FuzzTarget, options: FuzzOptions): FuzzReport {
  return new Fuzzer(target, options).run();
}

class Fuzzer {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #random: SeededRandom;
  readonly #corpus: Uint8Array[];
  readonly #coverage: BlockCoverage | undefined;
  readonly #blocks = new Set<string>();
  readonly #findings = new Map<string, FuzzFinding>();
  #executions = 0;
  #acceptedCount = 0;
  #slowestMs = 0;

  constructor(target: FuzzTarget, options: FuzzOptions) {
    this.#target = target;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#corpus = [...target.seeds()];
    if (this.#corpus.length === 0) this.#corpus.push(new Uint8Array(16));
    this.#coverage = options.usesCoverage === false ? undefined : new BlockCoverage(isProduct);
  }

  run(): FuzzReport {
    const { durationMs, findingCountMax = 20 } = this.#options;
    const endMs = performance.now() + durationMs;
    for (const seed of this.#corpus) this.#execute(seed);
    this.#takeBlocks();
    while (performance.now() < endMs && this.#findings.size < findingCountMax) this.#runBatch();
    this.#coverage?.stop();
    return {
      target: this.#target.name,
      executions: this.#executions,
      corpusCount: this.#corpus.length,
      blockCount: this.#blocks.size,
      acceptedCount: this.#acceptedCount,
      slowestMs: Math.round(this.#slowestMs * 10) / 10,
      findings: [...this.#findings.values()],
    };
  }

  #runBatch(): void {
    const { dictionary } = this.#target;
    const { sizeBytesMax = 65_536 } = this.#options;
    const random = this.#random;
    const options = { random, sizeBytesMax, ...(dictionary !== undefined && { dictionary }) };
    const inputs: Uint8Array[] = [];
    const memoryBefore = outsideBytes();
    for (let index = 0; index < batchCount; index++) {
      const input = mutate(options, random.pick(this.#corpus), random.pick(this.#corpus));
      inputs.push(input);
      this.#execute(input);
    }
    if (outsideBytes() - memoryBefore > inputMemoryBytesMax) this.#findGreedy(inputs);
    if (this.#takeBlocks() > 0) this.#keepNew(inputs);
  }

  #execute(input: Uint8Array): void {
    const startMs = performance.now();
    this.#runOnce(input);
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs > this.#slowestMs) this.#slowestMs = elapsedMs;
    if (elapsedMs > inputTimeMsMax && this.#isSlow(input)) {
      this.#report("time", `${Math.round(elapsedMs)} ms for ${input.length} bytes`, input);
    }
  }

  #runOnce(input: Uint8Array): void {
    this.#executions++;
    try {
      this.#target.run(input);
      this.#acceptedCount++;
    } catch (error) {
      if (isCocoError(error)) return;
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#report("error", stack.split("\n").slice(0, 4).join("\n"), input);
    }
  }

  /** The machine is shared: only what is slow each time is slow. */
  #isSlow(input: Uint8Array): boolean {
    for (let attempt = 0; attempt < 2; attempt++) {
      const startMs = performance.now();
      this.#runOnce(input);
      if (performance.now() - startMs <= inputTimeMsMax) return false;
    }
    return true;
  }

  #findGreedy(inputs: readonly Uint8Array[]): void {
    for (const input of inputs) {
      const before = outsideBytes();
      this.#runOnce(input);
      const grownBytes = outsideBytes() - before;
      if (grownBytes <= inputMemoryBytesMax) continue;
      const detail = `${grownBytes} bytes for an input of ${input.length}`;
      this.#report("memory", detail, input);
    }
  }

  /** One finding for each place: the first line of the stack tells them apart. */
  #report(kind: FuzzFinding["kind"], detail: string, input: Uint8Array): void {
    const place = /\n\s+at .*/.exec(detail)?.[0] ?? "";
    const name = `${kind} ${place === "" ? kind : place}`;
    if (!this.#findings.has(name)) {
      this.#findings.set(name, { kind, detail, input: Uint8Array.from(input) });
    }
  }

  /** @returns how many blocks were new */
  #takeBlocks(): number {
    let newCount = 0;
    for (const block of this.#coverage?.take() ?? []) {
      if (this.#blocks.has(block)) continue;
      this.#blocks.add(block);
      newCount++;
    }
    return newCount;
  }

  /** Something in the batch was new: keeps the inputs that together reach all of it. */
  #keepNew(inputs: readonly Uint8Array[]): void {
    const seen = new Set<string>();
    for (const input of inputs) {
      this.#runOnce(input);
      const blocks = this.#coverage?.take() ?? new Set<string>();
      const hasNew = [...blocks].some((block) => !seen.has(block) && !this.#knownBefore.has(block));
      for (const block of blocks) seen.add(block);
      if (hasNew && this.#corpus.length < 10_000) this.#corpus.push(Uint8Array.from(input));
    }
    for (const block of this.#blocks) this.#knownBefore.add(block);
    for (const block of seen) this.#knownBefore.add(block);
  }

  /** Blocks that the corpus reaches. */
  readonly #knownBefore = new Set<string>();
}

function isProduct(url: string): boolean {
  return url.includes("/packages/") && !url.includes("/testkit/");
}

/** Memory of buffers: what a hostile length makes a parser ask for. */
function outsideBytes(): number {
  const { arrayBuffers, external } = process.memoryUsage();
  return Math.max(arrayBuffers, external);
}

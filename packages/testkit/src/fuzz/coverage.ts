/** Which parts of the program an input reaches, from the engine's own counters. */
import { Session } from "node:inspector";

interface CoverageRange {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface ScriptCoverage {
  readonly scriptId: string;
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly CoverageRange[] }[];
}

/** Counts blocks of the modules whose URL `isWanted`; each `take` starts anew. */
export class BlockCoverage {
  readonly #session = new Session();
  readonly #isWanted: (url: string) => boolean;

  constructor(isWanted: (url: string) => boolean) {
    this.#isWanted = isWanted;
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Names of the blocks that were reached since the last call. */
  take(): Set<string> {
    const { result } = this.#post("Profiler.takePreciseCoverage") as {
      readonly result: readonly ScriptCoverage[];
    };
    const blocks = new Set<string>();
    for (const script of result) {
      if (!this.#isWanted(script.url)) continue;
      for (const { ranges } of script.functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count > 0) blocks.add(`${script.scriptId}:${startOffset}:${endOffset}`);
        }
      }
    }
    return blocks;
  }

  stop(): void {
    this.#post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }

  /** The session is in this thread, so the answer is there when `post` returns. */
  #post(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    let failure: Error | null = null;
    this.#session.post(method, parameters, (error, result) => {
      failure = error;
      answer = result;
    });
    if (failure !== null) throw failure;
    return answer;
  }
}

/** Programs that are kept between requests, by the key of their endpoint's reuse policy. */
import type { Program } from "../script-engine.ts";

interface Kept {
  readonly program: Program;
  /** Still true when its last call did not return: it was terminated and cannot be trusted. */
  isRunning: boolean;
}

export class ProgramCache {
  readonly #kept = new Map<string, Kept>();

  get size(): number {
    return this.#kept.size;
  }

  clear(): void {
    this.#kept.clear();
  }

  /** Runs `action` with the program of `key`, made when there is none that can be used. */
  use<Result>(
    key: string,
    countMax: number,
    create: () => Program,
    action: (program: Program) => Result,
  ): Result {
    const kept = this.#take(key, countMax, create);
    kept.isRunning = true;
    // Neither a termination nor `finally` gets to the next line, and then the mark stays.
    try {
      return action(kept.program);
    } finally {
      kept.isRunning = false;
    }
  }

  #take(key: string, countMax: number, create: () => Program): Kept {
    const known = this.#kept.get(key);
    if (known !== undefined && !known.isRunning) {
      if (this.#kept.size > 1) this.#keep(key, known, countMax);
      return known;
    }
    const fresh: Kept = { program: create(), isRunning: false };
    this.#keep(key, fresh, countMax);
    return fresh;
  }

  /** Makes `kept` the last that is forgotten. */
  #keep(key: string, kept: Kept, countMax: number): void {
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    while (this.#kept.size > Math.max(0, countMax)) {
      this.#kept.delete(this.#kept.keys().next().value as string);
    }
  }
}

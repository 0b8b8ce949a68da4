/**
 * Promises of the sandbox. They are settled by a queue of the engine, which is run to its end
 * before a call returns, so that nothing outlives the call and the supervision of the call covers
 * all of it.
 */

type Job = () => void;
type Settler = (value: unknown) => void;
type Reaction<Value> = ((value: Value) => unknown) | null | undefined;
type State = "pending" | "fulfilled" | "rejected";

/** The jobs of the program that runs now; one program runs at a time on a thread. */
class JobQueue {
  #jobs: Job[] = [];

  add(job: Job): void {
    this.#jobs.push(job);
  }

  /** Puts an empty queue in place; gives back the one that was there. */
  enter(): Job[] {
    const outer = this.#jobs;
    this.#jobs = [];
    return outer;
  }

  leave(outer: Job[]): void {
    this.#jobs = outer;
  }

  /** Runs jobs until none is left. */
  drain(): void {
    for (let index = 0; index < this.#jobs.length; index += 1) {
      const job = this.#jobs[index]!;
      if (index >= 1024) {
        this.#jobs.splice(0, index + 1);
        index = -1;
      }
      job();
    }
    if (this.#jobs.length > 0) this.#jobs = [];
  }
}

export interface Settled {
  readonly state: State;
  readonly value: unknown;
}

function isCallable(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === "function";
}

export const jobQueue = new JobQueue();

/** The state of a promise of the sandbox; undefined for any other value. Not for programs. */
export let inspectPromise: (value: unknown) => Settled | undefined;

/** `Promise` of programs. It has no species: the promises of a subclass are ordinary ones. */
export class ScriptPromise {
  #state: State = "pending";
  #value: unknown = undefined;
  #reactions: Job[] = [];

  constructor(executor: (resolve: Settler, reject: Settler) => void) {
    if (!isCallable(executor)) {
      throw new TypeError(`Promise resolver ${String(executor)} is not a function`);
    }
    const { resolve, reject } = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  /** The two functions of which only the first call of either counts. */
  #settlers(): { resolve: (value: unknown) => void; reject: (reason: unknown) => void } {
    let isSettled = false;
    const once = (action: (value: unknown) => void) => (value: unknown) => {
      if (isSettled) return;
      isSettled = true;
      action(value);
    };
    return {
      resolve: once((value) => this.#resolve(value)),
      reject: once((reason) => this.#settle("rejected", reason)),
    };
  }

  #resolve(value: unknown): void {
    if (value === this) {
      this.#settle("rejected", new TypeError("Chaining cycle detected for promise"));
      return;
    }
    if ((typeof value !== "object" || value === null) && typeof value !== "function") {
      this.#settle("fulfilled", value);
      return;
    }
    try {
      const { then } = value as { then?: unknown };
      if (isCallable(then)) jobQueue.add(() => this.#follow(value, then));
      else this.#settle("fulfilled", value);
    } catch (error) {
      this.#settle("rejected", error);
    }
  }

  #follow(value: unknown, then: (...args: unknown[]) => unknown): void {
    const { resolve, reject } = this.#settlers();
    try {
      Reflect.apply(then, value, [resolve, reject]);
    } catch (error) {
      reject(error);
    }
  }

  #settle(state: State, value: unknown): void {
    this.#state = state;
    this.#value = value;
    for (const reaction of this.#reactions) jobQueue.add(reaction);
    this.#reactions = [];
  }

  // biome-ignore lint/suspicious/noThenProperty: this class is a promise.
  then(onFulfilled?: Reaction<unknown>, onRejected?: Reaction<unknown>): ScriptPromise {
    return new ScriptPromise((resolve, reject) => {
      const react = () => {
        const handler = this.#state === "fulfilled" ? onFulfilled : onRejected;
        try {
          if (isCallable(handler)) resolve(handler(this.#value));
          else if (this.#state === "fulfilled") resolve(this.#value);
          else reject(this.#value);
        } catch (error) {
          reject(error);
        }
      };
      if (this.#state === "pending") this.#reactions.push(react);
      else jobQueue.add(react);
    });
  }

  catch(onRejected?: Reaction<unknown>): ScriptPromise {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: () => unknown): ScriptPromise {
    if (!isCallable(onFinally)) return this.then();
    return this.then(
      (value) => ScriptPromise.resolve(onFinally()).then(() => value),
      (reason) =>
        ScriptPromise.resolve(onFinally()).then(() => {
          throw reason;
        }),
    );
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  static resolve(value?: unknown): ScriptPromise {
    if (inspectPromise(value) !== undefined) return value as ScriptPromise;
    return new ScriptPromise((resolve) => resolve(value));
  }

  static reject(reason?: unknown): ScriptPromise {
    return new ScriptPromise((_, reject) => reject(reason));
  }

  static withResolvers(): object {
    let resolve: unknown;
    let reject: unknown;
    const promise = new ScriptPromise((yes, no) => {
      resolve = yes;
      reject = no;
    });
    return { promise, resolve, reject };
  }

  static all(values: Iterable<unknown>): ScriptPromise {
    return gather(values, (resolve, reject) => ({
      fulfilled: (value) => value,
      rejected: (reason) => {
        reject(reason);
        return undefined;
      },
      finish: resolve,
    }));
  }

  static allSettled(values: Iterable<unknown>): ScriptPromise {
    return gather(values, (resolve) => ({
      fulfilled: (value) => ({ status: "fulfilled", value }),
      rejected: (reason) => ({ status: "rejected", reason }),
      finish: resolve,
    }));
  }

  static any(values: Iterable<unknown>): ScriptPromise {
    return gather(values, (resolve, reject) => ({
      fulfilled: (value) => {
        resolve(value);
        return undefined;
      },
      rejected: (reason) => reason,
      finish: (reasons) =>
        reject(new AggregateError(reasons as unknown[], "All promises were rejected")),
    }));
  }

  static race(values: Iterable<unknown>): ScriptPromise {
    return new ScriptPromise((resolve, reject) => {
      for (const value of values) ScriptPromise.resolve(value).then(resolve, reject);
    });
  }

  static {
    inspectPromise = (value) =>
      typeof value === "object" && value !== null && #state in value
        ? { state: value.#state, value: value.#value }
        : undefined;
  }
}

Object.defineProperty(ScriptPromise, "name", { value: "Promise" });

interface Gathering {
  fulfilled(value: unknown): unknown;
  rejected(reason: unknown): unknown;
  finish(results: unknown[]): void;
}

function gather(
  values: Iterable<unknown>,
  plan: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => Gathering,
): ScriptPromise {
  return new ScriptPromise((resolve, reject) => {
    const { fulfilled, rejected, finish } = plan(resolve, reject);
    const results: unknown[] = [];
    let waiting = 1;
    const settle = (index: number, result: unknown) => {
      results[index] = result;
      waiting -= 1;
      if (waiting === 0) finish(results);
    };
    let count = 0;
    for (const value of values) {
      const index = count;
      count += 1;
      waiting += 1;
      ScriptPromise.resolve(value).then(
        (result) => settle(index, fulfilled(result)),
        (reason) => settle(index, rejected(reason)),
      );
    }
    waiting -= 1;
    if (waiting === 0) finish(results);
  });
}

/** A promise that is resolved with what `action` returns, or rejected with what it throws. */
export function attemptAsync(action: () => unknown): unknown {
  return new ScriptPromise((resolve, reject) => {
    try {
      resolve(action());
    } catch (error) {
      reject(error);
    }
  });
}

/** Drives the generator that stands for an async function. */
export function runAsync(
  body: (...args: unknown[]) => Generator<unknown, unknown, unknown>,
  self: unknown,
  args: readonly unknown[],
): unknown {
  return new ScriptPromise((resolve, reject) => {
    const generator = Reflect.apply(body, self, args);
    const step = (advance: () => IteratorResult<unknown, unknown>) => {
      let result: IteratorResult<unknown, unknown>;
      try {
        result = advance();
      } catch (error) {
        reject(error);
        return;
      }
      if (result.done) {
        resolve(result.value);
        return;
      }
      ScriptPromise.resolve(result.value).then(
        (value) => step(() => generator.next(value)),
        (reason) => step(() => generator.throw(reason)),
      );
    };
    step(() => generator.next());
  });
}

/**
 * The sandbox for code that members approved: constitution, ballots and app bundles. One engine
 * (`ses` compartments) is shipped; others can stand behind the same interface.
 */

/**
 * Runs `action` on the calling thread and terminates it when it takes too long.
 *
 * A guard costs tens of microseconds, so it is put around a batch of calls. After
 * ExecutionTimeLimit the call that was running when the time was up is the one that ran too long;
 * the calls before it are complete. Termination can strike between any two instructions of
 * JavaScript, and neither `catch` nor `finally` of the terminated code runs. The transaction of
 * the terminated call has to be discarded (Store.repair); its program is not used again.
 */
export interface Guard {
  /** @throws {CocoError} ExecutionTimeLimit when `action` did not return in time. */
  run<Result>(timeoutMs: number, action: () => Result): Result;
}

/** Where the modules of a program come from. Immutable: one object always gives the same text. */
export interface ModuleSource {
  /** Source text of the module `name` (absolute, `/dir/file.js`), or undefined. */
  read(name: string): string | undefined;
}

/** A loaded module graph with its own globals; functions are called by name. */
export interface Program {
  /**
   * Calls an exported function. When it returns a promise (async functions do), the value is what
   * the promise is fulfilled with.
   * @throws {CocoError} ExportNotFound, ModuleNotFound, BadModule, PromiseNeverSettles;
   *   ScriptFailed with what was thrown as its `cause`
   */
  call(moduleName: string, exportName: string, args: readonly unknown[]): unknown;
}

/** What a person sees of an exception: the reason, and places in the modules as they wrote them. */
export interface FailureDescription {
  readonly reason: string;
  /** One line for each place: `    at name (/module.js:line:column)`; undefined when unknown. */
  readonly trace: string | undefined;
}

export interface ProgramLimits {
  /**
   * Largest buffer that code may make with `new`; all buffers of one call may take 16 times as
   * much. Default: 100 MiB. The heap itself is limited by the thread of the host.
   */
  readonly bufferBytesMax: number;
}

export interface ScriptEngine {
  /**
   * Makes a program: fresh module state and a fresh global object. Modules are linked and
   * evaluated at the first call that needs them. Transformed text is kept with the identity of
   * `modules`, and what the globals look like with the identity of `globals`, so that a further
   * program of the same two objects costs microseconds.
   * @param globals endowments, hardened by the engine: `ccf`, `console`, ...
   */
  createProgram(
    modules: ModuleSource,
    globals: Readonly<Record<string, unknown>>,
    limits?: ProgramLimits,
  ): Program;
  /** Describes what `program.call` threw, with source maps applied. */
  describeFailure(modules: ModuleSource, error: unknown): FailureDescription;
}

/**
 * The sandbox for code that members approved: constitution, ballots and app bundles. One engine
 * (`ses` compartments) is shipped; others can stand behind the same interface.
 */

/** Runs `action` on the calling thread and terminates it when it takes too long. */
export interface Guard {
  /** @throws {CocoError} ExecutionTimeLimit when `action` did not return in time. */
  run<Result>(timeoutMs: number, action: () => Result): Result;
}

/** Where the modules of a program come from. */
export interface ModuleSource {
  /** Source text of the module `name` (absolute, `/dir/file.js`), or undefined. */
  read(name: string): string | undefined;
}

/** A loaded module graph with its own globals; functions are called by name. */
export interface Program {
  /** @throws {CocoError} ExportNotFound, ModuleNotFound, ScriptFailed */
  call(moduleName: string, exportName: string, args: readonly unknown[]): unknown;
}

export interface ScriptEngine {
  /**
   * Makes a program. Modules are linked and evaluated at the first call that needs them.
   * @param globals endowments, hardened by the engine: `ccf`, `console`, ...
   */
  createProgram(modules: ModuleSource, globals: Readonly<Record<string, unknown>>): Program;
}

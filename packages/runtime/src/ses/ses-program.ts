/** One program of the SES engine. */
import { CocoError } from "@coco/base";
import { originalInterruption } from "../interruption.ts";
import type { ModuleGraph } from "../module-linker/module-graph.ts";
import { resolveModuleName } from "../module-linker/module-graph.ts";
import { ModuleInstances, type ProgramHooks } from "../module-linker/module-instance.ts";
import type { Program, ProgramLimits } from "../script-engine.ts";
import { scriptErrors } from "../script-errors.ts";
import { bufferBytesDefault } from "./buffer-budget.ts";
import { checkedGlobalsOf } from "./dynamic-code.ts";
import { attemptAsync, inspectPromise, jobQueue, runAsync } from "./script-promise.ts";
import type { EngineShared } from "./ses-engine.ts";

type Callable = (...args: unknown[]) => unknown;

export class SesProgram implements Program, ProgramHooks {
  readonly #shared: EngineShared;
  readonly #bufferBytesMax: number;
  readonly #instances: ModuleInstances;
  readonly #globals: object;
  /** The function of the last call: most programs have only one that is called. */
  #known: { moduleName: string; exportName: string; action: Callable } | undefined;

  constructor(
    graph: ModuleGraph,
    Globals: new () => object,
    shared: EngineShared,
    limits: ProgramLimits | undefined,
  ) {
    this.#shared = shared;
    this.#bufferBytesMax = limits?.bufferBytesMax ?? bufferBytesDefault;
    this.#globals = new Globals();
    this.#instances = new ModuleInstances(graph, this);
  }

  get globals(): object {
    return this.#globals;
  }

  get checkedGlobals(): object {
    return checkedGlobalsOf(this.#globals);
  }

  get run(): unknown {
    return runAsync;
  }

  get allocate(): unknown {
    return this.#shared.budget.allocate;
  }

  importModule(specifier: unknown, referrer: string): unknown {
    return attemptAsync(() => {
      const name = resolveModuleName(String(specifier), referrer);
      return withPlainErrors(() => this.#instances.namespace(name));
    });
  }

  call(moduleName: string, exportName: string, args: readonly unknown[]): unknown {
    this.#shared.budget.begin(this.#bufferBytesMax);
    const outer = jobQueue.enter();
    try {
      const action = this.#find(moduleName, exportName);
      let result = Reflect.apply(action, undefined, args);
      jobQueue.drain();
      const settled = inspectPromise(result);
      if (settled !== undefined) {
        if (settled.state === "rejected") throw settled.value;
        if (settled.state === "pending") {
          throw scriptErrors.create("PromiseNeverSettles", `${moduleName}: ${exportName}`);
        }
        result = settled.value;
      }
      return result;
    } catch (error) {
      throw toCallError(error, moduleName, exportName);
    } finally {
      jobQueue.leave(outer);
    }
  }

  #find(moduleName: string, exportName: string): Callable {
    const known = this.#known;
    if (known?.moduleName === moduleName && known.exportName === exportName) return known.action;
    const value = this.#instances.exported(absoluteName(moduleName), exportName);
    if (typeof value !== "function") {
      const what = value === undefined ? "nothing" : `a value of type ${typeof value}`;
      const detail = `${moduleName} exports ${what} as "${exportName}"`;
      throw scriptErrors.create("ExportNotFound", detail, { module: moduleName });
    }
    const action = value as Callable;
    this.#known = { moduleName, exportName, action };
    return action;
  }
}

const absolute = /^(?:\/[\w-][\w.-]*)+$/;

function absoluteName(name: string): string {
  return absolute.test(name) ? name : resolveModuleName(name, "/");
}

/** Programs see ordinary errors only: those of the engine would give them its classes. */
function withPlainErrors<Result>(action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw error instanceof CocoError ? new Error(error.message) : error;
  }
}

/** Errors of the engine stay; whatever else was thrown is the program's own. */
function toCallError(error: unknown, moduleName: string, exportName: string): unknown {
  if (error instanceof CocoError) return error;
  const interruption = originalInterruption(error);
  if (interruption !== undefined) return interruption;
  return scriptErrors.create("ScriptFailed", `${moduleName}: ${exportName}`, {}, error);
}

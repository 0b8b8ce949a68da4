/** One program of the SES engine. */
import { CocoError } from "@coco/base";
import { originalInterruption } from "../interruption.ts";
import type { ModuleGraph } from "../module-linker/module-graph.ts";
import { resolveModuleName } from "../module-linker/module-graph.ts";
import { ModuleInstances } from "../module-linker/module-instance.ts";
import type { Program, ProgramLimits } from "../script-engine.ts";
import { scriptErrors } from "../script-errors.ts";
import { bufferBytesDefault } from "./buffer-budget.ts";
import { createGlobalObject } from "./dynamic-code.ts";
import type { EngineShared } from "./ses-engine.ts";

type Callable = (...args: unknown[]) => unknown;

export class SesProgram implements Program {
  readonly #shared: EngineShared;
  readonly #bufferBytesMax: number;
  readonly #instances: ModuleInstances;
  /** Functions that were called before, by module and name. */
  readonly #functions = new Map<string, Map<string, Callable>>();

  constructor(
    graph: ModuleGraph,
    endowments: object,
    shared: EngineShared,
    limits: ProgramLimits | undefined,
  ) {
    this.#shared = shared;
    this.#bufferBytesMax = limits?.bufferBytesMax ?? bufferBytesDefault;
    const { globals, checkedGlobals } = createGlobalObject(endowments, shared.dynamicCode);
    const instances: ModuleInstances = new ModuleInstances(graph, {
      globals,
      checkedGlobals,
      run: shared.promises.run,
      allocate: shared.budget.allocate,
      importModule: (specifier, referrer) =>
        shared.promises.attempt(() => {
          const name = resolveModuleName(String(specifier), referrer);
          return withPlainErrors(() => instances.namespace(name));
        }),
    });
    this.#instances = instances;
  }

  call(moduleName: string, exportName: string, args: readonly unknown[]): unknown {
    const { queue, promises, budget } = this.#shared;
    budget.begin(this.#bufferBytesMax);
    const outer = queue.enter();
    try {
      const action = this.#find(moduleName, exportName);
      let result = Reflect.apply(action, undefined, args);
      queue.drain();
      const settled = promises.inspect(result);
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
      queue.leave(outer);
    }
  }

  #find(moduleName: string, exportName: string): Callable {
    let functions = this.#functions.get(moduleName);
    if (functions === undefined) {
      functions = new Map();
      this.#functions.set(moduleName, functions);
    }
    const known = functions.get(exportName);
    if (known !== undefined) return known;
    const value = this.#instances.exported(resolveModuleName(moduleName, "/"), exportName);
    if (typeof value !== "function") {
      const what = value === undefined ? "nothing" : `a value of type ${typeof value}`;
      const detail = `${moduleName} exports ${what} as "${exportName}"`;
      throw scriptErrors.create("ExportNotFound", detail, { module: moduleName });
    }
    functions.set(exportName, value as Callable);
    return value as Callable;
  }
}

/** Programs see ordinary errors only: those of the engine would give them its classes. */
export function withPlainErrors<Result>(action: () => Result): Result {
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

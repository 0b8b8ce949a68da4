/**
 * The sandbox engine: modules are transformed into functions and evaluated in one SES compartment
 * whose intrinsics are frozen and which holds nothing else. A program is a set of module instances
 * with its own global object, so a fresh program needs no new compartment.
 */
import type { Rng } from "@coco/base";
import { type ModuleBody, ModuleGraph } from "../module-linker/module-graph.ts";
import type { ModuleRecord } from "../module-linker/module-record.ts";
import type { KnownGlobals } from "../module-linker/transform.ts";
import type {
  FailureDescription,
  ModuleSource,
  Program,
  ProgramLimits,
  ScriptEngine,
} from "../script-engine.ts";
import { BufferBudget, bufferConstructorNames } from "./buffer-budget.ts";
import { createGlobalsClass, type DynamicCode, dynamicNames } from "./dynamic-code.ts";
import { describeFailure } from "./failure.ts";
import { lockdownOnce } from "./lockdown.ts";
import { runAsync, ScriptPromise } from "./script-promise.ts";
import { SesProgram } from "./ses-program.ts";
import { createStandardGlobals } from "./standard-globals.ts";

export interface SesEngineOptions {
  /** Feeds `Math.random`. */
  readonly rng: Rng;
  /** Feeds `Date`; host time, which is not trusted. */
  readonly nowMs: () => number;
}

/** Base64 only, which cannot hold anything that looks like code. */
const inlineMap = /^data:application\/json;(?:charset=[\w-]+;)?base64,[\w+/=]+$/;

/** What the programs of one engine share. */
export interface EngineShared {
  readonly budget: BufferBudget;
  readonly dynamicCode: DynamicCode;
}

/** Freezes the intrinsics of the calling thread (once) and makes an engine. */
export function createSesEngine(options: SesEngineOptions): ScriptEngine {
  lockdownOnce();
  return new SesEngine(options);
}

/** Endowments, ready to be inherited by the global objects of programs. */
interface Endowments {
  readonly Globals: new () => object;
  readonly known: KnownGlobals;
  /** Text of all names, which decides whether transformed modules can be shared. */
  readonly key: string;
}

class SesEngine implements ScriptEngine {
  readonly #compartment: Compartment;
  readonly #standard: Record<string, unknown>;
  readonly #standardNames: ReadonlySet<string>;
  readonly #shared: EngineShared;
  readonly #endowments = new WeakMap<object, Endowments>();
  readonly #graphs = new WeakMap<ModuleSource, Map<string, ModuleGraph>>();

  constructor(options: SesEngineOptions) {
    this.#compartment = new Compartment({ __options__: true, name: "programs" });
    const budget = new BufferBudget();
    this.#standard = createStandardGlobals({
      intrinsics: this.#compartment.globalThis,
      rng: options.rng,
      nowMs: options.nowMs,
      promise: ScriptPromise as unknown as typeof Promise,
    });
    this.#standardNames = new Set(Object.keys(this.#standard));
    Object.freeze(this.#standard);
    const dynamicCode: DynamicCode = {
      evaluate: (text) => this.#compartment.evaluate(text),
      run: runAsync,
      allocate: budget.allocate,
    };
    this.#shared = { dynamicCode, budget };
    Object.freeze(this.#compartment.globalThis);
  }

  createProgram(
    modules: ModuleSource,
    globals: Readonly<Record<string, unknown>>,
    limits?: ProgramLimits,
  ): Program {
    const endowments = this.#endowmentsOf(globals);
    const graph = this.#graphOf(modules, endowments);
    return new SesProgram(graph, endowments.Globals, this.#shared, limits);
  }

  describeFailure(modules: ModuleSource, error: unknown): FailureDescription {
    return describeFailure(error, [...(this.#graphs.get(modules)?.values() ?? [])]);
  }

  #endowmentsOf(globals: Readonly<Record<string, unknown>>): Endowments {
    let endowments = this.#endowments.get(globals);
    if (endowments === undefined) {
      const names = Object.keys(globals);
      const all = { ...this.#standard, ...globals };
      const Globals = createGlobalsClass(all, this.#shared.dynamicCode);
      const perProgram = new Set([...names, ...dynamicNames]);
      const standard = new Set([...this.#standardNames].filter((name) => !perProgram.has(name)));
      const known = { standard, perProgram, counted: bufferConstructorNames };
      endowments = { Globals, known, key: names.join(",") };
      this.#endowments.set(globals, endowments);
    }
    return endowments;
  }

  #graphOf(modules: ModuleSource, endowments: Endowments): ModuleGraph {
    let graphs = this.#graphs.get(modules);
    if (graphs === undefined) {
      graphs = new Map();
      this.#graphs.set(modules, graphs);
    }
    let graph = graphs.get(endowments.key);
    if (graph === undefined) {
      const compile = (record: ModuleRecord) => this.#compile(record);
      graph = new ModuleGraph(modules, { known: endowments.known, compile });
      graphs.set(endowments.key, graph);
    }
    return graph;
  }

  #compile(record: ModuleRecord): ModuleBody {
    // White space would end the name, and a stray quote confuse debuggers.
    const name = encodeURI(record.name).replaceAll("'", "%27");
    // Lines of the text are those of the source, so its own map serves debuggers.
    const map = inlineMap.test(record.sourceMapUrl ?? "")
      ? `\n//# sourceMappingURL=${record.sourceMapUrl}`
      : "";
    const text = `${record.text}${map}\n//# sourceURL=app:${name}`;
    const factory = this.#compartment.evaluate(text) as (standard: object) => ModuleBody;
    return factory(this.#standard);
  }
}

/** The modules of one program: instances of the modules of a graph, evaluated in order. */
import { checkRequest, type LinkedModule, type ModuleGraph } from "./module-graph.ts";

/** What the text of a module takes from the program that it runs in. */
export interface ProgramHooks {
  readonly globals: object;
  readonly checkedGlobals: object;
  readonly run: unknown;
  readonly allocate: unknown;
  /** `import(specifier)` in the module `referrer`. */
  importModule(specifier: unknown, referrer: string): unknown;
}

type Bindings = Readonly<Record<string, unknown>>;

/** Access to the bindings of a module, as its text gives it. */
interface ModuleAccess {
  all(): Bindings;
  one(name: string): unknown;
}

/** What one module takes; made only as far as the module reads it. */
class ModuleHooks {
  readonly #program: ProgramHooks;
  readonly #name: string;

  constructor(program: ProgramHooks, name: string) {
    this.#program = program;
    this.#name = name;
  }

  get globals(): object {
    return this.#program.globals;
  }

  get checkedGlobals(): object {
    return this.#program.checkedGlobals;
  }

  get run(): unknown {
    return this.#program.run;
  }

  get allocate(): unknown {
    return this.#program.allocate;
  }

  get importMeta(): object {
    return { url: this.#name };
  }

  get importModule(): (specifier: unknown) => unknown {
    return (specifier) => this.#program.importModule(specifier, this.#name);
  }
}

interface Instance {
  readonly name: string;
  readonly linked: LinkedModule;
  readonly generator: Generator<unknown, void, unknown>;
  readonly access: ModuleAccess;
  bindings: Bindings | undefined;
  namespace: object | undefined;
  state: "linked" | "evaluating" | "evaluated" | "failed";
  failure: unknown;
}

export class ModuleInstances {
  readonly #graph: ModuleGraph;
  readonly #hooks: ProgramHooks;
  readonly #instances = new Map<string, Instance>();

  constructor(graph: ModuleGraph, hooks: ProgramHooks) {
    this.#graph = graph;
    this.#hooks = hooks;
  }

  /**
   * Links and evaluates the module, when that was not done, and reads one of its exports.
   * @throws {CocoError} ModuleNotFound, BadModule, or what the module throws
   */
  exported(moduleName: string, exportName: string): unknown {
    this.#prepare(moduleName);
    const resolved = this.#graph.resolve(moduleName, exportName);
    if (resolved === undefined) return undefined;
    if (resolved.local === undefined) return this.#namespace(resolved.module);
    return this.#instances.get(resolved.module)!.access.one(resolved.local);
  }

  /** As `exported`, for the namespace object. */
  namespace(moduleName: string): object {
    this.#prepare(moduleName);
    return this.#namespace(moduleName);
  }

  /** Modules that failed are forgotten, so that a later call begins them anew. */
  #prepare(moduleName: string): void {
    const known = this.#instances.get(moduleName);
    if (known?.state === "evaluated") return;
    try {
      this.#evaluate(this.#link(moduleName));
    } catch (error) {
      const instances = [...this.#instances.values()];
      const isNested = instances.some(({ state }) => state === "evaluating");
      for (const { name, state } of instances) {
        if (!isNested && state !== "evaluated") this.#instances.delete(name);
      }
      throw error;
    }
  }

  /** Instances of a module and of all that it needs, connected with each other. */
  #link(name: string): Instance {
    const known = this.#instances.get(name);
    if (known !== undefined) return known;
    const fresh: Instance[] = [];
    const root = this.#instantiate(name, undefined, fresh);
    try {
      for (const instance of fresh) this.#connect(instance);
    } catch (error) {
      for (const instance of fresh) this.#instances.delete(instance.name);
      throw error;
    }
    return root;
  }

  #instantiate(name: string, referrer: string | undefined, fresh: Instance[]): Instance {
    const known = this.#instances.get(name);
    if (known !== undefined) return known;
    const linked = this.#graph.module(name, referrer);
    const generator = linked.body(new ModuleHooks(this.#hooks, name));
    const access = generator.next().value as ModuleAccess;
    const instance: Instance = {
      name,
      linked,
      generator,
      access,
      bindings: undefined,
      namespace: undefined,
      state: "linked",
      failure: undefined,
    };
    this.#instances.set(name, instance);
    fresh.push(instance);
    try {
      for (const requested of linked.requested) this.#instantiate(requested, name, fresh);
    } catch (error) {
      for (const other of fresh) this.#instances.delete(other.name);
      throw error;
    }
    return instance;
  }

  /** Gives a module its imports: for each request the bindings and the namespace. */
  #connect(instance: Instance): void {
    const { linked, name, generator } = instance;
    const slots: unknown[] = [];
    for (const [index, request] of linked.record.requests.entries()) {
      const imported = linked.requested[index]!;
      checkRequest(this.#graph, name, imported, request);
      slots.push(request.names.size > 0 ? this.#imports(imported, request.names) : undefined);
      slots.push(request.needsNamespace ? this.#namespace(imported) : undefined);
    }
    if (slots.length > 0) generator.next(slots);
  }

  /** An object from which `names` of the module `imported` are read. */
  #imports(imported: string, names: ReadonlySet<string>): Bindings {
    const exports = this.#graph.module(imported).record.exports;
    const areAllLocal = [...names].every((name) => exports.get(name)?.kind === "local");
    if (areAllLocal) return this.#bindings(imported);
    const object: Record<string, unknown> = Object.create(null);
    for (const name of names) this.#defineGetter(object, imported, name);
    return object;
  }

  #defineGetter(object: object, module: string, name: string): void {
    const resolved = this.#graph.resolve(module, name);
    if (resolved === undefined) return;
    const { local } = resolved;
    const get =
      local === undefined
        ? () => this.#namespace(resolved.module)
        : () => this.#bindings(resolved.module)[local];
    Object.defineProperty(object, name, { get, enumerable: true, configurable: false });
  }

  #bindings(name: string): Bindings {
    const instance = this.#instances.get(name)!;
    instance.bindings ??= instance.access.all();
    return instance.bindings;
  }

  #namespace(name: string): object {
    const instance = this.#instances.get(name)!;
    if (instance.namespace === undefined) {
      const namespace: object = Object.create(null);
      instance.namespace = namespace;
      for (const exported of this.#graph.exportNames(name)) {
        this.#defineGetter(namespace, name, exported);
      }
      Object.defineProperty(namespace, Symbol.toStringTag, { value: "Module" });
      Object.preventExtensions(namespace);
    }
    return instance.namespace;
  }

  /** Runs the bodies depth first, in the order of the imports. */
  #evaluate(instance: Instance): void {
    if (instance.state === "failed") throw instance.failure;
    if (instance.state !== "linked") return;
    instance.state = "evaluating";
    try {
      for (const requested of instance.linked.requested) {
        this.#evaluate(this.#instances.get(requested)!);
      }
      instance.generator.next();
      instance.state = "evaluated";
    } catch (error) {
      instance.state = "failed";
      instance.failure = error;
      throw error;
    }
  }
}

/**
 * The global object of a program, with its `Function` and `eval`: text made at run time goes
 * through the same transform as modules, so it reaches nothing that modules do not reach.
 */

import { functionToText, scriptToText } from "../module-linker/script-transform.ts";
import { bufferConstructorNames } from "./buffer-budget.ts";

export interface DynamicCode {
  /** Evaluates transformed text in the sandbox. */
  evaluate(text: string): unknown;
  /** Drives async functions. */
  readonly run: unknown;
  /** Makes buffers and counts their memory. */
  readonly allocate: unknown;
}

/**
 * Globals that differ between programs; `eval` does too, but cannot be the name of a constant.
 * `Reflect` is a copy that programs may extend, because libraries of decorators do that.
 */
export const dynamicNames: readonly string[] = ["globalThis", "Function", "Reflect"];

const checked: ProxyHandler<object> = {
  get(target, name) {
    if (!(name in target)) throw new ReferenceError(`${String(name)} is not defined`);
    return Reflect.get(target, name);
  },
  set(target, name, value) {
    if (!(name in target)) throw new ReferenceError(`${String(name)} is not defined`);
    return Reflect.set(target, name, value);
  },
};

/** Proxies are made for the few programs that read globals that nothing knows. */
const proxies = new WeakMap<object, object>();

export function checkedGlobalsOf(globals: object): object {
  let proxy = proxies.get(globals);
  if (proxy === undefined) {
    proxy = new Proxy(globals, checked);
    proxies.set(globals, proxy);
  }
  return proxy;
}

/**
 * Makes a constructor of global objects. They inherit everything, so that one costs little; what
 * differs between programs is made at its first use.
 */
export function createGlobalsClass(
  endowments: Readonly<Record<string, unknown>>,
  code: DynamicCode,
): new () => object {
  class ScriptGlobals {
    #function: unknown;
    #eval: unknown;
    #reflect: unknown;

    get globalThis(): object {
      return this;
    }

    get Function(): unknown {
      this.#function ??= createFunctionConstructor(this, code);
      return this.#function;
    }

    set Function(value: unknown) {
      this.#function = value;
    }

    get eval(): unknown {
      this.#eval ??= createEval(this, code);
      return this.#eval;
    }

    get Reflect(): unknown {
      this.#reflect ??= copyReflect();
      return this.#reflect;
    }
  }
  const { prototype } = ScriptGlobals;
  Reflect.deleteProperty(prototype, "constructor");
  for (const [name, value] of Object.entries(endowments)) {
    if (!Object.hasOwn(prototype, name)) Object.defineProperty(prototype, name, { value });
  }
  harden(prototype);
  return ScriptGlobals;
}

function copyReflect(): object {
  const copy: object = Object.create(Object.prototype);
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(Reflect))) {
    Object.defineProperty(copy, name, { ...descriptor, configurable: true, writable: true });
  }
  return copy;
}

type Evaluated = (hooks: object) => unknown;

function createFunctionConstructor(globals: object, code: DynamicCode): unknown {
  // A declaration, because `new Function()` has to construct it.
  function ScriptFunction(...args: unknown[]): unknown {
    const texts = args.map(String);
    const body = texts.pop() ?? "";
    const text = functionToText(texts.join(","), body, bufferConstructorNames);
    return (code.evaluate(text) as Evaluated)({
      globals,
      checkedGlobals: checkedGlobalsOf(globals),
      ...code,
    });
  }
  Object.defineProperties(ScriptFunction, {
    name: { value: "Function" },
    length: { value: 1 },
    // So that `instanceof Function` holds for every function.
    prototype: { value: Function.prototype, writable: false },
  });
  return Object.freeze(ScriptFunction);
}

function createEval(globals: object, code: DynamicCode): unknown {
  const holder = {
    eval(source: unknown): unknown {
      if (typeof source !== "string") return source;
      const evaluated = code.evaluate(scriptToText(source, bufferConstructorNames)) as Evaluated;
      return evaluated({ globals, checkedGlobals: checkedGlobalsOf(globals), ...code });
    },
  };
  return Object.freeze(holder.eval);
}

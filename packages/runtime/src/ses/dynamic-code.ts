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

interface GlobalObject {
  readonly globals: object;
  /** Its properties are the globals; an absent one throws ReferenceError. */
  readonly checkedGlobals: object;
}

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

/** @param endowments frozen object that the global object inherits from */
export function createGlobalObject(endowments: object, code: DynamicCode): GlobalObject {
  const globals: Record<string, unknown> = Object.create(endowments);
  globals["globalThis"] = globals;
  const checkedGlobals = new Proxy(globals, checked);
  defineLazily(globals, "Function", () => createFunctionConstructor(globals, checkedGlobals, code));
  defineLazily(globals, "eval", () => createEval(globals, checkedGlobals, code));
  defineLazily(globals, "Reflect", copyReflect);
  return { globals, checkedGlobals };
}

/** Most programs need neither of the two, so they are made at the first use. */
function defineLazily(globals: object, name: string, make: () => unknown): void {
  Object.defineProperty(globals, name, {
    configurable: true,
    enumerable: false,
    get() {
      const value = make();
      Object.defineProperty(globals, name, { value, writable: true, enumerable: false });
      return value;
    },
    set(value) {
      Object.defineProperty(globals, name, { value, writable: true, enumerable: false });
    },
  });
}

function copyReflect(): object {
  const copy: object = Object.create(Object.prototype);
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(Reflect))) {
    Object.defineProperty(copy, name, { ...descriptor, configurable: true, writable: true });
  }
  return copy;
}

type Evaluated = (hooks: object) => unknown;

function createFunctionConstructor(
  globals: object,
  checkedGlobals: object,
  code: DynamicCode,
): unknown {
  // A declaration, because `new Function()` has to construct it.
  function ScriptFunction(...args: unknown[]): unknown {
    const texts = args.map(String);
    const body = texts.pop() ?? "";
    const text = functionToText(texts.join(","), body, bufferConstructorNames);
    return (code.evaluate(text) as Evaluated)({ globals, checkedGlobals, ...code });
  }
  Object.defineProperties(ScriptFunction, {
    name: { value: "Function" },
    length: { value: 1 },
    // So that `instanceof Function` holds for every function.
    prototype: { value: Function.prototype, writable: false },
  });
  return Object.freeze(ScriptFunction);
}

function createEval(globals: object, checkedGlobals: object, code: DynamicCode): unknown {
  const holder = {
    eval(source: unknown): unknown {
      if (typeof source !== "string") return source;
      const evaluated = code.evaluate(scriptToText(source, bufferConstructorNames)) as Evaluated;
      return evaluated({ globals, checkedGlobals, ...code });
    },
  };
  return Object.freeze(holder.eval);
}

import type { CocoError } from "@coco/base";
import { describe, expect, test } from "vitest";
import { createSesEngine } from "./ses-engine.ts";

const engine = createSesEngine({
  rng: { bytes: (length) => new Uint8Array(length).fill(7) },
  nowMs: () => 1_700_000_000_000,
});

/** A program of modules given by name. */
function program(modules: Record<string, string>, globals: Record<string, unknown> = {}) {
  const source = { read: (name: string) => modules[name] };
  const made = engine.createProgram(source, globals);
  return {
    source,
    call: (name: string, ...args: unknown[]) => made.call("/main.js", name, args),
  };
}

/** What `f` of a module with this source returns. */
function run(source: string, ...args: unknown[]): unknown {
  return program({ "/main.js": source }).call("f", ...args);
}

describe("modules", () => {
  test("all forms of static imports and exports", () => {
    const made = program({
      "/main.js": `
        import def, { one, two as zwei, "odd name" as odd } from "./lib/a.js";
        import * as all from "/lib/a.js";
        import "./lib/effect.js";
        import { one as again, inner, star } from "lib/b.js";
        export { one as eins } from "./lib/a.js";
        export * from "./lib/b.js";
        export * as b from "./lib/b.js";
        export const { x, y: [z] } = { x: 1, y: [2] };
        export default class {}
        export function f() {
          return [def(), one, zwei, odd, Object.keys(all).join(), again, inner.one, star,
            globalThis.effect, { one }, x, z];
        }
      `,
      "/lib/a.js": `
        export const one = 1; let two = 2; export { two, two as "odd name" };
        export default function () { return "default"; }
      `,
      "/lib/b.js": `export * from "./c.js"; export * as inner from "./a.js";
        export { one } from "./a.js";`,
      "/lib/c.js": `export let star = "*"; export default 5;`,
      "/lib/effect.js": `globalThis.effect = "ran";`,
    });
    expect(made.call("f")).toEqual([
      "default",
      1,
      2,
      2,
      "default,odd name,one,two",
      1,
      1,
      "*",
      "ran",
      { one: 1 },
      1,
      2,
    ]);
  });

  test("bindings are live, and cyclic imports work through hoisted functions", () => {
    const made = program({
      "/main.js": `
        import { count, increment, early } from "./counter.js";
        export function name() { return "main"; }
        export function f() { const before = count; increment(); return [before, count, early]; }
      `,
      "/counter.js": `
        import { name } from "./main.js";
        export let count = 0;
        export const early = name() + name();
        export function increment() { count += 1; }
      `,
    });
    expect(made.call("f")).toEqual([0, 1, "mainmain"]);
  });

  test("dynamic import and async functions settle within the call", () => {
    const made = program({
      "/main.js": `
        export async function f(n) {
          const { twice } = await import("./lib.js");
          const list = await Promise.all([1, Promise.resolve(2), (async () => await twice(n))()]);
          try { await Promise.reject(new Error("no")) } catch (e) { list.push(e.message) }
          class A { async m(x) { return x + 1 } get v() { return 10 } }
          class B extends A {
            async m(x) { const g = async y => y + super.v; return await super.m(x) + await g(1) }
          }
          list.push(await new B().m(5))
          const o = { async k() { return this === o } }
          list.push(await o.k())
          await import("./none.js").catch((e) => list.push(e.constructor === Error))
          return list;
        }
        export async function g() { await new Promise(() => {}) }
        export const later = async ({ a } = {}) => ({ a })
      `,
      "/lib.js": `export const twice = async (n) => 2 * n;`,
    });
    expect(made.call("f", 21)).toEqual([1, 2, 42, "no", 17, true, true]);
    expect(() => made.call("g")).toThrow(/nothing can settle|that nothing/);
    expect(made.call("later", { a: 3 })).toEqual({ a: 3 });
  });

  test("code without semicolons keeps its meaning", () => {
    const made = program({
      "/main.js": `
        import { g } from "./g.js"
        export async function f() {
          let a = 1
          g()
          let b = g
          await g()
          b = 2
          async () => 1
          await g() + 1
          return a + b
        }`,
      "/g.js": "export function g() { return this === undefined ? 1 : 0 }",
    });
    expect(made.call("f")).toBe(3);
  });

  test("text that only looks like forbidden syntax is harmless", () => {
    const source = `
      // import("x") eval("y") <!-- -->
      /* import(1) */
      export function f(x) {
        const o = { import(a) { return a }, eval(b) { return b } };
        class C { #import(a) { return a } static import(a) { return new C().#import(a) } }
        let n = 3, steps = 0;
        while (n-->0) steps++;
        const t = x<!--n;
        return [o.import(1), o.eval(2), C.import(3), "import(a) eval(b) <!-- -->",
          \`import("x") <!--\`, /<!--(import(a))-->/.source, steps, t,
          /[<!--]/.test("!"), /[<!--]/.test("a"), "\\import(x)"];
      }`;
    expect(run(source, 1)).toEqual([
      1,
      2,
      3,
      "import(a) eval(b) <!-- -->",
      'import("x") <!--',
      "<!-\\x2d(impor\\x74(a))--\\x3e",
      3,
      false,
      true,
      false,
      "import(x)",
    ]);
  });

  test("faults name the module and the place", () => {
    expect(() => run("export function f( {")).toThrow(/\/main\.js:1:21: Unexpected token/);
    expect(() => run('import "./none.js"; export function f() {}')).toThrow(
      /\/none\.js, imported by \/main\.js/,
    );
    expect(() => run('import { a } from "./main.js"; export function f() {}')).toThrow(
      /does not export "a"/,
    );
    expect(() => run("export const g = 1;")).toThrow(/exports nothing as "f"/);
    expect(() => run("await 1; export function f() {}")).toThrow(/await outside/);
  });

  test("a trace names modules and lines only", () => {
    const made = program({
      "/main.js": `import { g } from "./dir/g.js";\nexport function f() {\n  return g();\n}`,
      "/dir/g.js": "export function g() { throw new RangeError('bad'); }",
    });
    let thrown: unknown;
    try {
      made.call("f");
    } catch (error) {
      thrown = error;
    }
    expect((thrown as CocoError).code).toBe("ScriptFailed");
    expect(engine.describeFailure(made.source, thrown)).toEqual({
      reason: "RangeError: bad",
      trace: "    at g (/dir/g.js:1:29)\n    at f (/main.js:3:11)\n",
    });
  });
});

describe("globals", () => {
  test("unknown names, typeof, globals made at run time", () => {
    const source = `
      export function f() {
        const results = [typeof nothing, typeof globalThis, typeof process];
        try { nothing } catch (e) { results.push(e.name + ": " + e.message) }
        try { other = 1 } catch (e) { results.push(e.name) }
        globalThis.made = () => 5;
        results.push(made(), [made].length, typeof made, { made }.made());
        return results;
      }`;
    expect(run(source)).toEqual([
      "undefined",
      "object",
      "undefined",
      "ReferenceError: nothing is not defined",
      "ReferenceError",
      5,
      1,
      "function",
      5,
    ]);
  });

  test("Function and eval run transformed code", () => {
    const source = `
      export function f() {
        globalThis.seen = 4;
        const add = new Function("a", "b = 2", "return a + b + seen");
        return [add(1), Function("return this")() === globalThis, eval("1; seen + 1"),
          f instanceof Function, (0, eval)("'x'"), Function("a,b", "c", "return a*b*c")(2, 3, 4),
          Function("<!-- a comment\\n return 1 // import('x')\\n --> another")()];
      }`;
    expect(run(source)).toEqual([7, true, 5, true, "x", 24, 1]);
  });

  test("Math, Date", () => {
    const source = `
      export function f() {
        const m = Math.random();
        return [m >= 0 && m < 1, Math.max(1, 2), Date.now(), new Date().toISOString(),
          new Date(0).getTime(), new Date() instanceof Date, typeof Date()];
      }`;
    expect(run(source)).toEqual([
      true,
      2,
      1_700_000_000_000,
      "2023-11-14T22:13:20.000Z",
      0,
      true,
      "string",
    ]);
  });

  test("programs share no state", () => {
    const modules = {
      "/main.js": `let n = 0;
        export function f() { globalThis.n ??= 0; globalThis.n++; return [n++, globalThis.n]; }`,
    };
    const source = { read: (name: string) => (modules as Record<string, string>)[name] };
    const globals = {};
    const first = engine.createProgram(source, globals);
    expect(first.call("/main.js", "f", [])).toEqual([0, 1]);
    expect(first.call("/main.js", "f", [])).toEqual([1, 2]);
    expect(engine.createProgram(source, globals).call("/main.js", "f", [])).toEqual([0, 1]);
  });
});

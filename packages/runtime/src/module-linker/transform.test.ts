// biome-ignore-all lint/suspicious/noTemplateCurlyInString: sources under test hold templates.
import { parse } from "acorn";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSesEngine } from "../ses/ses-engine.ts";
import { moduleToRecord } from "./transform.ts";

const engine = createSesEngine({
  rng: { bytes: (length) => new Uint8Array(length) },
  nowMs: () => 0,
});
const globals = {};

function run(source: string): unknown {
  const program = engine.createProgram({ read: () => source }, globals);
  return program.call("/main.js", "f", []);
}

/** Text that is likely to be misread. */
const trap = fc.constantFrom(
  "import(",
  "import ('x')",
  "import/**/(",
  "eval(",
  "eval (",
  "<!--",
  "-->",
  "//",
  "/*",
  "coco$w",
  "coco$",
  "'",
  '"',
  "`",
  "$" + "{",
  "}",
  "\\",
  "\n",
  "\r\n",
  "\u2028",
  "//# sourceURL=x",
  "//# sourceMappingURL=y",
  "import.meta",
  "(function(){",
  "})",
  "yield ",
  "await ",
  "#!",
  "é",
  "😀",
);
const text = fc
  .array(fc.oneof(trap, fc.string({ maxLength: 4 })), { maxLength: 8 })
  .map((parts) => parts.join(""));

describe("whatever a literal holds, it stays", () => {
  test("strings", () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(run(`export function f() { return ${JSON.stringify(value)} }`)).toBe(value);
      }),
    );
  });

  test("templates", () => {
    fc.assert(
      fc.property(text, text, (left, right) => {
        const escapeTemplate = (part: string) =>
          part.replace(/[\\`$]/g, "\\$&").replace(/\r/g, "\\r");
        const template = `\`${escapeTemplate(left)}\${1 + 1}${escapeTemplate(right)}\``;
        const source = `export function f() { return ${template} }`;
        expect(run(source)).toBe(`${left}2${right}`);
      }),
    );
  });

  test("comments, before and behind code", () => {
    fc.assert(
      fc.property(text, (value) => {
        const block = value.replaceAll("*/", "");
        const line = value.replace(/[\n\r\u2028\u2029]/g, "");
        const body = `{ //${line}\n return 7 /*${block}*/ }`;
        const source = `/*${block}*/ export function f() ${body}\n//${line}`;
        expect(run(source)).toBe(7);
      }),
    );
  });

  test("regular expressions match the same texts", () => {
    fc.assert(
      fc.property(text, (value) => {
        const pattern = value
          .replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")
          .replaceAll("\n", "\\n")
          .replaceAll("\r", "\\r")
          .replaceAll("\u2028", "\\u2028")
          .replaceAll("\u2029", "\\u2029");
        fc.pre(pattern !== "");
        const test = `/^${pattern}$/.test(${JSON.stringify(value)})`;
        const source = `export function f() { return ${test} }`;
        expect(run(source)).toBe(true);
      }),
    );
  });
});

const words = [
  "import export default async await function class super yield let const a b { } ( ) [ ] => =",
  "; , . ... * from './m.js' new typeof this arguments of for Math eval ` / <!-- --> : ? static",
  "#x get return extends as meta",
].flatMap((line) => line.split(" "));

test("any text is transformed, or refused with a syntax error", () => {
  const known = {
    standard: new Set(["Math"]),
    perProgram: new Set<string>(),
    counted: new Set<string>(),
  };
  const word = fc.constantFrom(...words, "\n");
  fc.assert(
    fc.property(fc.array(word, { maxLength: 25 }), (chosen) => {
      const source = chosen.join(" ");
      let record: { text: string };
      try {
        record = moduleToRecord("/m.js", source, known);
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
        return;
      }
      // What comes out is JavaScript again, with the same number of lines.
      parse(record.text, { ecmaVersion: 2024, sourceType: "script" });
      expect(record.text.split("\n").length).toBe(source.split("\n").length + 1);
    }),
    { numRuns: 3000 },
  );
});

describe("code keeps its meaning", () => {
  const cases: readonly [what: string, source: string, value: unknown][] = [
    [
      "shadowed names",
      [
        "import { a } from './main.js'; export const b = 1; export function f(){",
        "const a = 5; { let Math = 2;",
        "var c = Math } return a + c + ((a) => a)(1) } export { b as a }",
      ].join("\n"),
      8,
    ],
    [
      "destructured assignment",
      [
        "let x, y; export function f(){ ({ x, y = 3 } = { x: 1 }); [x,",
        "globalThis.z] = [4, 5]; return [x, y, globalThis.z] }",
      ].join("\n"),
      [4, 3, 5],
    ],
    [
      "globals in patterns",
      [
        "globalThis.p = 0; export function f(){ ({ a: p, p = 1 } = { a: 5, p: 6 });",
        "for (p of [8]); return [p, { p }.p, typeof p, p++, p] }",
      ].join("\n"),
      [8, 8, "number", 8, 9],
    ],
    [
      "default parameters",
      [
        "globalThis.g = 4; export function f(a = g, { b = a } = {}, ...c) { return [a, b,",
        "c.length] }",
      ].join("\n"),
      [4, 4, 0],
    ],
    [
      "classes",
      [
        "export function f(){ class A { static #n = 1; static n() {",
        "return A.#n } static { A.m = 2 } get v() { return 3 } } class B extends A {",
        "v2 = super.v } return [A.n(), A.m, new B().v2] }",
      ].join("\n"),
      [1, 2, 3],
    ],
    [
      "labels",
      [
        "export function f(){ let n = 0; Math: for (;;) { n++; for (;;) {",
        "if (n > 2) break Math; continue Math } } return n }",
      ].join("\n"),
      3,
    ],
    [
      "getters named like keywords",
      [
        "export function f(){ const o = { get async() { return 1 }, static: 2,",
        "await: 3 }; return [o.async, o.static, o.await] }",
      ].join("\n"),
      [1, 2, 3],
    ],
    [
      "methods named async",
      [
        "export function f(){ const o = { async() { return 1 }, get() { return 2 } };",
        "return o.async() + o.get() }",
      ].join("\n"),
      3,
    ],
    [
      "async in all forms",
      [
        "export async function f(){ const o = { async a(x = 1) { return x },",
        "async 'b'() { return 2 }, async [`c`]() { return 3 } }; const d = async x => x;",
        "const e = async function n(y) { return y ? await n(y - 1) : 5 };",
        "return [await o.a(), await o.b(), await o.c(), await d(4), await e(2)] }",
      ].join("\n"),
      [1, 2, 3, 4, 5],
    ],
    [
      "async arrows of objects",
      [
        "export async function f(){ const g = async () => ({ a: 1 }); const h = async (a,",
        "b) => (a, b); return [(await g()).a, await h(1, 2)] }",
      ].join("\n"),
      [1, 2],
    ],
    [
      "await in expressions",
      [
        "export async function f(){ const v = async (x) => x;",
        "return [await v(1) + (await v(2)) ** 1, !(await v(0)), `${await v(`t`)}`,",
        "(await v([7]))[0], await v(1) ? await v(`y`) : 0] }",
      ].join("\n"),
      [3, true, "t", 7, "y"],
    ],
    [
      "errors of async functions",
      [
        "export async function f(){ const bad = async (a = (() => {",
        "throw new Error('x') })()) => a; try { await bad() } catch (e) {",
        "return e.message } finally { await 0 } }",
      ].join("\n"),
      "x",
    ],
    [
      "order of jobs",
      [
        "export async function f(){ const seen = []; const p = (async () => {",
        "seen.push(1); await 0; seen.push(3) })(); seen.push(2); await p;",
        "Promise.resolve().then(() => seen.push(5)); seen.push(4); await 0; await 0;",
        "return seen }",
      ].join("\n"),
      [1, 2, 3, 4, 5],
    ],
    [
      "this of imported functions",
      [
        "import { g as h } from './main.js'; export function g() {",
        "return this === undefined } export function f(){ return [h(), h.call(1)] }",
      ].join("\n"),
      [true, false],
    ],
    [
      "tagged templates",
      [
        "const t = (s, ...v) => s.raw.join('|') + v; globalThis.tag = t;",
        "export function f(){ return tag`a${1}b` + t`c` }",
      ].join("\n"),
      "a|b1c",
    ],
    [
      "optional calls",
      [
        "globalThis.o = null; export function f(){ return [o?.x, o?.(),",
        "nothing2?.()] } globalThis.nothing2 = () => 2;",
      ].join("\n"),
      [null, null, 2],
    ],
    [
      "new with member",
      [
        "import * as ns from './main.js'; export class K { constructor() {",
        "this.k = 1 } } export function f(){ return [new ns.K().k, new K().k,",
        "ns[Symbol.toStringTag]] }",
      ].join("\n"),
      [1, 1, "Module"],
    ],
    [
      "counted buffers",
      [
        "export function f(){ const U = Uint8Array; return [new Uint8Array(3).length,",
        "new Uint8Array([1, 2])[1], new ArrayBuffer(2).byteLength,",
        "new Uint8Array().length, new U(4).length, new Float64Array(new ArrayBuffer(16),",
        "8).length] }",
      ].join("\n"),
      [3, 2, 2, 0, 4, 1],
    ],
    ["hashbang", "#!/usr/bin/env node import(\nexport function f(){ return 1 }", 1],
    [
      "exports of many kinds",
      [
        "export let n = 1; export { n as default, n as 'x y' }; export function* g() {",
        "yield n } export async function h() {} import d, {",
        "'x y' as e } from './main.js'; export function f(){ n = 2; return [d, e,",
        "[...g()][0]] }",
      ].join("\n"),
      [2, 2, 2],
    ],
    [
      "default expressions",
      "import d from './main.js'; export default (1, [2]); export function f(){ return d }",
      [2],
    ],
    [
      "default functions",
      [
        "import d from './main.js'; const early = d(); export default function () {",
        "return 3 } export function f(){ return [early, d()] }",
      ].join("\n"),
      [3, 3],
    ],
    [
      "default classes",
      [
        "import D from './main.js'; export default class { x = 1 } export function f(){",
        "return [new D().x, D.name] }",
      ].join("\n"),
      [1, "default"],
    ],
    [
      "default async",
      [
        "import d from './main.js'; export default async function (a) {",
        "return await a } export async function f(){ return d(6) }",
      ].join("\n"),
      6,
    ],
  ];

  test.each(cases)("%s", (_, source, value) => {
    expect(JSON.parse(JSON.stringify(run(source)))).toEqual(value);
  });
});

test("async generators and `for await` fail when they are reached, not before", () => {
  const source = `
    export async function* unused() { for await (const x of [1]) yield x; }
    class A { static async *m(a = 1) { yield import("x") } async *[\`n\`]() {} }
    const o = { async *p() { yield 1 } };
    export async function f() {
      const errors = [];
      for (const make of [unused, A.m, () => new A().n(), o.p, async () => {
        for await (const x of []) { return x }
      }]) {
        try { const made = make(); await (made.next ? made.next() : made) }
        catch (error) { errors.push(error.message.split(" is ")[0]) }
      }
      return errors;
    }`;
  const generator = "an async generator";
  expect(run(source)).toEqual([generator, generator, generator, generator, "for await"]);
});

test("traces follow source maps, inline and beside the module", () => {
  // The map says: line 2, column 0 of the module is line 7, column 2 of src/a.ts.
  const map = JSON.stringify({
    version: 3,
    sources: ["src/a.ts"],
    names: [],
    mappings: ";AAME",
  });
  const code = "export function f() {\nthrow new Error('x') }\n";
  const failureOf = (modules: Record<string, string>) => {
    const source = { read: (name: string) => modules[name] };
    try {
      engine.createProgram(source, globals).call("/main.js", "f", []);
    } catch (error) {
      return engine.describeFailure(source, error).trace;
    }
    return undefined;
  };
  const inline = `//# sourceMappingURL=data:application/json;base64,${btoa(map)}`;
  expect(failureOf({ "/main.js": code + inline })).toContain("src/a.ts:7:3");
  const beside = { "/main.js": `${code}//# sourceMappingURL=main.js.map`, "/main.js.map": map };
  expect(failureOf(beside)).toContain("src/a.ts:7:3");
  const damaged = { ...beside, "/main.js.map": "{" };
  expect(failureOf(damaged)).toContain("/main.js:2:7");
});

import { readdirSync, readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { findFunctions, maskText } from "./source-text.ts";
import {
  checkLayers,
  checkPurity,
  checkSizes,
  checkWords,
  findDeadFiles,
  findEntries,
  type SourceFile,
} from "./tidy-rules.ts";

/** Goal: the house stays in order. First each rule finds what was planted, then nothing. */

const root = new URL("../", import.meta.url);
const skipped = /(^|\/)(node_modules|dist|coverage|\.git|workspace|package-lock\.json)$/;
const isText = /\.(ts|tsx|js|mjs|json|md|css|html|ya?ml)$/;

function readTree(folder = ""): SourceFile[] {
  const files: SourceFile[] = [];
  for (const name of readdirSync(new URL(folder, root)).sort()) {
    const path = folder + name;
    if (skipped.test(path)) continue;
    if (statSync(new URL(path, root)).isDirectory()) files.push(...readTree(`${path}/`));
    else if (isText.test(name))
      files.push({ path, text: readFileSync(new URL(path, root), "utf8") });
  }
  return files;
}

function file(path: string, text: string): SourceFile {
  return { path, text };
}

describe("the rules find what was planted", () => {
  it("imports against the layers", () => {
    const find = (path: string, text: string): number => checkLayers(file(path, text)).length;
    expect(find("packages/store/src/a.ts", 'import { x } from "@coco/consensus";')).toBe(1);
    expect(find("packages/store/src/a.ts", 'import { x } from "@coco/base";')).toBe(0);
    expect(find("packages/store/src/a.ts", '// import { x } from "@coco/node";')).toBe(0);
    expect(find("packages/runtime/src/a.ts", 'await import("@coco/governance")')).toBe(1);
    expect(find("packages/store/src/a.ts", 'import { x } from "@coco/base/node";')).toBe(1);
    expect(find("packages/store/src/a.test.ts", 'import { x } from "@coco/base/node";')).toBe(0);
    expect(find("packages/client/src/node/a.ts", 'import { x } from "@coco/base/node";')).toBe(0);
    expect(find("packages/node/src/a.ts", 'import { x } from "@coco/base/node";')).toBe(0);
    expect(find("packages/store/src/kv/a.ts", 'export * from "../../../base/src/a.ts";')).toBe(1);
    const helper = 'import { x } from "../../runtime/src/help.testing.ts";';
    expect(find("packages/node/src/a.test.ts", helper)).toBe(0);
    expect(find("packages/node/src/a.ts", helper)).toBe(1);
    expect(find("packages/unknown/src/a.ts", "")).toBe(1);
  });

  it("words of the platform in pure rooms", () => {
    const find = (path: string, text: string): number => checkPurity(file(path, text)).length;
    expect(find("packages/tee/src/a.ts", "Math.random() + Date.now() + Buffer.from(x)")).toBe(3);
    expect(find("packages/tee/src/a.ts", "process.env; performance.now()")).toBe(2);
    expect(find("packages/tee/src/a.ts", '/* Math.random */ "Date.now" // process.env')).toBe(0);
    expect(find("packages/tee/src/a.ts", "ArrayBuffer.isView(x); preprocess.x")).toBe(0);
    expect(find("packages/node/src/a.ts", "process.env")).toBe(0);
    expect(find("packages/client/src/browser/a.ts", "Date.now()")).toBe(0);
  });

  it("long files, functions and lines", () => {
    const find = (text: string): string[] => checkSizes(file("a.ts", text));
    expect(find("x;\n".repeat(600))).toEqual([]);
    expect(find("x;\n".repeat(601))).toEqual(["a.ts: 601 lines"]);
    expect(find(`${"x".repeat(100)}\n${"x".repeat(101)}\n`)).toHaveLength(1);
    const body = (count: number): string => "x;\n".repeat(count);
    expect(find(`function f(a: number): void {\n${body(69)}}\n`)).toHaveLength(1);
    expect(find(`function f(a: number): void {\n${body(68)}}\n`)).toEqual([]);
    expect(find(`const f = async (\n  a,\n) => {\n${body(69)}};\n`)).toHaveLength(1);
    expect(find(`class A {\n  m<T>(a: T): Map<string, T> {\n${body(69)}}\n}\n`)).toHaveLength(1);
    expect(find(`class A {\n${"m() {\nx;\n}\n".repeat(40)}}\n`)).toEqual([]);
    expect(find(`const a = {\n${"b: 1,\n".repeat(90)}};\n`)).toEqual([]);
    expect(find(`describe("x", () => {\n${body(90)}});\n`)).toEqual([]);
    expect(find(`it("x", () => {\n${body(90)}});\n`)).toHaveLength(1);
  });

  it("forbidden words", () => {
    const find = (text: string): number => checkWords(file("a.ts", text)).length;
    expect(find(`// TO${"DO"}: later`)).toBe(1);
    expect(find(`// FIX${"ME"}`)).toBe(1);
    expect(find(`throw new Error("Not ${"implemented"}")`)).toBe(1);
    expect(find("NotImplemented")).toBe(0);
    expect(find(`read("/wo${"rk"}/main/a")`)).toBe(1);
    expect(find('read("https://example.com/work/a"); "../work/a"')).toBe(0);
    expect(find("a; \n")).toBe(1);
  });

  it("dead files, whatever their tests say", () => {
    const files = [
      file("packages/a/src/index.ts", 'export { b } from "./b.ts";'),
      file("packages/a/src/b.ts", 'new Worker(new URL("./worker.js", import.meta.url))'),
      file("packages/a/src/worker.ts", ""),
      file("packages/a/src/deep/run.ts", ""),
      file("packages/a/src/dead.ts", ""),
      file("packages/a/src/dead.test.ts", 'import "./dead.ts"; import "./help.testing.ts";'),
      file("packages/a/src/help.testing.ts", ""),
      file("packages/a/src/lost.testing.ts", ""),
    ];
    const manifest = '{"exports":{".":{"coco-source":"./src/index.ts"}}}';
    const scripts = '{"scripts":{"x":"node packages/a/dist/deep/run.js"}}';
    const entries = new Set([
      ...findEntries(file("packages/a/package.json", manifest)),
      ...findEntries(file("package.json", scripts)),
    ]);
    expect(findDeadFiles(files, entries)).toEqual([
      "packages/a/src/dead.ts: nothing imports it",
      "packages/a/src/lost.testing.ts: nothing imports it",
    ]);
  });

  it("code among comments, strings and patterns", () => {
    const code = 'a("//x", `$' + '{b("`")} y`, /["/]/g);';
    const source = `${code} // c\n/* d */ e / f / g;`;
    expect(maskText(source, false)).toBe(`${code}     \n        e / f / g;`);
    expect(maskText(source, true).replace(/ +/g, " ")).toBe("a( , , g); \n e / f / g;");
    const heads = findFunctions("if (a) { b(c, (d) => { e; }); } function f() { } switch (g) { }");
    expect(heads).toHaveLength(2);
  });
});

describe("the house is in order:", () => {
  const files = readTree();
  const typescript = files.filter(({ path }) => path.endsWith(".ts"));
  const manifests = files.filter(({ path }) => /^packages\/[a-z]+\/package\.json$/.test(path));

  it("imports go down only", () => {
    expect(typescript.length).toBeGreaterThan(100);
    expect(typescript.flatMap(checkLayers)).toEqual([]);
  });

  it("pure rooms are pure", () => {
    expect(typescript.flatMap(checkPurity)).toEqual([]);
  });

  it("files, functions and lines are short", () => {
    expect(typescript.flatMap(checkSizes)).toEqual([]);
  });

  it("no forbidden words", () => {
    expect(files.flatMap(checkWords)).toEqual([]);
  });

  it("no dead files", () => {
    const entries = new Set(
      files.filter(({ path }) => path.endsWith("package.json")).flatMap(findEntries),
    );
    expect(findDeadFiles(files, entries)).toEqual([]);
  });

  it("every package has a README", () => {
    const readmes = new Set(files.map(({ path }) => path));
    const rooms = manifests.map(({ path }) => path.replace("package.json", "README.md"));
    expect(rooms.filter((path) => !readmes.has(path))).toEqual([]);
  });
});

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { AppBundle } from "../app/bundle.ts";
import { templateDirectory } from "../app/templates.ts";
import { coco, createTestDirectory } from "../run.testing.ts";

const temporary = createTestDirectory();

function readBundle(path: string): AppBundle {
  return JSON.parse(readFileSync(path, "utf8")) as AppBundle;
}

/** An app directory with one endpoint and the given sources. */
function createApp(name: string, sources: Readonly<Record<string, string>>): string {
  const directory = join(temporary, name);
  mkdirSync(join(directory, "src"), { recursive: true });
  for (const [file, text] of Object.entries(sources)) writeFileSync(join(directory, file), text);
  const endpoint = { js_module: "main.js", js_function: "hello", mode: "readonly" };
  const metadata = { endpoints: { "/hello": { get: endpoint } } };
  writeFileSync(join(directory, "app.json"), JSON.stringify(metadata));
  return directory;
}

describe("app create and build", () => {
  // Goal: every template becomes an app that type-checks, builds, and exports its endpoints.
  test.each(["logging", "banking"])("template %s", async (template) => {
    const directory = join(temporary, `My ${template}`);
    const created = await coco(["app", "create", directory, "--template", template]);
    expect(created.code).toBe(0);
    const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    expect(manifest.name).toBe(`my-${template}`);
    const built = await coco(["app", "build", directory, "--json"]);
    expect([built.code, built.talk]).toEqual([0, ""]);
    const bundle = readBundle(join(directory, "dist", "bundle.json"));
    expect(bundle.modules.map(({ name }) => name)).toContain(`${template}.js`);
    for (const { module } of bundle.modules) {
      const map = /sourceMappingURL=data:application\/json;base64,(\S+)/.exec(module)![1]!;
      const { sources } = JSON.parse(Buffer.from(map, "base64").toString("utf8"));
      expect(sources).toContain(`src/${template}.ts`);
    }
    const again = await coco(["app", "create", directory]);
    expect(again.talk).toContain("COCO-9003");
  });

  // Goal: modules that two entries share exist once, and imports between modules are relative.
  test("shared modules are split", async () => {
    const directory = join(temporary, "shared");
    cpSync(templateDirectory("logging"), directory, { recursive: true });
    writeFileSync(
      join(directory, "src", "second.ts"),
      'import { parseQuery } from "./http.ts";\nexport const hello = () => parseQuery("").size;\n',
    );
    const file = join(directory, "app.json");
    const metadata = JSON.parse(readFileSync(file, "utf8"));
    metadata.endpoints["/second"] = { get: { js_module: "second.js", js_function: "hello" } };
    writeFileSync(file, JSON.stringify(metadata));
    const out = join(directory, "bundle.json");
    const line = ["app", "build", directory, "--out", out, "--no-source-maps", "--no-check"];
    expect((await coco(line)).code).toBe(0);
    const { modules } = readBundle(out);
    const names = modules.map(({ name }) => name);
    expect(names).toHaveLength(3);
    expect(names).toEqual(expect.arrayContaining(["logging.js", "second.js"]));
    expect(names.some((name) => name.startsWith("shared/"))).toBe(true);
    expect(modules.find(({ name }) => name === "second.js")!.module).toContain('from "./shared/');
  });

  // Goal: a CCF bundle directory is taken byte for byte, with every file of src.
  test("a bundle passes unmodified", async () => {
    const main =
      'import { x } from "./sub/x.js";\nexport function hello () { return { body: x } }\n';
    const directory = createApp("bundle", { "src/main.js": main });
    mkdirSync(join(directory, "src", "sub"));
    writeFileSync(join(directory, "src", "sub", "x.js"), "export const x = 1;");
    const { code, json } = await coco(["app", "build", directory, "--json"]);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ kind: "bundle", modules: 2, endpoints: 1 });
    const bundle = readBundle(join(directory, "dist", "bundle.json"));
    expect(bundle.metadata).toEqual(JSON.parse(readFileSync(join(directory, "app.json"), "utf8")));
    expect(bundle.modules).toEqual([
      { name: "main.js", module: main },
      { name: "sub/x.js", module: "export const x = 1;" },
    ]);
    const again = join(directory, "again.json");
    const file = join(directory, "dist", "bundle.json");
    expect((await coco(["app", "build", file, "--out", again])).code).toBe(0);
    expect(readBundle(again)).toEqual(bundle);
  });
});

describe("apps that cannot be built", () => {
  const fails = async (directory: string, reason: RegExp) => {
    const { code, talk } = await coco(["app", "build", directory]);
    expect(code).toBe(1);
    expect(talk).toMatch(/^COCO-9030 The app cannot be built: /m);
    expect(talk).toMatch(reason);
    expect(talk).not.toContain("    at ");
    return talk;
  };

  // Goal: a syntax error shows the place and the code frame.
  test("a syntax error", async () => {
    const source = "export function hello() {\n  return { body: 1 +  };\n}\n";
    const talk = await fails(createApp("syntax", { "src/main.ts": source }), /src\/main\.ts:2:22/);
    expect(talk).toContain("return { body: 1 +  };");
  });

  // Goal: a type error shows the compiler's message when the app has a tsconfig.json.
  test("a type error", async () => {
    const source = 'export function hello(): { body: number } {\n  return { body: "x" };\n}\n';
    const tsconfig = '{ "compilerOptions": { "strict": true, "types": [] }, "include": ["src"] }';
    const sources = { "src/main.ts": source, "tsconfig.json": tsconfig };
    const directory = createApp("types", sources);
    const talk = await fails(directory, /main\.ts.*TS2322/);
    expect(talk).toContain("is not assignable to type 'number'");
    const unchecked = await coco(["app", "build", directory, "--no-check"]);
    expect(unchecked.code).toBe(0);
  });

  // Goal: what app.json names has to be there.
  test("missing parts", async () => {
    await fails(join(temporary, "nowhere"), /there is no /);
    await fails(createApp("module", { "src/other.ts": "" }), /there is no src\/main\.ts/);
    await fails(createApp("export", { "src/main.ts": "" }), /does not export hello/);
    await fails(createApp("js", { "src/other.js": "" }), /there is no module main\.js/);
    const empty = join(temporary, "empty");
    mkdirSync(empty);
    await fails(empty, /has no app\.json/);
    const unresolved = 'import { x } from "no-such-package";\nexport const hello = () => x;\n';
    await fails(createApp("import", { "src/main.ts": unresolved }), /no-such-package/);
    expect(readdirSync(empty)).toEqual([]);
  });
});

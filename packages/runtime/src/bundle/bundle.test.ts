import { isCocoError } from "@coco/base";
import { createStore } from "@coco/store";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endpointsTable, interpreterFlushValue, modulesTable } from "../tables.ts";
import { folderToBundle, parseBundle } from "./bundle.ts";
import { readJsApp, removeJsApp, setJsApp } from "./installed-app.ts";

const endpoint = {
  js_module: "src/a.js",
  js_function: "f",
  forwarding_required: "never",
  authn_policies: ["user_cert", { all_of: ["jwt", "user_cert"] }],
  mode: "readonly",
  openapi: {},
};
const bundle = {
  metadata: { endpoints: { "/a/{id}": { get: endpoint, post: endpoint } } },
  modules: [{ name: "src/a.js", module: "export function f() {}" }],
};

/** The bundle with one field changed. */
function withField(path: readonly (string | number)[], value: unknown): unknown {
  type Node = Record<string | number, unknown>;
  const copy = structuredClone(bundle) as unknown as Node;
  const parent = path.slice(0, -1).reduce((node, key) => node[key] as Node, copy);
  parent[path.at(-1)!] = value;
  return copy;
}

describe("parseBundle", () => {
  it("accepts CCF's format and names the field of every mistake", () => {
    expect(parseBundle(bundle)).toEqual(bundle);
    const at = ["metadata", "endpoints", "/a/{id}", "get"];
    const mistakes: readonly (readonly [string, readonly (string | number)[], unknown])[] = [
      ["bundle.modules must", ["modules"], {}],
      ["bundle.modules[0].name", ["modules", 0, "name"], ""],
      ["bundle.modules[0].module", ["modules", 0, "module"], 1],
      ["bundle.modules[1].name", ["modules", 1], bundle.modules[0]],
      ["bundle.metadata must", ["metadata"], null],
      ["bundle.metadata.endpoints must", ["metadata", "endpoints"], []],
      ['endpoints["/a/{id}"]["fetch"]', [...at.slice(0, 3), "fetch"], endpoint],
      ['["get"].js_module', [...at, "js_module"], "src/b.js"],
      ['["get"].js_function', [...at, "js_function"], undefined],
      ['["get"].forwarding_required', [...at, "forwarding_required"], "maybe"],
      ['["get"].mode', [...at, "mode"], "write"],
      ['["get"].redirection_strategy', [...at, "redirection_strategy"], 1],
      ['["get"].authn_policies', [...at, "authn_policies"], "jwt"],
      ['["get"].authn_policies[0]', [...at, "authn_policies", 0], { all_of: [1] }],
      ['["get"].openapi', [...at, "openapi"], "x"],
      ['["get"].openapi_hidden', [...at, "openapi_hidden"], 1],
      ['["get"].interpreter_reuse', [...at, "interpreter_reuse"], {}],
      ['["get"].respond_after_commit', [...at, "respond_after_commit"], "yes"],
    ];
    for (const [words, path, value] of mistakes) {
      expect(() => parseBundle(withField(path, value)), words).toThrow(
        expect.objectContaining({ code: "BadBundle", message: expect.stringContaining(words) }),
      );
    }
    expect(() => parseBundle(withField(["metadata", "endpoints", "no"], {}))).toThrow(
      expect.objectContaining({ code: "BadPathTemplate" }),
    );
  });

  it("throws typed errors and nothing else for any JSON and any changed bundle", () => {
    const paths = fc.constantFrom(
      ["metadata"],
      ["modules"],
      ["modules", 0],
      ["metadata", "endpoints"],
      ["metadata", "endpoints", "/a/{id}"],
      ["metadata", "endpoints", "/{"],
      ...Object.keys(endpoint).map((key) => ["metadata", "endpoints", "/a/{id}", "get", key]),
    );
    const changed = fc.tuple(paths, fc.jsonValue()).map(([path, value]) => withField(path, value));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), changed), (value) => {
        try {
          parseBundle(value);
        } catch (error) {
          expect(isCocoError(error) && error.code).toMatch(/^Bad(Bundle|PathTemplate)$/);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("makes a bundle of a folder, in order of names", () => {
    const files = [
      ["src/a.js", "1"],
      ["lib/b.js", "2"],
    ] as const;
    const made = folderToBundle({ metadata: bundle.metadata, files });
    expect(made.modules.map((module) => module.name)).toEqual(["lib/b.js", "src/a.js"]);
  });
});

describe("the app in the store", () => {
  it("is replaced as a whole, read back, and removed without a trace", () => {
    const transaction = createStore().begin("governanceApply");
    modulesTable(transaction).set("/old.js", "");
    endpointsTable(transaction).set(
      "GET /old",
      parseBundle(bundle).metadata.endpoints["/a/{id}"]!["get"]!,
    );
    setJsApp(transaction, parseBundle(bundle));
    const stored = { ...endpoint, js_module: "/src/a.js" };
    expect(readJsApp(transaction)).toEqual({
      metadata: { endpoints: { "/a/{id}": { GET: stored, POST: stored } } },
      modules: [{ name: "/src/a.js", module: bundle.modules[0]!.module }],
    });
    expect(interpreterFlushValue(transaction).get()).toBe(true);
    removeJsApp(transaction);
    expect(readJsApp(transaction)).toEqual({ metadata: { endpoints: {} }, modules: [] });
    expect(interpreterFlushValue(transaction).has()).toBe(false);
  });
});

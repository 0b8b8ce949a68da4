import { type Debugger, Session } from "node:inspector";
import { expect, test } from "vitest";
import { createSesEngine } from "./ses-engine.ts";

/** The scripts that a debugger learns of while `action` runs, by URL. */
function scriptsOf(action: () => void): Map<string, string | undefined> {
  const scripts = new Map<string, string | undefined>();
  const session = new Session();
  session.connect();
  session.on(
    "Debugger.scriptParsed",
    ({ params }: { params: Debugger.ScriptParsedEventDataType }) =>
      scripts.set(params.url, params.sourceMapURL),
  );
  session.post("Debugger.enable");
  action();
  session.disconnect();
  return scripts;
}

// Goal: a debugger gets a module's own source map, so that it shows the TypeScript; a map that is
// not inside the module is not asked for.
test("debuggers see modules with their source maps", () => {
  const map = "data:application/json;base64,e30=";
  const modules: Record<string, string> = {
    "/main.js": `import "./a b.js"; export const f = () => 1;\n//# sourceMappingURL=${map}\n`,
    "/a b.js": "export const g = 1;\n//# sourceMappingURL=https://elsewhere.example/map\n",
  };
  const engine = createSesEngine({
    rng: { bytes: (length) => new Uint8Array(length).fill(7) },
    nowMs: () => 0,
  });
  const scripts = scriptsOf(() => {
    const program = engine.createProgram({ read: (name: string) => modules[name] }, {});
    expect(program.call("/main.js", "f", [])).toBe(1);
  });
  expect(scripts.get("app:/main.js")).toBe(map);
  expect(scripts.get("app:/a%20b.js")).toBe("");
});

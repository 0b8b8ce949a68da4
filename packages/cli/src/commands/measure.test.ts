import { createHash } from "node:crypto";
import { cpSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { coco, createTestDirectory } from "../run.testing.ts";

const temporary = createTestDirectory();

const lock = {
  packages: {
    "": { devDependencies: { tool: "1.0.0" } },
    "packages/cli": { version: "0.1.0", dependencies: { "@coco/base": "0.1.0", left: "1.0.0" } },
    "packages/base": { version: "0.1.0", optionalDependencies: { fast: "1.0.0" } },
    "node_modules/@coco/base": { resolved: "packages/base", link: true },
    "node_modules/left": { version: "1.0.0", integrity: "sha512-a", dependencies: { right: "2" } },
    "node_modules/left/node_modules/right": { version: "2.0.0", integrity: "sha512-b" },
    "node_modules/right": { version: "1.0.0", integrity: "sha512-c", dev: true },
    "node_modules/fast": { version: "1.0.0", integrity: "sha512-d", optional: true },
    "node_modules/tool": { version: "1.0.0", integrity: "sha512-e", dev: true },
  },
};

const contents: Readonly<Record<string, string>> = {
  "package-lock.json": JSON.stringify(lock),
  "packages/cli/package.json": "{}",
  "packages/cli/bin/coco.js": "start();",
  "packages/cli/dist/index.js": "run();",
  "packages/cli/dist/tsconfig.tsbuildinfo": "notes",
  "packages/cli/src/index.ts": "run() as void;",
  "packages/base/package.json": "{}",
  "packages/base/dist/index.js": "base();",
  "node_modules/left/index.js": "left();",
  "node_modules/left/node_modules/right/index.js": "right2();",
  "node_modules/right/index.js": "right1();",
  "node_modules/fast/fast.node": "native",
  "node_modules/tool/index.js": "tool();",
};

let programsCount = 0;

function createProgram(changes: Readonly<Record<string, string>> = {}): string {
  const root = join(temporary, `program${programsCount++}`);
  for (const [path, text] of Object.entries({ ...contents, ...changes })) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

async function measure(root: string): Promise<string> {
  const { code, json } = await coco(["measure", "--root", root, "--json"]);
  expect(code).toBe(0);
  return json<{ measurement: string }>().measurement;
}

describe("coco measure", () => {
  // Goal: the manifest lists what runs, and nothing that only builds or tests it.
  test("the manifest names what runs", async () => {
    const { out } = await coco(["measure", "--root", createProgram(), "--manifest"]);
    const [format, ...lines] = out.trimEnd().split("\n");
    expect(format).toBe("coco-program-v1");
    expect(lines.map((line) => line.replace(/^(file|package) \S+ /, "$1 ")).sort()).toEqual([
      "file node_modules/left/index.js",
      "file node_modules/left/node_modules/right/index.js",
      "file packages/base/dist/index.js",
      "file packages/base/package.json",
      "file packages/cli/bin/coco.js",
      "file packages/cli/dist/index.js",
      "file packages/cli/package.json",
      "package node_modules/fast 1.0.0",
      "package node_modules/left 1.0.0",
      "package node_modules/left/node_modules/right 2.0.0",
    ]);
    const digest = createHash("sha256").update("start();").digest("hex");
    expect(lines).toContain(`file ${digest} packages/cli/bin/coco.js`);
  });

  // Goal: the measurement is the SHA-256 of the manifest, so others can compute it.
  test("the value is the hash of the manifest", async () => {
    const root = createProgram();
    const { out } = await coco(["measure", "--root", root, "--manifest"]);
    const { json } = await coco(["measure", "--root", root, "--json"]);
    expect(json()).toEqual({
      measurement: createHash("sha256").update(out).digest("hex"),
      algorithm: "SHA-256",
      version: "0.1.0",
      files: 7,
      packages: 3,
      namedOnly: ["node_modules/fast"],
    });
    const text = await coco(["measure", "--root", root]);
    expect(text.out).toBe(`${json()["measurement"]}\n`);
  });

  // Goal: the same program gives the same value in another place and after a copy.
  test("twice the same value, wherever it stands", async () => {
    const root = createProgram();
    const value = await measure(root);
    expect(value).toMatch(/^[0-9a-f]{64}$/);
    expect(await measure(root)).toBe(value);
    const copy = join(temporary, "a longer", "name");
    cpSync(root, copy, { recursive: true });
    expect(await measure(copy)).toBe(value);
  });

  // Goal: what never runs, or differs between machines, does not change the value.
  test.each([
    "packages/cli/dist/tsconfig.tsbuildinfo",
    "packages/cli/src/index.ts",
    "node_modules/tool/index.js",
    "node_modules/right/index.js",
    "node_modules/fast/fast.node",
  ])("%s does not count", async (path) => {
    const changed = createProgram({ [path]: `${contents[path]} ` });
    expect(await measure(changed)).toBe(await measure(createProgram()));
  });

  // Goal: a changed byte in anything that runs, and a file more, give another value.
  test.each([
    "packages/cli/package.json",
    "packages/cli/bin/coco.js",
    "packages/cli/dist/index.js",
    "packages/base/dist/index.js",
    "packages/base/dist/more.js",
    "packages/cli/node_modules/left/index.js",
    "node_modules/left/index.js",
    "node_modules/left/node_modules/right/index.js",
    "node_modules/left/node_modules/more/index.js",
  ])("%s counts", async (path) => {
    const changed = createProgram({ [path]: `${contents[path] ?? ""} ` });
    expect(await measure(changed)).not.toBe(await measure(createProgram()));
  });

  // Goal: a renamed file is another program although all contents are the same.
  test("a renamed file", async () => {
    const root = createProgram();
    const value = await measure(root);
    const folder = join(root, "packages/base/dist");
    renameSync(join(folder, "index.js"), join(folder, "other.js"));
    expect(await measure(root)).not.toBe(value);
  });

  // Goal: what cannot be measured is an error, never a value that leaves something out.
  test("missing parts and links are refused", async () => {
    const refuse = async (root: string, reason: RegExp): Promise<void> => {
      const { code, json } = await coco(["measure", "--root", root, "--json"]);
      expect(code).toBe(1);
      expect(json()["error"]).toMatchObject({ code: "NotMeasurable", number: 9060 });
      expect((json()["error"] as { message: string }).message).toMatch(reason);
    };
    await refuse(join(temporary, "nowhere"), /no package-lock/);
    await refuse(createProgram({ "package-lock.json": "{}" }), /does not name packages\/cli/);
    const unbuilt = createProgram();
    renameSync(join(unbuilt, "packages/base/dist"), join(unbuilt, "packages/base/out"));
    await refuse(unbuilt, /not built/);
    const uninstalled = createProgram();
    renameSync(join(uninstalled, "node_modules/left"), join(uninstalled, "node_modules/gone"));
    await refuse(uninstalled, /left: it is missing/);
    const linked = createProgram();
    symlinkSync("index.js", join(linked, "packages/base/dist/link.js"));
    await refuse(linked, /neither file nor folder/);
    const { "node_modules/left": _, ...others } = lock.packages;
    const torn = JSON.stringify({ packages: others });
    await refuse(createProgram({ "package-lock.json": torn }), /left, which packages\/cli needs/);
  });
});

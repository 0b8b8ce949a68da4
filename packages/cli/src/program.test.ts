import { describe, expect, test } from "vitest";
import { commandTree } from "./command-tree.ts";
import { version } from "./program.ts";
import { coco } from "./run.testing.ts";

describe("every command", () => {
  // Goal: help names the arguments and options and shows at least one example of the command.
  test.each(commandTree.map(({ path }) => path))("%s --help", async (path) => {
    const description = commandTree.find((command) => command.path === path)!;
    const { code, out, talk } = await coco([...path.split(" "), "--help"]);
    expect(code).toBe(0);
    expect(talk).toBe("");
    expect(out).toContain(`Usage: coco ${path}`);
    for (const { flags } of description.options ?? []) expect(out).toContain(flags);
    expect(description.examples.length).toBeGreaterThan(0);
    for (const [line] of description.examples) {
      expect(line.startsWith(`coco ${path}`)).toBe(true);
      expect(out).toContain(line);
    }
  });

  // Goal: the code of each command loads and has a `run`.
  test.each(commandTree.map(({ path }) => path))("%s loads", async (path) => {
    const description = commandTree.find((command) => command.path === path)!;
    expect(typeof (await description.load()).run).toBe("function");
  });
});

describe("the command line", () => {
  // Goal: what is not understood ends with exit code 2 and a numbered line on stderr only.
  test.each([
    [["nosuch"], /unknown command 'nosuch'/],
    [["ledgr", "verify"], /Did you mean ledger/],
    [["ledger", "verify", "x", "--nosuch"], /unknown option '--nosuch'/],
    [["ledger", "verify"], /missing required argument 'dir'/],
    [["sandbox", "--port", "x"], /whole number/],
    [["key", "generate", "--role", "owner", "--out", "x"], /Allowed choices are member, user/],
    [["key", "generate", "--out", "x"], /required option '--role <role>' not specified/],
  ])("%j", async (line, reason) => {
    const { code, out, talk } = await coco(line);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(talk).toMatch(/^COCO-9000 The command line is not understood: /);
    expect(talk).toMatch(reason);
  });

  // Goal: the version and the root help are data and succeed.
  test("--version and --help", async () => {
    expect(await coco(["--version"])).toMatchObject({ code: 0, out: `${version}\n` });
    const help = await coco(["--help"]);
    expect(help.code).toBe(0);
    for (const { path } of commandTree) expect(help.out).toContain(path.split(" ")[0]);
    expect(help.out).toContain("Exit codes: 0 done");
  });

  // Goal: nothing is coloured where no terminal is.
  test("no colours without a terminal", async () => {
    const { talk } = await coco(["ledger", "verify", "/nowhere/at/all"]);
    expect(talk).not.toContain("\u001b");
  });
});

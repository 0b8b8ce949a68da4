import { describe, expect, it } from "vitest";
import { installIndexModules } from "./index-modules.ts";
import type { IndexStrategy } from "./indexing.ts";

function moduleOf(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

describe("installIndexModules", () => {
  // Goal: good modules are installed in order; bad ones are named and harm nobody.
  it("installs what can be loaded", async () => {
    const installed: IndexStrategy[] = [];
    const lines: string[] = [];
    const good = (name: string) =>
      moduleOf(`export default () => ({ name: "${name}", handleCommitted() {} });`);
    await installIndexModules(
      [good("a"), moduleOf("throw new Error('broken')"), "file:///no/such.js", good("b")],
      { install: (strategy) => installed.push(strategy) },
      { source: () => undefined, log: (level, line) => lines.push(`${level} ${line}`) },
    );
    expect(installed.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(lines).toEqual(Array(2).fill("error an index module could not be installed"));
  });
});

import { expect, test } from "vitest";
import { generateCliPage } from "./generate-cli-page.ts";
import { generateConfigurationPage } from "./generate-configuration-page.ts";
import { findCatalogues, generateErrorPage } from "./generate-error-page.ts";

// Goal: the error page is what the catalogues say; `npx vitest run tools -u` renews it.
test("docs/errors.md is up to date", async () => {
  await expect(await generateErrorPage()).toMatchFileSnapshot("../docs/errors.md");
});

// Goal: the command reference is what the command tree says.
test("docs/cli.md is up to date", async () => {
  await expect(generateCliPage()).toMatchFileSnapshot("../docs/cli.md");
});

// Goal: the configuration reference is what the schema says.
test("docs/configuration.md is up to date", async () => {
  await expect(generateConfigurationPage()).toMatchFileSnapshot("../docs/configuration.md");
});

// Goal: a number names one error only, and every room with errors is on the page.
test("error numbers are unique and each room keeps to its thousand", async () => {
  const catalogues = await findCatalogues();
  const thousands: Record<string, number> = {
    base: 1,
    consensus: 3,
    tee: 4,
    governance: 5,
    runtime: 6,
    node: 7,
    client: 8,
    cli: 9,
  };
  const rooms = new Set(catalogues.map(({ room }) => room));
  for (const room of Object.keys(thousands)) expect(rooms).toContain(room);
  const seen = new Map<number, string>();
  for (const { room, descriptions } of catalogues) {
    for (const [code, { number, title, next }] of Object.entries(descriptions)) {
      expect([number, seen.get(number)]).toEqual([number, undefined]);
      seen.set(number, `${room}.${code}`);
      const thousand = thousands[room];
      if (thousand !== undefined) expect(Math.floor(number / 1000)).toBe(thousand);
      expect(title).toMatch(/^[A-Z].*[^.]$/);
      expect(next).toMatch(/^[A-Z].*[^.]$/);
    }
  }
});

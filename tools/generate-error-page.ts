/** docs/errors.md from the catalogues of all rooms. `npx vitest run tools -u` writes it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ErrorCatalogue, ErrorDescription } from "../packages/base/src/index.ts";

const packages = join(import.meta.dirname, "..", "packages");

/** The catalogues of all files that are called `...errors.ts`, in the order of their numbers. */
export async function findCatalogues(): Promise<ErrorCatalogue<string>[]> {
  const catalogues: ErrorCatalogue<string>[] = [];
  for (const room of readdirSync(packages)) {
    const sources = join(packages, room, "src");
    for (const file of readdirSync(sources, { recursive: true, encoding: "utf8" })) {
      if (!/(errors|catalogue)\.ts$/.test(file)) continue;
      const exported: Record<string, unknown> = await import(join(sources, file));
      catalogues.push(...Object.values(exported).filter(isCatalogue));
    }
  }
  return catalogues.sort((left, right) => firstNumber(left) - firstNumber(right));
}

function isCatalogue(value: unknown): value is ErrorCatalogue<string> {
  return (
    typeof value === "object" &&
    value !== null &&
    "descriptions" in value &&
    "room" in value &&
    "create" in value
  );
}

function firstNumber(catalogue: ErrorCatalogue<string>): number {
  return Math.min(...Object.values(catalogue.descriptions).map(({ number }) => number));
}

/** One table for each room. */
export async function generateErrorPage(): Promise<string> {
  const rooms = new Map<string, [string, ErrorDescription][]>();
  for (const { room, descriptions } of await findCatalogues()) {
    rooms.set(room, [...(rooms.get(room) ?? []), ...Object.entries(descriptions)]);
  }
  const sections = [...rooms].map(([room, entries]) => {
    const rows = entries
      .sort(([, left], [, right]) => left.number - right.number)
      .map(
        ([code, { number, title, next }]) => `| COCO-${number} | ${code} | ${title} | ${next} |`,
      );
    const head = "| number | code | what happened | what to do |\n|---|---|---|---|";
    return `## ${room}\n\n${head}\n${rows.join("\n")}\n`;
  });
  return `# Errors

Every error that a person sees reads \`COCO-nnnn what happened: to what. What to do\`. Programs
match on the code. This page is generated from the catalogues of the rooms
(\`packages/*/src/errors.ts\`).

${sections.join("\n")}`;
}

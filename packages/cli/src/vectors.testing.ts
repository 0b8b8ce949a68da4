/** Ledgers of real CCF services, for tests; absent on machines without the vectors. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const vectors = process.env["COCO_VECTORS"] ?? resolve("../shared/vectors");
export const hasVectors = existsSync(join(vectors, "ccf-ledgers"));
if (!hasVectors) console.warn(`skipped: there are no vectors in ${vectors}`);

export function ledgerOf(service: string): string {
  return join(vectors, "ccf-ledgers", service, "ledger");
}

export function keysOf(service: string): string {
  return join(vectors, "ccf-ledgers", service, "common");
}

/** A recorded answer of the live node. */
export function readRecorded(path: string): string {
  const text = readFileSync(join(vectors, "ccf-http", "exchanges.jsonl"), "utf8");
  for (const line of text.split("\n")) {
    if (!line.includes(path)) continue;
    const { request, response } = JSON.parse(line);
    if (request?.path === path && response.status === 200) return response.body as string;
  }
  throw new Error(`no recorded answer for ${path}`);
}

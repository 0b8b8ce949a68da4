/** Recorded exchanges of a live CCF node, for tests; absent on machines without the vectors. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const vectors = process.env["COCO_VECTORS"] ?? resolve("../shared/vectors");
export const hasVectors = existsSync(join(vectors, "ccf-http", "exchanges.jsonl"));
if (!hasVectors) console.warn(`skipped: there are no vectors in ${vectors}`);

export interface RecordedExchange {
  readonly set: string;
  readonly note: string | null;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly body_base64?: string;
  };
  readonly response: {
    readonly status: number;
    readonly rawHeaders: readonly string[];
    readonly body: string;
  };
}

export function readExchanges(): RecordedExchange[] {
  const text = readFileSync(join(vectors, "ccf-http", "exchanges.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RecordedExchange)
    .filter((exchange) => exchange.request !== undefined);
}

export function readLivePem(name: string): string {
  return readFileSync(join(vectors, "ccf-ledgers", "live_service", "common", name), "utf8");
}

/** Runs a command line inside a test and collects what it prints. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { run } from "./program.ts";

export interface RunResult {
  readonly code: number;
  readonly out: string;
  readonly talk: string;
  /** The first line of stdout as JSON. */
  json<Value = Record<string, unknown>>(): Value;
}

export async function coco(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  let out = "";
  let talk = "";
  const streams = {
    out: (text: string) => {
      out += text;
    },
    talk: (text: string) => {
      talk += text;
    },
    isTerminal: false,
  };
  const code = await run(argv, { streams, environment });
  return { code, out, talk, json: <Value>() => JSON.parse(out.split("\n", 1)[0]!) as Value };
}

/** A directory that is removed after the tests of the file. */
export function createTestDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "coco-cli-test-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

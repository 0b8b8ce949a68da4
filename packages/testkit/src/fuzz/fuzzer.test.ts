import { baseErrors } from "@coco/base";
import { describe, expect, it } from "vitest";
import { type FuzzTarget, runFuzz } from "./fuzzer.ts";
import { mutate, SeededRandom } from "./mutator.ts";
import { fuzzTargets } from "./targets.ts";

const options = { durationMs: 400, seed: 7, usesCoverage: false };

function target(run: FuzzTarget["run"]): FuzzTarget {
  return { name: "test", seeds: () => [Buffer.from("length=1;value")], run };
}

describe("runFuzz", () => {
  // Goal: errors that are not typed are found, each place once, with the input that shows it.
  it("finds an untyped error behind a condition", () => {
    const report = runFuzz(
      target((input) => {
        if (input[0] === 0xff) throw new RangeError("bad length");
        throw baseErrors.create("BadCbor");
      }),
      options,
    );
    expect(report.findings).toHaveLength(1);
    expect(report.findings[0]).toMatchObject({ kind: "error" });
    expect(report.findings[0]!.input[0]).toBe(0xff);
  });

  // Goal: typed errors and success are no findings.
  it("accepts typed errors", () => {
    const report = runFuzz(
      target((input) => {
        if (input.length % 2 === 0) throw baseErrors.create("BadCbor");
      }),
      options,
    );
    expect(report.findings).toEqual([]);
    expect(report.executions).toBeGreaterThan(100);
    expect(report.acceptedCount).toBeGreaterThan(0);
  });

  // Goal: an input that asks for much memory is found.
  it("finds an allocation that an input dictates", () => {
    const kept: Buffer[] = [];
    const report = runFuzz(
      target((input) => {
        if (input[1] === 0x80) kept.push(Buffer.alloc(80 << 20));
        if (kept.length > 4) kept.length = 0;
      }),
      { ...options, durationMs: 2000, findingCountMax: 1 },
    );
    expect(report.findings[0]).toMatchObject({ kind: "memory" });
  });

  // Goal: the same seed makes the same inputs.
  it("is repeatable", () => {
    const inputs = [1, 2].map(() => {
      const random = new SeededRandom(5);
      const bytes = Buffer.from("abcdefgh");
      return Array.from({ length: 50 }, () =>
        mutate({ random, sizeBytesMax: 64 }, bytes, bytes).toString("hex"),
      );
    });
    expect(inputs[0]).toEqual(inputs[1]);
    expect(inputs[0]!.every((hex) => hex.length <= 128)).toBe(true);
  });
});

describe("the parsers that face outside", () => {
  // Goal: seeds are what they claim, so that changed inputs get past the first check.
  it.each(fuzzTargets)("$name accepts its seeds", (fuzzTarget) => {
    const seeds = fuzzTarget.seeds();
    expect(seeds.length).toBeGreaterThan(0);
    for (const seed of seeds) fuzzTarget.run(seed);
  });

  // Goal: a moment of changed inputs gives typed errors only; `npm run fuzz` runs longer.
  it.each(fuzzTargets)("$name survives changed inputs", (fuzzTarget) => {
    const report = runFuzz(fuzzTarget, { ...options, durationMs: 200, seed: 11 });
    expect(report.findings.map(({ kind, detail }) => `${kind}: ${detail}`)).toEqual([]);
    expect(report.executions).toBeGreaterThan(20);
  });
});

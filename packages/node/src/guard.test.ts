import { createSesEngine } from "@coco/runtime";
import { expect, test } from "vitest";
import { createVmGuard } from "./guard.ts";

const guard = createVmGuard();
const endless = () => {
  for (;;);
};

test("results and exceptions of the action pass through", () => {
  expect(guard.run(1000, () => 42)).toBe(42);
  const thrown = new TypeError("mine");
  expect(() =>
    guard.run(1000, () => {
      throw thrown;
    }),
  ).toThrow(thrown);
});

test("an endless loop ends in a typed error, without catch and finally of the action", () => {
  let isCaught = false;
  const start = performance.now();
  expect(() =>
    guard.run(50, () => {
      try {
        endless();
      } catch {
        isCaught = true;
      } finally {
        isCaught = true;
      }
    }),
  ).toThrow(/ran too long/);
  expect(isCaught).toBe(false);
  expect(performance.now() - start).toBeLessThan(2000);
  expect(guard.run(1000, () => 1)).toBe(1);
});

test("nested runs: the inner limit ends the inner action, the outer limit both", () => {
  const seen: string[] = [];
  const result = guard.run(2000, () => {
    try {
      guard.run(30, endless);
    } catch (error) {
      seen.push((error as { code: string }).code);
    }
    return "outer goes on";
  });
  expect(result).toBe("outer goes on");
  expect(seen).toEqual(["ExecutionTimeLimit"]);
  expect(() =>
    guard.run(50, () => {
      try {
        guard.run(5000, endless);
      } finally {
        seen.push("inner returned");
      }
    }),
  ).toThrow(/stopped: 50 ms/);
  expect(seen).toEqual(["ExecutionTimeLimit"]);
  expect(guard.run(1000, () => 1)).toBe(1);
});

test("endless loops in the sandbox: in a function, in promises, in a pattern", () => {
  const engine = createSesEngine({
    rng: { bytes: (length) => new Uint8Array(length) },
    nowMs: () => 0,
  });
  const modules = {
    read: () => `
      export function loop() { for (;;); }
      export async function jobs() { for (;;) await 0; }
      export function reactions() {
        const next = () => Promise.resolve().then(next);
        return next();
      }
      export function pattern() { return /^(a+)+$/.test("a".repeat(50) + "b"); }
      export function fine() { return 7; }`,
  };
  const globals = {};
  for (const name of ["loop", "jobs", "reactions", "pattern"]) {
    const program = engine.createProgram(modules, globals);
    expect(() => guard.run(50, () => program.call("/m.js", name, []))).toThrow(/ran too long/);
    const next = engine.createProgram(modules, globals);
    expect(guard.run(10_000, () => next.call("/m.js", "fine", []))).toBe(7);
  }
});

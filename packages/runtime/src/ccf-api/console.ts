/** `console` of programs: lines of text that go to the log with their level. */
import type { LogLevel } from "@coco/base";
import { formatValues } from "./format-values.ts";
import { hostFunctions } from "./host-function.ts";

/** Takes a line that a program wrote. */
export type ConsoleSink = (level: LogLevel, line: string) => void;

/** Longer lines are cut. */
const lineLengthMax = 16 * 1024;
const groupDepthMax = 32;

const levels: Readonly<Record<string, LogLevel>> = {
  log: "info",
  info: "info",
  debug: "debug",
  trace: "debug",
  dir: "info",
  warn: "warn",
  error: "error",
};

export interface ScriptConsole {
  readonly functions: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** Forgets groups and counters: called before each request. */
  reset(): void;
}

export function createConsole(sink: ConsoleSink): ScriptConsole {
  let depth = 0;
  const counts = new Map<string, number>();
  const write = (level: LogLevel, text: string) => {
    const indented = depth === 0 ? text : text.replace(/^/gm, "  ".repeat(depth));
    const isLong = indented.length > lineLengthMax;
    sink(level, isLong ? `${indented.slice(0, lineLengthMax)}...` : indented);
  };
  const functions: Record<string, (...args: unknown[]) => unknown> = {};
  for (const [name, level] of Object.entries(levels)) {
    functions[name] = (...args) => write(level, formatValues(args));
  }
  functions["group"] = (...args) => {
    if (args.length > 0) write("info", formatValues(args));
    depth = Math.min(depth + 1, groupDepthMax);
  };
  functions["groupEnd"] = () => {
    depth = Math.max(0, depth - 1);
  };
  functions["assert"] = (condition, ...args) => {
    if (!condition)
      write("error", `Assertion failed${args.length > 0 ? ": " : ""}${formatValues(args)}`);
  };
  functions["count"] = (label = "default") => {
    const name = String(label).slice(0, 100);
    const count = (counts.get(name) ?? 0) + 1;
    if (counts.size < 100) counts.set(name, count);
    write("info", `${name}: ${count}`);
  };
  return {
    functions: hostFunctions(functions),
    reset() {
      depth = 0;
      if (counts.size > 0) counts.clear();
    },
  };
}

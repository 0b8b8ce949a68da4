/** Log lines of a node (JSON) as people read them. */
import type { Palette } from "./streams.ts";

const hidden: ReadonlySet<string> = new Set([
  "time",
  "level",
  "message",
  "msg",
  "thread",
  "source",
]);

/** Lines of `console` in handlers, and of handlers that threw. */
export function isAppLine(line: string): boolean {
  return line.includes('"source":"app"');
}

/** `10:41:07.123 warn  message name=value`; anything that is no JSON object as it is. */
export function formatLogLine(line: string, color: Palette): string {
  let record: Readonly<Record<string, unknown>>;
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) return line;
    record = value as Readonly<Record<string, unknown>>;
  } catch {
    return line;
  }
  const level = String(record["level"] ?? "info");
  const message = String(record["message"] ?? record["msg"] ?? "");
  const facts = Object.entries(record)
    .filter(([name]) => !hidden.has(name))
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const paint = level === "error" ? color.red : level === "warn" ? color.yellow : color.dim;
  const time = String(record["time"] ?? "").slice(11, 23);
  const parts = [color.dim(time), paint(level.padEnd(5)), message, color.dim(facts.join(" "))];
  return parts.join(" ").trimEnd();
}

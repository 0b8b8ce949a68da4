/**
 * Structured logs: one JSON object per line on standard error. A line can only hold a sentence and
 * flat facts, so payloads have no way in; facts whose names speak of secrets are masked anyway.
 */
import type { Log, LogLevel } from "@coco/base";
import { destination, type Logger, pino } from "pino";

export interface LogOptions {
  /** Least severe level that is written. */
  readonly level: LogLevel;
  /** Which thread speaks: `supervisor`, `front-0`, `executor`. */
  readonly thread: string;
  /** Standard error by default. Threads write for themselves; a line is written at once. */
  readonly fileDescriptor?: number;
  /** Receives the lines instead, without their line ends. */
  readonly write?: ((line: string) => void) | undefined;
}

/** A log that writes lines of `level` and above. */
export function createLog(options: LogOptions): Log {
  const logger: Logger = pino(
    {
      level: options.level,
      messageKey: "message",
      base: { thread: options.thread },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.write === undefined
      ? destination({ fd: options.fileDescriptor ?? 2, sync: true })
      : { write: (line) => options.write?.(line.trimEnd()) },
  );
  return (level, message, facts) => {
    if (logger.isLevelEnabled(level)) logger[level](cleanFacts(facts), cleanText(message));
  };
}

type Fact = string | number | boolean;

/**
 * Facts as they may be written: known types only, bounded length, secrets masked, and none of the
 * line's own keys overwritten.
 */
export function cleanFacts(facts: Readonly<Record<string, Fact>> = {}): Record<string, Fact> {
  const clean: Record<string, Fact> = {};
  for (const [name, value] of Object.entries(facts)) {
    const key = ownKeys.has(name) ? `fact_${name}` : name;
    if (secretName.test(name)) clean[key] = "[masked]";
    else if (typeof value === "string") clean[key] = cleanText(value);
    else if (typeof value === "number" || typeof value === "boolean") clean[key] = value;
    else clean[key] = `[${typeof value}]`;
  }
  return clean;
}

const ownKeys = new Set(["level", "time", "thread", "message"]);
const secretName = /secret|password|passphrase|private|token|payload|body|share$/i;
const textLengthMax = 1024;

/** Key material is recognised by its armour, wherever it was put. */
function cleanText(text: string): string {
  const unarmoured = text.replace(/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*/g, "[masked]");
  return unarmoured.length <= textLengthMax
    ? unarmoured
    : `${unarmoured.slice(0, textLengthMax)}... (${unarmoured.length} characters)`;
}

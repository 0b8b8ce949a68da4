/** What a person sees of an exception that code in the sandbox threw. */
import { base64ToBytes, bytesToUtf8, CocoError } from "@coco/base";
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { type ModuleGraph, resolveModuleName } from "../module-linker/module-graph.ts";
import { sourceColumn } from "../module-linker/module-record.ts";
import type { FailureDescription } from "../script-engine.ts";

const framesMax = 50;
/** Frames of modules: `at name (app:/module.js:line:column)`. */
const frame = /^\s*at (?:(.*) \()?app:([^\s()]+):(\d+):(\d+)\)?$/;

export function describeFailure(
  error: unknown,
  graphs: readonly ModuleGraph[],
): FailureDescription {
  const thrown = error instanceof CocoError && error.code === "ScriptFailed" ? error.cause : error;
  return { reason: reasonOf(thrown), trace: traceOf(thrown, graphs) };
}

/** Reads of thrown objects can run code of the program, which may throw again. */
function attempt<Result>(action: () => Result, otherwise: Result): Result {
  try {
    return action();
  } catch {
    return otherwise;
  }
}

function reasonOf(thrown: unknown): string {
  return attempt(() => String(thrown), "a value that cannot be shown");
}

function traceOf(thrown: unknown, graphs: readonly ModuleGraph[]): string | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  const stack = attempt(() => (thrown as { stack?: unknown }).stack, undefined);
  if (typeof stack !== "string") return undefined;
  const lines: string[] = [];
  for (const line of stack.split("\n")) {
    const match = frame.exec(line);
    if (match === null) continue;
    const [, name, encoded, lineText, columnText] = match;
    const module = attempt(() => decodeURI(encoded!), encoded!);
    const place = placeOf(module, Number(lineText), Number(columnText), graphs);
    lines.push(name === undefined || name === "" ? `    at ${place}` : `    at ${name} (${place})`);
    if (lines.length === framesMax) break;
  }
  return lines.length > 0 ? `${lines.join("\n")}\n` : undefined;
}

/** The place in the module as it was stored, or in the text that its source map names. */
function placeOf(
  module: string,
  line: number,
  movedColumn: number,
  graphs: readonly ModuleGraph[],
): string {
  for (const graph of graphs) {
    const record = graph.loadedRecord(module);
    if (record === undefined) continue;
    const column = sourceColumn(record, line, movedColumn);
    const url = record.sourceMapUrl;
    const mapped =
      url === undefined
        ? undefined
        : attempt(() => originalPlace(graph, module, url, line, column), undefined);
    return mapped ?? `${module}:${line}:${column}`;
  }
  return `${module}:${line}:${movedColumn}`;
}

function originalPlace(
  graph: ModuleGraph,
  module: string,
  url: string,
  line: number,
  column: number,
): string | undefined {
  const text = sourceMapText(graph, module, url);
  if (text === undefined) return undefined;
  const place = originalPositionFor(new TraceMap(text), { line, column: column - 1 });
  if (place.source === null) return undefined;
  return `${place.source}:${place.line}:${place.column + 1}`;
}

function sourceMapText(graph: ModuleGraph, module: string, url: string): string | undefined {
  const inline = /^data:application\/json[^,]*;base64,(.*)$/.exec(url);
  if (inline !== null) return bytesToUtf8(base64ToBytes(inline[1]!));
  return graph.readText(resolveModuleName(`./${url.replace(/^\.\//, "")}`, module));
}

/** What the linker knows of a module: its text ready for the sandbox, imports and exports. */

import { sourcePosition, type TextSegment } from "./source-edits.ts";

/** One `import` or `export ... from`: what is asked of which module. */
export interface ModuleRequest {
  /** As written in the source. */
  readonly specifier: string;
  /** Names read through this request; empty when only the namespace or the effect counts. */
  readonly names: Set<string>;
  needsNamespace: boolean;
}

export type ModuleExport =
  /** A binding of the module itself. */
  | { readonly kind: "local"; readonly expression: string }
  /** `export {a as b} from`, or an import that is exported again. */
  | { readonly kind: "indirect"; readonly request: number; readonly name: string }
  /** `export * as ns from`. */
  | { readonly kind: "namespace"; readonly request: number };

export interface ModuleRecord {
  /** Absolute: `/dir/file.js`. */
  readonly name: string;
  /**
   * `(standard) => function*(instance)`: the generator first yields access to its exports, then
   * takes its imports, then runs the body.
   */
  readonly text: string;
  /** Length of what stands in front of the edited source. */
  readonly prefixLength: number;
  readonly segments: readonly TextSegment[];
  readonly requests: readonly ModuleRequest[];
  readonly exports: ReadonlyMap<string, ModuleExport>;
  /** Indexes of requests of `export * from`. */
  readonly starRequests: readonly number[];
  /** URL of the last `sourceMappingURL` comment. */
  readonly sourceMapUrl: string | undefined;
}

/** @returns the column in the source; lines are the same in both. Both count from 1. */
export function sourceColumn(record: ModuleRecord, line: number, column: number): number {
  let lineStart = 0;
  for (let number = 1; number < line; number += 1) {
    lineStart = record.text.indexOf("\n", lineStart) + 1;
    if (lineStart === 0) return column;
  }
  const positionOf = (offset: number) =>
    sourcePosition(record.segments, Math.max(0, offset - record.prefixLength));
  const sourceLineStart = lineStart === 0 ? 0 : positionOf(lineStart - 1) + 1;
  return positionOf(lineStart + column - 1) - sourceLineStart + 1;
}

/** Modules of one bundle: loaded by name, transformed once, their imports resolved. */
import type { ModuleSource } from "../script-engine.ts";
import { scriptErrors } from "../script-errors.ts";
import type { ModuleRecord, ModuleRequest } from "./module-record.ts";
import { type KnownGlobals, moduleToRecord } from "./transform.ts";

/** The body of a module for one instance: yields its exports, takes its imports, then runs. */
export type ModuleBody = (hooks: object) => Generator<unknown, void, unknown>;

export interface LinkedModule {
  readonly record: ModuleRecord;
  readonly body: ModuleBody;
  /** Absolute names, in the order of the record's requests. */
  readonly requested: readonly string[];
}

/** Where an exported name is really bound; without `local` it is the module's namespace. */
export interface ResolvedExport {
  readonly module: string;
  readonly local: string | undefined;
}

export interface GraphOptions {
  readonly known: KnownGlobals;
  /** Evaluates the text of a record in the sandbox and gives it the standard globals. */
  readonly compile: (record: ModuleRecord) => ModuleBody;
}

/** @returns the absolute name that `specifier` means in the module `referrer` */
export function resolveModuleName(specifier: string, referrer: string): string {
  const isRelative = /^\.{1,2}\//.test(specifier);
  const joined = isRelative
    ? `${referrer.slice(0, referrer.lastIndexOf("/"))}/${specifier}`
    : specifier;
  const parts: string[] = [];
  for (const part of joined.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

export class ModuleGraph {
  readonly #source: ModuleSource;
  readonly #options: GraphOptions;
  readonly #modules = new Map<string, LinkedModule>();
  readonly #resolved = new Map<string, Map<string, ResolvedExport>>();
  readonly #exportNames = new Map<string, readonly string[]>();

  constructor(source: ModuleSource, options: GraphOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** @throws {CocoError} ModuleNotFound, BadModule */
  module(name: string, referrer?: string): LinkedModule {
    const known = this.#modules.get(name);
    if (known !== undefined) return known;
    const source = this.#source.read(name);
    if (source === undefined) {
      const from = referrer === undefined ? "" : `, imported by ${referrer}`;
      throw scriptErrors.create("ModuleNotFound", `${name}${from}`, { module: name });
    }
    const linked = this.#load(name, source);
    this.#modules.set(name, linked);
    return linked;
  }

  /** Text of a file that lies in the bundle beside the modules, such as a source map. */
  readText(name: string): string | undefined {
    return this.#source.read(name);
  }

  /** The record of a module that was loaded. */
  loadedRecord(name: string): ModuleRecord | undefined {
    return this.#modules.get(name)?.record;
  }

  /** Names that `name` exports, sorted; those that two modules give differently are left out. */
  exportNames(name: string): readonly string[] {
    let names = this.#exportNames.get(name);
    if (names === undefined) {
      const all = [...this.#collectNames(name, new Set())];
      names = all.filter((exported) => this.resolve(name, exported) !== undefined).sort();
      this.#exportNames.set(name, names);
    }
    return names;
  }

  /** Where `exported` of module `name` is bound; undefined when nowhere or ambiguously. */
  resolve(name: string, exported: string): ResolvedExport | undefined {
    let known = this.#resolved.get(name);
    if (known === undefined) {
      known = new Map();
      this.#resolved.set(name, known);
    }
    const before = known.get(exported);
    if (before !== undefined) return before;
    const result = this.#resolve(name, exported, new Set());
    if (result === "ambiguous" || result === undefined) return undefined;
    known.set(exported, result);
    return result;
  }

  #load(name: string, source: string): LinkedModule {
    try {
      const record = moduleToRecord(name, source, this.#options.known);
      return {
        record,
        body: this.#options.compile(record),
        requested: record.requests.map((request) => resolveModuleName(request.specifier, name)),
      };
    } catch (error) {
      const place = syntaxErrorPlace(error, source);
      const message = error instanceof Error ? error.message : String(error);
      const detail = `${name}${place}: ${message.replace(/ \(\d+:\d+\)$/, "")}`;
      throw scriptErrors.create("BadModule", detail, { module: name });
    }
  }

  #collectNames(name: string, visited: Set<string>): Set<string> {
    const names = new Set<string>();
    if (visited.has(name)) return names;
    visited.add(name);
    const { record, requested } = this.module(name);
    for (const exported of record.exports.keys()) names.add(exported);
    for (const index of record.starRequests) {
      for (const exported of this.#collectNames(requested[index]!, visited)) {
        if (exported !== "default") names.add(exported);
      }
    }
    return names;
  }

  /** @source ECMA-262 ResolveExport */
  #resolve(
    name: string,
    exported: string,
    visited: Set<string>,
  ): ResolvedExport | "ambiguous" | undefined {
    const key = `${name}\n${exported}`;
    if (visited.has(key)) return undefined;
    visited.add(key);
    const { record, requested } = this.module(name);
    const entry = record.exports.get(exported);
    if (entry?.kind === "local") return { module: name, local: exported };
    if (entry?.kind === "namespace") return { module: requested[entry.request]!, local: undefined };
    if (entry?.kind === "indirect") {
      return this.#resolve(requested[entry.request]!, entry.name, visited);
    }
    if (exported === "default") return undefined;
    let found: ResolvedExport | undefined;
    for (const index of record.starRequests) {
      const next = this.#resolve(requested[index]!, exported, visited);
      if (next === "ambiguous") return next;
      if (next === undefined) continue;
      if (found !== undefined && (found.module !== next.module || found.local !== next.local)) {
        return "ambiguous";
      }
      found = next;
    }
    return found;
  }
}

/** Checks that every name of a request exists. @throws {CocoError} BadModule */
export function checkRequest(
  graph: ModuleGraph,
  importer: string,
  imported: string,
  request: ModuleRequest,
): void {
  for (const name of request.names) {
    if (graph.resolve(imported, name) === undefined) {
      const detail = `${importer}: "${request.specifier}" does not export "${name}"`;
      throw scriptErrors.create("BadModule", detail, { module: importer });
    }
  }
}

function syntaxErrorPlace(error: unknown, source: string): string {
  const position = (error as { pos?: unknown }).pos;
  if (typeof position !== "number") return "";
  const before = source.slice(0, position);
  const line = before.split("\n").length;
  return `:${line}:${position - before.lastIndexOf("\n")}`;
}

/** Builds an app directory into a bundle: TypeScript through esbuild, bundles as they are. */
import { existsSync, statSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import type { BuildFailure, BuildResult } from "esbuild";
import { cliErrors } from "../errors.ts";
import {
  type AppBundle,
  type BundleMetadata,
  listEndpoints,
  listSources,
  readBundle,
  readBundleFile,
  readMetadata,
} from "./bundle.ts";
import { createAppFailure } from "./failure.ts";
import { checkTypes } from "./type-check.ts";

export interface BuildOptions {
  /** Inline source maps, so that stack traces and debuggers show the TypeScript. */
  readonly hasSourceMaps: boolean;
  readonly isChecked: boolean;
  readonly isColored?: boolean;
}

export interface BuiltApp {
  readonly bundle: AppBundle;
  readonly kind: "typescript" | "bundle";
  /** Remarks for the person: compiler warnings, a check that could not be made. */
  readonly notes: readonly string[];
}

const typeScript = /(?<!\.d)\.[mc]?tsx?$/;

/** True when the directory holds TypeScript sources. */
function isTypeScriptApp(directory: string): boolean {
  return listSources(join(directory, "src")).some((name) => typeScript.test(name));
}

/**
 * Builds `path`: a directory with app.json and src/, or a bundle file.
 * @throws {CocoError} BadApp, with `frame` in its cause when a source is wrong
 */
export async function buildApp(path: string, options: BuildOptions): Promise<BuiltApp> {
  if (!existsSync(path)) throw cliErrors.create("BadApp", `there is no ${path}`);
  if (statSync(path).isFile()) {
    return { bundle: readBundleFile(path), kind: "bundle", notes: [] };
  }
  if (!isTypeScriptApp(path)) return { bundle: readBundle(path), kind: "bundle", notes: [] };
  const directory = resolve(path);
  const metadata = readMetadata(directory);
  const entries = findEntries(directory, metadata);
  const [result, notes] = await Promise.all([
    compile(directory, entries, options),
    options.isChecked ? checkTypes(directory, options.isColored === true) : [],
  ]);
  checkExports(metadata, entries, result);
  const modules = toModules(directory, result);
  return { bundle: { metadata: toBuiltMetadata(metadata), modules }, kind: "typescript", notes };
}

/** `endpoints/all.ts` and `endpoints/all.js` in app.json both mean src/endpoints/all.ts. */
function toBuiltName(module: string): string {
  return module.replace(/^\//, "").replace(/\.[mc]?[jt]sx?$/, ".js");
}

function toBuiltMetadata(metadata: BundleMetadata): BundleMetadata {
  const endpoints = Object.fromEntries(
    Object.entries(metadata.endpoints).map(([template, methods]) => [
      template,
      Object.fromEntries(
        Object.entries(methods).map(([method, endpoint]) => [
          method,
          { ...endpoint, js_module: toBuiltName(endpoint.js_module) },
        ]),
      ),
    ]),
  );
  return { ...metadata, endpoints };
}

/** Output name without extension, by source path. */
type Entries = ReadonlyMap<string, string>;

function findEntries(directory: string, metadata: BundleMetadata): Entries {
  const sources = new Set(listSources(join(directory, "src")));
  const entries = new Map<string, string>();
  for (const [label, { js_module: module }] of listEndpoints(metadata)) {
    const stem = toBuiltName(module).replace(/\.js$/, "");
    const found = [".ts", ".mts", ".tsx", ".js", ".mjs"]
      .map((extension) => stem + extension)
      .find((name) => sources.has(name));
    if (found === undefined) {
      throw cliErrors.create("BadApp", `${label}: there is no src/${stem}.ts`);
    }
    entries.set(found, stem);
  }
  return entries;
}

type Compiled = BuildResult<{ write: false; metafile: true }>;

async function compile(
  directory: string,
  entries: Entries,
  options: BuildOptions,
): Promise<Compiled> {
  const { build, formatMessages } = await import("esbuild");
  try {
    return await build({
      absWorkingDir: directory,
      entryPoints: [...entries].map(([source, out]) => ({ in: `src/${source}`, out })),
      // Nothing is written: from here the paths in the source maps read src/...
      outdir: directory,
      allowOverwrite: true,
      chunkNames: "shared/[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      target: "es2022",
      sourcemap: options.hasSourceMaps ? "inline" : false,
      metafile: true,
      write: false,
      logLevel: "silent",
      legalComments: "none",
    });
  } catch (cause) {
    const { errors = [] } = cause as Partial<BuildFailure>;
    const [first] = errors;
    if (first === undefined) throw cause;
    const { location } = first;
    const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : "";
    const frame = await formatMessages(errors, {
      kind: "error",
      color: options.isColored === true,
    });
    throw createAppFailure(`${place}${first.text}`, frame.join(""));
  }
}

/** An endpoint's function has to be exported, else the node would refuse every call. */
function checkExports(metadata: BundleMetadata, entries: Entries, result: Compiled): void {
  const exported = new Map<string, readonly string[]>();
  for (const output of Object.values(result.metafile.outputs)) {
    const source = output.entryPoint?.replace(/^src\//, "");
    const stem = source === undefined ? undefined : entries.get(source);
    if (stem !== undefined) exported.set(`${stem}.js`, output.exports);
  }
  for (const [label, endpoint] of listEndpoints(metadata)) {
    const names = exported.get(toBuiltName(endpoint.js_module)) ?? [];
    if (names.includes(endpoint.js_function)) continue;
    const detail = `${label}: ${endpoint.js_module} does not export ${endpoint.js_function}`;
    throw cliErrors.create("BadApp", detail);
  }
}

function toModules(directory: string, result: Compiled) {
  return result.outputFiles
    .map((file) => ({
      name: relative(directory, file.path).replaceAll(sep, "/"),
      module: file.text,
    }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** CCF's application bundle, and reading one from a directory as it is. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { cliErrors } from "../errors.ts";
import { readJson, readText } from "../files.ts";

export interface BundleEndpoint {
  readonly js_module: string;
  readonly js_function: string;
  readonly [property: string]: unknown;
}

export interface BundleMetadata {
  readonly endpoints: Readonly<Record<string, Readonly<Record<string, BundleEndpoint>>>>;
}

interface BundleModule {
  /** Relative to src/, with slashes. */
  readonly name: string;
  readonly module: string;
}

/** The argument `bundle` of the action set_js_app. */
export interface AppBundle {
  readonly metadata: BundleMetadata;
  readonly modules: readonly BundleModule[];
}

function badApp(detail: string) {
  return cliErrors.create("BadApp", detail);
}

/** @throws {CocoError} FileUnreadable, NotJson, BadApp */
export function readMetadata(directory: string): BundleMetadata {
  const path = join(directory, "app.json");
  if (!existsSync(path)) throw badApp(`${directory} has no app.json`);
  const metadata = readJson<BundleMetadata>(path);
  checkMetadata(path, metadata);
  return metadata;
}

function checkMetadata(path: string, metadata: unknown): asserts metadata is BundleMetadata {
  const { endpoints } = (metadata ?? {}) as Partial<BundleMetadata>;
  if (typeof endpoints !== "object" || endpoints === null) {
    throw badApp(`${path} has no "endpoints"`);
  }
  for (const [template, methods] of Object.entries(endpoints)) {
    if (!template.startsWith("/")) throw badApp(`${path}: ${template} does not begin with /`);
    for (const [method, endpoint] of Object.entries(methods ?? {})) {
      const { js_module: module, js_function: name } = (endpoint ?? {}) as Partial<BundleEndpoint>;
      if (typeof module !== "string" || typeof name !== "string") {
        throw badApp(`${path}: ${method} ${template} needs js_module and js_function`);
      }
    }
  }
}

/** All endpoints as a flat list. */
export function listEndpoints(
  metadata: BundleMetadata,
): readonly (readonly [label: string, endpoint: BundleEndpoint])[] {
  return Object.entries(metadata.endpoints).flatMap(([template, methods]) =>
    Object.entries(methods).map(
      ([method, endpoint]) => [`${method.toUpperCase()} ${template}`, endpoint] as const,
    ),
  );
}

/** The files under `directory`, as sorted paths with slashes. */
export function listSources(directory: string): string[] {
  if (!existsSync(directory) || !statSync(directory).isDirectory()) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .sort();
}

/** Takes app.json and every file of src/ unchanged. @throws {CocoError} BadApp, NotUtf8 */
export function readBundle(directory: string): AppBundle {
  const metadata = readMetadata(directory);
  const source = join(directory, "src");
  const modules = listSources(source).map((name) => ({
    name,
    module: readText(join(source, name)),
  }));
  checkModules(metadata, new Set(modules.map(({ name }) => name)));
  return { metadata, modules };
}

/** Every endpoint's module has to be there. @throws {CocoError} BadApp */
function checkModules(metadata: BundleMetadata, names: ReadonlySet<string>): void {
  for (const [label, { js_module: module }] of listEndpoints(metadata)) {
    if (!names.has(module.replace(/^\//, ""))) {
      throw badApp(`${label}: there is no module ${module} in src`);
    }
  }
}

/** A bundle that was built before. @throws {CocoError} FileUnreadable, NotJson, BadApp */
export function readBundleFile(path: string): AppBundle {
  const bundle = readJson<Partial<AppBundle>>(path);
  checkMetadata(path, bundle.metadata);
  const { metadata, modules } = bundle;
  const isList =
    Array.isArray(modules) &&
    modules.every((item) => typeof item?.name === "string" && typeof item.module === "string");
  if (!isList) throw badApp(`${path} has no list of modules`);
  checkModules(metadata, new Set(modules.map(({ name }) => name.replace(/^\//, ""))));
  return { metadata, modules };
}

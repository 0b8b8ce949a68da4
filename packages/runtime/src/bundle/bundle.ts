/** App bundles: CCF's {metadata: {endpoints}, modules}, checked before anything is stored. */
import { parsePathTemplate } from "../endpoints/path-template.ts";
import { isRecord, readStoredEndpoint, type StoredEndpoint } from "../endpoints/stored-endpoint.ts";
import { requestErrors } from "../request-errors.ts";

export interface BundleModule {
  /** Relative to the bundle: `logging.js`. */
  readonly name: string;
  readonly module: string;
}

export interface Bundle {
  readonly metadata: {
    /** Path, then lower-case verb. */
    readonly endpoints: Readonly<Record<string, Readonly<Record<string, StoredEndpoint>>>>;
  };
  readonly modules: readonly BundleModule[];
}

const moduleCountMax = 4096;
const endpointCountMax = 4096;
const verbs = new Set(["delete", "get", "head", "patch", "post", "put", "options", "trace"]);

function fail(field: string, wanted: string): Error {
  return requestErrors.create("BadBundle", `${field.slice(0, 200)} must be ${wanted}`);
}

function readModules(value: unknown): BundleModule[] {
  if (!Array.isArray(value) || value.length > moduleCountMax) {
    throw fail("bundle.modules", `an array of at most ${moduleCountMax} modules`);
  }
  const names = new Set<string>();
  return value.map((item: unknown, index) => {
    const field = `bundle.modules[${index}]`;
    if (!isRecord(item)) throw fail(field, "an object");
    const { name, module } = item;
    if (typeof name !== "string" || name === "" || name.length > 1024) {
      throw fail(`${field}.name`, "a string of 1 to 1024 characters");
    }
    if (typeof module !== "string") throw fail(`${field}.module`, "a string");
    if (names.has(name)) throw fail(`${field}.name`, "different from the names before it");
    names.add(name);
    return { name, module };
  });
}

function readEndpoints(value: unknown, names: ReadonlySet<string>) {
  const prefix = "bundle.metadata.endpoints";
  if (!isRecord(value)) throw fail(prefix, "an object");
  const endpoints: [string, Readonly<Record<string, StoredEndpoint>>][] = [];
  let count = 0;
  for (const [path, methods] of Object.entries(value)) {
    const field = `${prefix}[${JSON.stringify(path)}]`;
    if (!isRecord(methods)) throw fail(field, "an object");
    parsePathTemplate(path);
    const definitions: [string, StoredEndpoint][] = [];
    for (const [method, info] of Object.entries(methods)) {
      const at = `${field}[${JSON.stringify(method)}]`;
      if (!verbs.has(method.toLowerCase())) throw fail(at, "named by an HTTP verb");
      const stored = readStoredEndpoint(info, (name, wanted) => fail(`${at}.${name}`, wanted));
      if (!names.has(stored.js_module)) throw fail(`${at}.js_module`, "a module of the bundle");
      definitions.push([method, stored]);
      count++;
    }
    endpoints.push([path, Object.fromEntries(definitions)]);
  }
  if (count > endpointCountMax) throw fail(prefix, `at most ${endpointCountMax} endpoints`);
  return Object.fromEntries(endpoints);
}

/** Checks a bundle as JSON.parse gives it. @throws {CocoError} BadBundle, BadPathTemplate */
export function parseBundle(value: unknown): Bundle {
  if (!isRecord(value)) throw fail("bundle", "an object");
  const modules = readModules(value["modules"]);
  const { metadata } = value;
  if (!isRecord(metadata)) throw fail("bundle.metadata", "an object");
  const names = new Set(modules.map((module) => module.name));
  return { metadata: { endpoints: readEndpoints(metadata["endpoints"], names) }, modules };
}

/** What of `app.json` and a folder of files makes a bundle. */
export interface BundleFolder {
  /** Parsed app.json: {endpoints}. */
  readonly metadata: unknown;
  /** Names relative to `src/`, with forward slashes. */
  readonly files: Iterable<readonly [name: string, text: string]>;
}

/** Makes a bundle from a folder as CCF's tools lay it out. @throws {CocoError} BadBundle */
export function folderToBundle(folder: BundleFolder): Bundle {
  const modules = [...folder.files].map(([name, module]) => ({ name, module }));
  modules.sort((left, right) => (left.name < right.name ? -1 : 1));
  return parseBundle({ metadata: folder.metadata, modules });
}

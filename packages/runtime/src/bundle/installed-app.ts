/** The app in the store: written, removed and read back as the default constitution does. */
import type { Transaction } from "@coco/store";
import { keyToMethodAndPath, type StoredEndpoint } from "../endpoints/stored-endpoint.ts";
import {
  endpointsTable,
  interpreterFlushValue,
  modulesBytecodeTable,
  modulesBytecodeVersion,
  modulesTable,
} from "../tables.ts";
import type { Bundle, BundleModule } from "./bundle.ts";

/** Replaces the app, as the action set_js_app does. */
export function setJsApp(transaction: Transaction, bundle: Bundle): void {
  const modules = modulesTable(transaction);
  const endpoints = endpointsTable(transaction);
  modules.clear();
  endpoints.clear();
  modulesBytecodeTable(transaction).clear();
  modulesBytecodeVersion(transaction).delete();
  for (const { name, module } of bundle.modules) modules.set(`/${name}`, module);
  interpreterFlushValue(transaction).set(true);
  for (const [path, methods] of Object.entries(bundle.metadata.endpoints)) {
    for (const [method, stored] of Object.entries(methods)) {
      const key = `${method.toUpperCase()} ${path}`;
      endpoints.set(key, { ...stored, js_module: `/${stored.js_module}` });
    }
  }
}

/** Removes the app, as the action remove_js_app does. */
export function removeJsApp(transaction: Transaction): void {
  modulesTable(transaction).clear();
  modulesBytecodeTable(transaction).clear();
  modulesBytecodeVersion(transaction).delete();
  interpreterFlushValue(transaction).delete();
  endpointsTable(transaction).clear();
}

/** The app as it is stored: module names are absolute, verbs upper case. */
export interface InstalledApp {
  readonly metadata: {
    readonly endpoints: Readonly<Record<string, Readonly<Record<string, StoredEndpoint>>>>;
  };
  readonly modules: readonly BundleModule[];
}

/** Reads the app back, in order of paths and names. */
export function readJsApp(transaction: Transaction): InstalledApp {
  const endpoints = new Map<string, Record<string, StoredEndpoint>>();
  for (const [key, stored] of endpointsTable(transaction).entries()) {
    const [method, path] = keyToMethodAndPath(key);
    const methods = endpoints.get(path) ?? {};
    methods[method] = stored;
    endpoints.set(path, methods);
  }
  const paths = [...endpoints.keys()].toSorted();
  const modules: BundleModule[] = [];
  for (const [name, module] of modulesTable(transaction).entries()) modules.push({ name, module });
  const sorted = Object.fromEntries(paths.map((path) => [path, endpoints.get(path)!]));
  return { metadata: { endpoints: sorted }, modules };
}

/**
 * The endpoints as governance shows them: `camel` with CCF's camelCase names and defaults filled
 * in, `original` as they are stored.
 */
export function describeEndpoints(
  transaction: Transaction,
  nameCase: "camel" | "original",
): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const { endpoints } = readJsApp(transaction).metadata;
  if (nameCase === "original") return endpoints;
  return Object.fromEntries(
    Object.entries(endpoints).map(([path, methods]) => [
      path,
      Object.fromEntries(
        Object.entries(methods).map(([method, stored]) => [
          method,
          {
            authnPolicies: stored.authn_policies,
            forwardingRequired: stored.forwarding_required,
            jsFunction: stored.js_function,
            jsModule: stored.js_module,
            mode: stored.mode ?? "readwrite",
            openApi: stored.openapi ?? null,
            redirectionStrategy: stored.redirection_strategy ?? "to_primary",
          },
        ]),
      ),
    ]),
  );
}

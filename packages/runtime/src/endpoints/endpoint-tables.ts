/** Endpoint tables: fixed ones of the node and of governance, and the app's in the store. */
import { bytesToUtf8, latin1ToBytes } from "@coco/base";
import type { Transaction } from "@coco/store";
import type { Endpoint, EndpointMatch, EndpointTable } from "../application.ts";
import { requestErrors } from "../request-errors.ts";
import { tableNames } from "../table-names.ts";
import { type RouteMatch, RouteTable, sortVerbs } from "./route-table.ts";
import { keyToMethodAndPath, readStoredEndpoint, storedToEndpoint } from "./stored-endpoint.ts";

function toMatch(found: RouteMatch<Endpoint> | undefined, allowed: readonly string[]) {
  const match: EndpointMatch =
    found !== undefined
      ? { kind: "found", endpoint: found.route, params: found.params }
      : allowed.length > 0
        ? { kind: "wrongMethod", allowed }
        : { kind: "unknownPath" };
  return match;
}

/** A table that never changes. @throws {CocoError} BadPathTemplate */
export function createStaticEndpointTable(endpoints: readonly Endpoint[]): EndpointTable {
  const routes = new RouteTable<Endpoint>();
  for (const endpoint of endpoints) routes.add(endpoint.method, endpoint.path, endpoint);
  return {
    find: (_, method, path) => {
      const found = routes.find(method, path);
      return toMatch(found, found === undefined ? routes.verbs(path) : []);
    },
    list: () => endpoints,
  };
}

/** One state of the endpoints table, and what was made of it. */
interface StoredRoutes {
  /** Of the table; undefined when it was read behind own writes. */
  readonly stamp: number | undefined;
  /** Key to value, in the store's form, as they were read. */
  readonly rows: ReadonlyMap<string, string>;
  readonly routes: RouteTable<Endpoint>;
  readonly endpoints: readonly Endpoint[];
}

function storedTextToEndpoint(key: string, text: string): Endpoint {
  const name = bytesToUtf8(latin1ToBytes(key));
  const [method, path] = keyToMethodAndPath(name);
  const fail = (field: string, wanted: string) =>
    requestErrors.create("BadTableValue", `endpoint ${name.slice(0, 80)}: ${field} is ${wanted}`);
  let value: unknown;
  try {
    value = JSON.parse(bytesToUtf8(latin1ToBytes(text)));
  } catch {
    throw fail("the value", "JSON");
  }
  return storedToEndpoint(method, path, readStoredEndpoint(value, fail));
}

function readRoutes(transaction: Transaction): StoredRoutes {
  const rows = new Map<string, string>();
  const table = transaction.table(tableNames.endpoints);
  const { stamp } = table;
  table.forEachText((text, key) => {
    rows.set(key, text);
  });
  const routes = new RouteTable<Endpoint>();
  const endpoints: Endpoint[] = [];
  for (const key of [...rows.keys()].toSorted()) {
    const endpoint = storedTextToEndpoint(key, rows.get(key)!);
    routes.add(endpoint.method, endpoint.path, endpoint);
    endpoints.push(endpoint);
  }
  return { stamp, rows, routes, endpoints };
}

/** Whether the table still holds exactly `rows`. The store hands out the same string objects. */
function isCurrent(transaction: Transaction, { rows, stamp }: StoredRoutes): boolean {
  const table = transaction.table(tableNames.endpoints);
  if (stamp !== undefined && table.stamp === stamp) return true;
  let count = 0;
  let isSame = true;
  table.forEachText((text, key) => {
    count++;
    isSame = rows.get(key) === text;
    return isSame;
  });
  return isSame && count === rows.size;
}

/**
 * The endpoints of the app bundle in the store. `builtIn` are the paths that every app has; the
 * app's own endpoints win over them.
 */
export function createStoredEndpointTable(builtIn: readonly Endpoint[] = []): EndpointTable {
  const fallback = createStaticEndpointTable(builtIn);
  // A literal path is one read of one row; everything else needs the whole table.
  const literals = new Map<string, { readonly text: string; readonly endpoint: Endpoint }>();
  let cached: StoredRoutes | undefined;
  const current = (transaction: Transaction): StoredRoutes => {
    if (cached === undefined || !isCurrent(transaction, cached)) {
      cached = readRoutes(transaction);
      literals.clear();
    }
    return cached;
  };
  const findLiteral = (transaction: Transaction, key: string): Endpoint | undefined => {
    const text = transaction.table(tableNames.endpoints).getText(key);
    if (text === undefined) return undefined;
    const known = literals.get(key);
    if (known?.text === text) return known.endpoint;
    const endpoint = storedTextToEndpoint(key, text);
    literals.set(key, { text, endpoint });
    return endpoint;
  };
  return {
    find: (transaction, method, path) => {
      const literal = path.includes("{")
        ? undefined
        : findLiteral(transaction, `${method} ${path}`);
      if (literal !== undefined) return { kind: "found", endpoint: literal, params: {} };
      const { routes } = current(transaction);
      const found = routes.find(method, path);
      if (found !== undefined) return toMatch(found, []);
      const other = fallback.find(transaction, method, path);
      if (other.kind === "found") return other;
      const allowed = other.kind === "wrongMethod" ? other.allowed : [];
      return toMatch(undefined, sortVerbs([...routes.verbs(path), ...allowed]));
    },
    list: (transaction) => [...builtIn, ...current(transaction).endpoints],
  };
}

/** Finds the governance endpoint of a request. */
import type { Endpoint, EndpointMatch, EndpointTable } from "@coco/runtime";
import { type Route, routeToEndpoint } from "./route.ts";

interface Matcher {
  readonly endpoint: Endpoint;
  readonly names: readonly string[];
  readonly pattern: RegExp;
}

const parameter = /\{([A-Za-z]+)\}/g;

/** A parameter is anything but a slash: `{memberId}:ack` ends with the action. */
function createMatcher(endpoint: Endpoint): Matcher {
  const names = Array.from(endpoint.path.matchAll(parameter), (match) => match[1] ?? "");
  const literals = endpoint.path.split(/\{[A-Za-z]+\}/);
  const source = literals
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("([^/]+)");
  return { endpoint, names, pattern: new RegExp(`^${source}$`) };
}

/** Longer templates go first, so that `x:ack` is an action and not the parameter `x:ack`. */
function bySpecificity(left: Matcher, right: Matcher): number {
  const literalLength = ({ endpoint }: Matcher) => endpoint.path.replace(parameter, "").length;
  return left.names.length - right.names.length || literalLength(right) - literalLength(left);
}

/** The table of a fixed list of routes. */
export function createRouteTable(routes: readonly Route[]): EndpointTable {
  const matchers = routes.map((route) => createMatcher(routeToEndpoint(route)));
  const ordered = matchers.toSorted(bySpecificity);
  const endpoints = matchers.map(({ endpoint }) => endpoint);

  const find = (method: string, path: string): EndpointMatch => {
    const allowed = new Set<string>();
    for (const { endpoint, names, pattern } of ordered) {
      const match = pattern.exec(path);
      if (match === null) continue;
      if (endpoint.method !== method) {
        allowed.add(endpoint.method);
        continue;
      }
      const params = names.map((name, index) => [name, match[index + 1] ?? ""]);
      return { kind: "found", endpoint, params: Object.fromEntries(params) };
    }
    return allowed.size === 0
      ? { kind: "unknownPath" }
      : { kind: "wrongMethod", allowed: [...allowed].sort() };
  };
  return {
    find: (_transaction, method, path) => find(method, path),
    list: () => endpoints,
  };
}

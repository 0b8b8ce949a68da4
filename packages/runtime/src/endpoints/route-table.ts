/**
 * Routes: exact paths first, then templates. CCF's rules: a literal path wins; of the templates
 * with the request's verb exactly one may match; paths are compared as received.
 */
import { requestErrors } from "../request-errors.ts";
import {
  matchSegment,
  type PathTemplate,
  parsePathTemplate,
  type TemplateSegment,
} from "./path-template.ts";

/** The order in which CCF lists verbs (that of its HTTP parser). */
const verbOrder = "DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE PATCH".split(" ");

/** Verbs in CCF's order, each once. */
export function sortVerbs(verbs: Iterable<string>): string[] {
  const rank = (verb: string) => (verbOrder.includes(verb) ? verbOrder.indexOf(verb) : 99);
  return [...new Set(verbs)].toSorted((left, right) => rank(left) - rank(right));
}

interface TrieNode<Route> {
  /** Children whose segment is a literal. */
  readonly literals: Map<string, TrieNode<Route>>;
  /** Children whose segment holds parameters. */
  readonly patterns: { readonly segment: TemplateSegment; readonly node: TrieNode<Route> }[];
  /** Templates that end here. */
  readonly routes: TemplateRoute<Route>[];
}

interface TemplateRoute<Route> {
  readonly template: PathTemplate;
  readonly verb: string;
  readonly route: Route;
}

function createNode<Route>(): TrieNode<Route> {
  return { literals: new Map(), patterns: [], routes: [] };
}

function isSameSegment(left: TemplateSegment, right: TemplateSegment): boolean {
  return left.literals.join("\0") === right.literals.join("\0");
}

interface TemplateMatch<Route> extends TemplateRoute<Route> {
  readonly values: readonly string[];
}

export interface RouteMatch<Route> {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

export class RouteTable<Route> {
  readonly #exact = new Map<string, Map<string, Route>>();
  readonly #root = createNode<Route>();

  /**
   * Adds a route; one with the same verb and path is replaced.
   * @throws {CocoError} BadPathTemplate
   */
  add(verb: string, path: string, route: Route): void {
    if (!path.includes("{")) {
      const verbs = this.#exact.get(path) ?? new Map<string, Route>();
      verbs.set(verb, route);
      this.#exact.set(path, verbs);
      return;
    }
    const template = parsePathTemplate(path);
    let node = this.#root;
    for (const segment of template.segments) node = enterSegment(node, segment);
    const known = node.routes.findIndex(
      (other) => other.verb === verb && other.template.path === path,
    );
    if (known >= 0) node.routes.splice(known, 1);
    node.routes.push({ template, verb, route });
  }

  /** The route for a request. @throws {CocoError} AmbiguousPath */
  find(verb: string, path: string): RouteMatch<Route> | undefined {
    const exact = this.#exact.get(path)?.get(verb);
    if (exact !== undefined) return { route: exact, params: noParams };
    const matches = this.#match(path).filter((match) => match.verb === verb);
    const [match] = matches;
    if (match === undefined) return undefined;
    if (matches.length > 1) {
      const paths = matches.map((other) => other.template.path).toSorted();
      throw requestErrors.create("AmbiguousPath", path, { path, templates: paths.join(" ") });
    }
    const params: Record<string, string> = {};
    for (const [index, name] of match.template.parameters.entries()) {
      // Defined, not assigned, so that a parameter called __proto__ is only a name.
      const value = match.values[index]!;
      Object.defineProperty(params, name, { value, enumerable: true });
    }
    return { route: match.route, params };
  }

  /** Verbs with which `path` exists, in CCF's order. */
  verbs(path: string): string[] {
    const exact = this.#exact.get(path)?.keys() ?? [];
    return sortVerbs([...exact, ...this.#match(path).map((match) => match.verb)]);
  }

  /** All templates that fit `path`, whatever their verb. */
  #match(path: string): TemplateMatch<Route>[] {
    if (!path.startsWith("/")) return [];
    const segments = path.slice(1).split("/");
    let states: { node: TrieNode<Route>; values: readonly string[] }[] = [
      { node: this.#root, values: [] },
    ];
    for (const text of segments) {
      const next: typeof states = [];
      for (const { node, values } of states) {
        const literal = node.literals.get(text);
        if (literal !== undefined) next.push({ node: literal, values });
        for (const pattern of node.patterns) {
          const found = matchSegment(pattern.segment, text);
          if (found !== undefined) next.push({ node: pattern.node, values: [...values, ...found] });
        }
      }
      if (next.length === 0) return [];
      states = next;
    }
    return states.flatMap(({ node, values }) => node.routes.map((route) => ({ ...route, values })));
  }
}

function enterSegment<Route>(node: TrieNode<Route>, segment: TemplateSegment): TrieNode<Route> {
  if (segment.parameters.length === 0) {
    const text = segment.literals[0]!;
    const child = node.literals.get(text) ?? createNode<Route>();
    node.literals.set(text, child);
    return child;
  }
  const known = node.patterns.find((pattern) => isSameSegment(pattern.segment, segment));
  if (known !== undefined) return known.node;
  const child = createNode<Route>();
  node.patterns.push({ segment, node: child });
  return child;
}

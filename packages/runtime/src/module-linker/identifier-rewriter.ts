/**
 * Rewrites references inside one source text: imported bindings, globals that are not known
 * beforehand, async functions, dynamic imports.
 */
import type {
  AnonymousFunctionDeclaration,
  AnyNode,
  ArrowFunctionExpression,
  FunctionDeclaration,
  FunctionExpression,
  Identifier,
  MemberExpression,
  MethodDefinition,
  NewExpression,
  PropertyDefinition,
  Token,
} from "acorn";
import {
  type HiddenNames,
  rewriteAsyncArrow,
  rewriteAsyncFunction,
  rewriteSuperMember,
} from "./async-functions.ts";
import type { Scope, ScopeTree } from "./scopes.ts";
import type { SourceEdits } from "./source-edits.ts";
import { childrenOf } from "./syntax-tree.ts";

export interface RewriterNames extends HiddenNames {
  /** Object whose properties are the globals; a read of an absent one throws ReferenceError. */
  readonly checkedGlobals: string;
  /** The global object itself. */
  readonly globals: string;
  readonly importModule: string;
  readonly importMeta: string;
  /** Function that makes buffers and counts their memory. */
  readonly allocate: string;
}

export interface RewriterOptions {
  readonly edits: SourceEdits;
  readonly scopes: ScopeTree;
  readonly tokens: readonly Token[];
  readonly names: RewriterNames;
  /** Expression that reads an imported binding, by local name. */
  readonly imported: ReadonlyMap<string, string>;
  /** Globals whose construction goes through `names.allocate`. */
  readonly countedGlobals: ReadonlySet<string>;
  /** Globals that the text reads as constants of its own. */
  readonly knownGlobals: ReadonlySet<string>;
  /** Sloppy functions (made by the Function constructor) see the global object as `this`. */
  readonly isSloppy: boolean;
}

type PropertyNode = Extract<AnyNode, { type: "Property" }>;

/** Where a node stands. */
interface Place {
  readonly scope: Scope;
  readonly parent: AnyNode;
  /** Inside an async function, or inside arrow functions of one. */
  readonly isAsync: boolean;
  /** Inside an async arrow function whose `arguments` would be those of a function around it. */
  readonly hidesArguments: boolean;
  /** Inside a class body, which is always strict. */
  readonly isClass: boolean;
}

export class IdentifierRewriter {
  readonly usedGlobals = new Set<string>();
  readonly #options: RewriterOptions;
  readonly #statementStarts = new Set<number>();

  constructor(options: RewriterOptions) {
    this.#options = options;
  }

  visit(node: AnyNode, parent: AnyNode): void {
    this.#visit(node, {
      scope: this.#options.scopes.root,
      parent,
      isAsync: false,
      hidesArguments: false,
      isClass: false,
    });
  }

  #visit(node: AnyNode, place: Place): void {
    switch (node.type) {
      case "Identifier":
        this.#reference(node, place);
        return;
      case "ExpressionStatement":
        this.#statementStarts.add(node.start);
        break;
      case "MemberExpression":
        this.#memberAccess(node, place);
        return;
      case "Property":
        this.#property(node, place);
        return;
      case "MethodDefinition":
      case "PropertyDefinition":
        this.#member(node, place);
        return;
      case "LabeledStatement":
        this.#visit(node.body, { ...place, parent: node });
        return;
      case "BreakStatement":
      case "ContinueStatement":
        return;
      case "AwaitExpression":
        this.#await(node.start, place);
        this.#children(node, place);
        this.#options.edits.after(node.end, ")");
        return;
      case "ForOfStatement":
        if (node.await) {
          this.#options.edits.replaceNode(node.start, node.end, throwText("for await"));
          return;
        }
        break;
      case "StaticBlock":
        this.#children(node, { ...place, isAsync: false });
        return;
      case "ImportExpression":
        this.#dynamicImport(node.start, node.source, place);
        return;
      case "NewExpression":
        this.#construction(node, place);
        return;
      case "MetaProperty":
        if (node.meta.name === "import") {
          this.#options.edits.replaceNode(node.start, node.end, this.#options.names.importMeta);
        }
        return;
      case "ThisExpression":
        if (this.#options.isSloppy && !place.isClass) {
          const text = `(this??${this.#options.names.globals})`;
          this.#options.edits.replaceNode(node.start, node.end, this.#atStart(node.start) + text);
        }
        return;
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        this.#function(node, place);
        return;
      default:
    }
    this.#children(node, place);
  }

  #memberAccess(node: MemberExpression, place: Place): void {
    if (node.object.type === "Super" && place.isAsync) {
      const isCallee = place.parent.type === "CallExpression" && place.parent.callee === node;
      rewriteSuperMember(this.#options.edits, node, this.#options.names, isCallee);
      if (!node.computed) return;
    }
    this.#visit(node.object, { ...place, parent: node });
    if (node.computed) this.#visit(node.property, { ...place, parent: node });
    if (node.property.type === "PrivateIdentifier") this.#key(node.property, false, place);
  }

  #children(node: AnyNode, place: Place): void {
    const scope = this.#options.scopes.byNode.get(node) ?? place.scope;
    const isClass = place.isClass || node.type === "ClassBody";
    for (const child of childrenOf(node)) {
      if (isDeclaredName(node, child)) continue;
      this.#visit(child, { ...place, scope, isClass, parent: node });
    }
  }

  /** In front of text that begins with a parenthesis, where a line break ended a statement. */
  #atStart(position: number): string {
    return this.#statementStarts.has(position) ? "0," : "";
  }

  #await(start: number, place: Place): void {
    if (!place.isAsync) throw unsupported("await outside of a function", start);
    const { edits } = this.#options;
    edits.replace(start, start + "await".length, `${this.#atStart(start)}(yield `);
  }

  /** `new Uint8Array(length)` becomes `allocate(Uint8Array,length)`. */
  #construction(node: NewExpression, place: Place): void {
    const { callee } = node;
    const { edits, names, countedGlobals } = this.#options;
    const isCounted =
      callee.type === "Identifier" &&
      countedGlobals.has(callee.name) &&
      place.scope.find(callee.name) === undefined;
    const open = isCounted ? /^\s*\(/.exec(edits.source.slice(callee.end, callee.end + 10)) : null;
    if (!isCounted || open === null) {
      this.#children(node, place);
      return;
    }
    const text = this.#referenceText(callee, place, "read") ?? callee.name;
    edits.replace(node.start, callee.end + open[0].length, `${names.allocate}(${text},`);
    for (const argument of node.arguments) this.#visit(argument, { ...place, parent: node });
  }

  #dynamicImport(start: number, source: AnyNode, place: Place): void {
    const { edits, names } = this.#options;
    edits.replace(start, start + "import".length, names.importModule);
    this.#visit(source, place);
  }

  #function(
    node:
      | AnonymousFunctionDeclaration
      | ArrowFunctionExpression
      | FunctionDeclaration
      | FunctionExpression,
    place: Place,
  ): void {
    const { edits, names, scopes } = this.#options;
    if (node.async && node.generator) {
      // Libraries hold such functions without calling them, so only a call fails.
      if (!isMethodValue(place.parent, node)) edits.replace(node.start, node.start + 5, "");
      edits.replaceNode(node.body.start, node.body.end, `{${throwText("an async generator")}}`);
      return;
    }
    const isArrow = node.type === "ArrowFunctionExpression";
    let end = "";
    if (node.async && node.type === "ArrowFunctionExpression") {
      const isStatementStart = this.#statementStarts.has(node.start);
      const options = { isInsideAsync: place.isAsync, isStatementStart };
      const find = (text: string, from: number) => this.#find(text, from);
      end = rewriteAsyncArrow(edits, node, names, find, options);
    } else if (
      node.async &&
      node.type !== "ArrowFunctionExpression" &&
      !isMethodValue(place.parent, node)
    ) {
      const open = this.#find("(", node.id?.end ?? node.start);
      end = rewriteAsyncFunction(edits, node, names, node.start, open);
    }
    const inner: Place = {
      scope: scopes.byNode.get(node) ?? place.scope,
      parent: node,
      isClass: place.isClass,
      isAsync: node.async || (isArrow && place.isAsync),
      hidesArguments: isArrow && (node.async || place.hidesArguments),
    };
    for (const child of childrenOf(node)) {
      if (!isDeclaredName(node, child)) this.#visit(child, inner);
    }
    if (end !== "") edits.after(node.end, end);
  }

  /** A property of an object literal or pattern. */
  #property(node: PropertyNode, place: Place): void {
    const inner = { ...place, parent: node };
    if (node.shorthand) {
      this.#shorthand(node, place);
      return;
    }
    this.#key(node.key, node.computed, inner);
    const { value } = node;
    const isAsync = node.method && value.type === "FunctionExpression" && value.async;
    const end = isAsync ? this.#asyncMethod(node.start, value) : "";
    this.#visit(value, inner);
    if (end !== "") this.#options.edits.after(value.end, end);
  }

  #member(node: MethodDefinition | PropertyDefinition, place: Place): void {
    const inner = { ...place, parent: node };
    this.#key(node.key, node.computed, inner);
    const { value } = node;
    if (!value) return;
    const isAsync = node.type === "MethodDefinition" && node.value.async;
    const end = isAsync ? this.#asyncMethod(node.start, node.value) : "";
    this.#visit(value, { ...inner, isAsync: false });
    if (end !== "") this.#options.edits.after(value.end, end);
  }

  #asyncMethod(start: number, value: FunctionExpression): string {
    const { edits, names } = this.#options;
    if (value.generator) {
      const keyword = this.#find("async", start);
      edits.replace(keyword, keyword + "async".length, "");
      return "";
    }
    return rewriteAsyncFunction(edits, value, names, this.#find("async", start), value.start);
  }

  /** Names such as `import` and `eval` in front of a parenthesis are written with an escape. */
  #key(key: AnyNode, isComputed: boolean, place: Place): void {
    if (isComputed) {
      this.#visit(key, place);
      return;
    }
    const isPrivate = key.type === "PrivateIdentifier";
    if (!isPrivate && key.type !== "Identifier") return;
    const start = key.start + (isPrivate ? 1 : 0);
    if (key.name === "import") this.#options.edits.replace(start, key.end, "\\u0069mport");
    if (key.name === "eval") this.#options.edits.replace(start, key.end, "\\u0065val");
  }

  /** `{name}` and `{name = value}`. */
  #shorthand(node: PropertyNode, place: Place): void {
    const name = node.key as Identifier;
    const text = this.#referenceText(name, place, "read");
    if (text !== undefined) {
      this.#options.edits.replace(name.start, name.end, `${name.name}:${text}`);
    }
    const value: AnyNode = node.value;
    if (value.type === "AssignmentPattern") this.#visit(value.right, { ...place, parent: node });
  }

  #reference(node: Identifier, place: Place): void {
    const { parent } = place;
    const isCall =
      (parent.type === "CallExpression" && parent.callee === node) ||
      (parent.type === "TaggedTemplateExpression" && parent.tag === node);
    const isTypeof = parent.type === "UnaryExpression" && parent.operator === "typeof";
    const text = this.#referenceText(node, place, isTypeof ? "typeof" : "read");
    if (text === undefined) return;
    const callee = isCall ? `${this.#atStart(node.start)}(0,${text})` : text;
    this.#options.edits.replace(node.start, node.end, callee);
  }

  /** What stands for the identifier; undefined when it stays as it is. */
  #referenceText(node: Identifier, place: Place, use: "read" | "typeof"): string | undefined {
    const { names, imported, knownGlobals, scopes } = this.#options;
    const scope = place.scope.find(node.name);
    if (scope === undefined) {
      if (knownGlobals.has(node.name)) {
        this.usedGlobals.add(node.name);
        return undefined;
      }
      return `${use === "typeof" ? names.globals : names.checkedGlobals}.${node.name}`;
    }
    if (node.name === "arguments" && place.hidesArguments) {
      throw unsupported("`arguments` inside an async arrow function", node.start);
    }
    return scope === scopes.root ? imported.get(node.name) : undefined;
  }

  /** Where the token `text` begins, at or behind `from`. */
  #find(text: string, from: number): number {
    const { tokens, edits } = this.#options;
    let low = 0;
    let high = tokens.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tokens[middle]!.start < from) low = middle + 1;
      else high = middle;
    }
    for (let index = low; index < tokens.length; index += 1) {
      const token = tokens[index]!;
      if (edits.source.slice(token.start, token.end) === text) return token.start;
    }
    throw unsupported(`code without ${text}`, from);
  }
}

/** Text that fails when it is reached. */
function throwText(what: string): string {
  const reason = `${what} is not supported: nothing in the sandbox is asynchronous`;
  return `throw new TypeError(${JSON.stringify(reason)});`;
}

/** Marks code that cannot run in the sandbox; `pos` is where it stands, as in acorn's errors. */
export function unsupported(what: string, position: number): SyntaxError {
  return Object.assign(new SyntaxError(`${what} is not supported here`), { pos: position });
}

function isMethodValue(parent: AnyNode, node: AnyNode): boolean {
  return (
    (parent.type === "MethodDefinition" && parent.value === node) ||
    (parent.type === "Property" && parent.method && (parent.value as AnyNode) === node)
  );
}

/** Names of functions and classes, and other identifiers that refer to nothing. */
function isDeclaredName(parent: AnyNode, child: AnyNode): boolean {
  switch (parent.type) {
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ClassDeclaration":
    case "ClassExpression":
      return parent.id === child;
    default:
      return false;
  }
}

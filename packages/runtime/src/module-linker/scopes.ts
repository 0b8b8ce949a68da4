/** Which names each part of a module declares. */
import type { AnyNode, Program } from "acorn";
import { childrenOf, namesOfPattern } from "./syntax-tree.ts";

export class Scope {
  readonly parent: Scope | undefined;
  /** `var` declarations go to the nearest scope of this kind. */
  readonly holdsVars: boolean;
  readonly #names = new Set<string>();

  constructor(parent: Scope | undefined, holdsVars: boolean) {
    this.parent = parent;
    this.holdsVars = holdsVars;
  }

  declare(name: string): void {
    this.#names.add(name);
  }

  declareVar(name: string): void {
    let scope: Scope = this;
    while (!scope.holdsVars && scope.parent !== undefined) scope = scope.parent;
    scope.declare(name);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** The scope that declares `name`, from here outwards. */
  find(name: string): Scope | undefined {
    let scope: Scope | undefined = this;
    while (scope !== undefined && !scope.has(name)) scope = scope.parent;
    return scope;
  }
}

export interface ScopeTree {
  readonly root: Scope;
  /** Scopes by the node that opens them. */
  readonly byNode: ReadonlyMap<AnyNode, Scope>;
}

/** Declares every name in its scope. Code is strict: functions in blocks stay there. */
export function programToScopes(program: Program): ScopeTree {
  const root = new Scope(undefined, true);
  const byNode = new Map<AnyNode, Scope>([[program, root]]);
  const visit = (node: AnyNode, outer: Scope): void => {
    declareOutside(node, outer);
    const inner = openScope(node, outer);
    if (inner !== undefined) byNode.set(node, inner);
    for (const child of childrenOf(node)) visit(child, inner ?? outer);
  };
  for (const statement of program.body) visit(statement, root);
  return { root, byNode };
}

/** Names that `node` declares in the scope around it. */
function declareOutside(node: AnyNode, scope: Scope): void {
  switch (node.type) {
    case "VariableDeclaration":
      for (const declarator of node.declarations) {
        for (const name of namesOfPattern(declarator.id)) {
          if (node.kind === "var") scope.declareVar(name);
          else scope.declare(name);
        }
      }
      break;
    case "FunctionDeclaration":
    case "ClassDeclaration":
      if (node.id) scope.declare(node.id.name);
      break;
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
      scope.declare(node.local.name);
      break;
    default:
  }
}

/** The scope that `node` opens, with the names that belong to the node itself. */
function openScope(node: AnyNode, outer: Scope): Scope | undefined {
  switch (node.type) {
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression": {
      const scope = new Scope(outer, true);
      if (node.type !== "ArrowFunctionExpression") {
        scope.declare("arguments");
        if (node.type === "FunctionExpression" && node.id) scope.declare(node.id.name);
      }
      for (const parameter of node.params) {
        for (const name of namesOfPattern(parameter)) scope.declare(name);
      }
      return scope;
    }
    case "ClassExpression": {
      const scope = new Scope(outer, false);
      if (node.id) scope.declare(node.id.name);
      return scope;
    }
    case "CatchClause": {
      const scope = new Scope(outer, false);
      if (node.param) for (const name of namesOfPattern(node.param)) scope.declare(name);
      return scope;
    }
    case "StaticBlock":
      return new Scope(outer, true);
    case "BlockStatement":
    case "SwitchStatement":
    case "ForStatement":
    case "ForInStatement":
    case "ForOfStatement":
      return new Scope(outer, false);
    default:
      return undefined;
  }
}

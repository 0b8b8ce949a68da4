/**
 * Async functions become generators that the engine drives with its own job queue. So promises
 * settle while the call that made them is still running and supervised, and code in the sandbox
 * never reaches the queue of the host.
 *
 * `async function f(a) { await b; }` becomes
 * `function f(...p) {return run(function*(a) { (yield b); },this,p)}`.
 */
import type {
  AnonymousFunctionDeclaration,
  AnyNode,
  ArrowFunctionExpression,
  FunctionDeclaration,
  FunctionExpression,
  MemberExpression,
} from "acorn";
import type { SourceEdits } from "./source-edits.ts";
import { childrenOf } from "./syntax-tree.ts";

/** Names that the rewritten text uses and the source does not. */
export interface HiddenNames {
  readonly parameters: string;
  readonly run: string;
  readonly superOf: string;
}

/** Position of the token `text` in `source` at or behind `from`, where only white space, comments
 * and `skip` may stand in front of it. */
export type TokenFinder = (text: string, from: number) => number;

/** True when `super` stands in the function itself or in arrow functions inside it. */
function usesSuper(node: AnyNode): boolean {
  if (node.type === "Super") return true;
  return childrenOf(node).some((child) => {
    const isOtherFunction =
      child.type === "FunctionDeclaration" ||
      child.type === "FunctionExpression" ||
      child.type === "ClassBody";
    return !isOtherFunction && usesSuper(child);
  });
}

/**
 * An async arrow function; `isInsideAsync` says that its helper for `super` exists already.
 * @returns text for its end, to be added when its inner parts are rewritten
 */
export function rewriteAsyncArrow(
  edits: SourceEdits,
  node: ArrowFunctionExpression,
  names: HiddenNames,
  findToken: TokenFinder,
  options: { readonly isInsideAsync: boolean; readonly isStatementStart: boolean },
): string {
  const start = options.isStatementStart ? "0," : "";
  const helper =
    usesSuper(node) && !options.isInsideAsync ? `const ${names.superOf}=(k)=>super[k];` : "";
  const head = `${start}(...${names.parameters})=>{${helper}return ${names.run}(function*`;
  edits.replace(node.start, node.start + "async".length, head);
  const lastParameter = node.params.at(-1);
  const arrow = findToken("=>", lastParameter?.end ?? node.start + "async".length);
  const only = node.params.length === 1 ? node.params[0] : undefined;
  const isBare = only !== undefined && isBareParameter(edits.source, node, only.start);
  if (isBare) {
    edits.before(only.start, "(");
    edits.after(only.end, ")");
  }
  const isExpression = node.body.type !== "BlockStatement";
  edits.replace(arrow, arrow + 2, isExpression ? "{return(" : "");
  return `${isExpression ? ")}" : ""},this,${names.parameters})}`;
}

function isBareParameter(source: string, node: AnyNode, parameterStart: number): boolean {
  const between = source.slice(node.start + "async".length, parameterStart);
  return !between.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "").includes("(");
}

/**
 * An async function or method.
 * @param asyncStart where its keyword `async` begins
 * @param openStart where its parameter list begins
 * @returns text for its end, to be added when its inner parts are rewritten
 */
export function rewriteAsyncFunction(
  edits: SourceEdits,
  node: FunctionDeclaration | FunctionExpression | AnonymousFunctionDeclaration,
  names: HiddenNames,
  asyncStart: number,
  openStart: number,
): string {
  const helper = usesSuper(node) ? `const ${names.superOf}=(k)=>super[k];` : "";
  edits.replace(asyncStart, asyncStart + "async".length, "");
  edits.before(openStart, `(...${names.parameters}){${helper}return ${names.run}(function*`);
  return `,this,${names.parameters})}`;
}

/** `super.x` and `super[x]` inside an async function: read through the helper. */
export function rewriteSuperMember(
  edits: SourceEdits,
  node: MemberExpression,
  names: HiddenNames,
  isCallee: boolean,
): void {
  if (node.computed) {
    const open = edits.source.indexOf("[", node.object.end);
    edits.replace(node.start, open + 1, `${names.superOf}(`);
    edits.replace(node.end - 1, node.end, ")");
  } else {
    const property = edits.source.slice(node.property.start, node.property.end);
    edits.replaceNode(node.start, node.end, `${names.superOf}(${JSON.stringify(property)})`);
  }
  if (isCallee) edits.after(node.end, ".bind(this)");
}

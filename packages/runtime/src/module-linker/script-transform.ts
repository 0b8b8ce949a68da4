/** Text that a program makes at run time, turned into functions as modules are. */
import { type Comment, type ExpressionStatement, type Program, parse, type Token } from "acorn";
import { blankComments, escapeTokens } from "./forbidden-text.ts";
import { IdentifierRewriter } from "./identifier-rewriter.ts";
import { programToScopes } from "./scopes.ts";
import { SourceEdits } from "./source-edits.ts";
import { hiddenNames, hiddenPrefix } from "./transform.ts";

/**
 * What `new Function(parameters, body)` makes: text of `(hooks) => function`.
 * @param counted constructors of buffers, whose memory is counted
 * @throws {SyntaxError}
 */
export function functionToText(
  parameters: string,
  body: string,
  counted: ReadonlySet<string>,
): string {
  // Parsed apart first, so that neither can close the other's brackets.
  parse(`(function(\n${parameters}\n){})`, { ecmaVersion: 2024, sourceType: "script" });
  parse(`(function(){\n${body}\n})`, { ecmaVersion: 2024, sourceType: "script" });
  return transform(`(function anonymous(${parameters}\n) {\n${body}\n})`, "return ", counted);
}

/**
 * What `eval(source)` runs: text of `(hooks) => value of the last statement`.
 * @throws {SyntaxError}
 */
export function scriptToText(source: string, counted: ReadonlySet<string>): string {
  return transform(source, "", counted);
}

function transform(source: string, start: string, counted: ReadonlySet<string>): string {
  const tokens: Token[] = [];
  const comments: Comment[] = [];
  const program: Program = parse(source, {
    ecmaVersion: 2024,
    sourceType: "script",
    onToken: tokens,
    onComment: comments,
  });
  const names = hiddenNames(hiddenPrefix(source));
  const edits = new SourceEdits(source);
  const last = program.body.at(-1);
  if (start === "" && last?.type === "ExpressionStatement") {
    edits.before((last as ExpressionStatement).start, "return ");
  }
  const rewriter = new IdentifierRewriter({
    edits,
    scopes: programToScopes(program),
    tokens,
    names,
    imported: new Map(),
    countedGlobals: counted,
    knownGlobals: new Set(),
    isSloppy: true,
  });
  for (const statement of program.body) rewriter.visit(statement, program);
  blankComments(edits, comments);
  escapeTokens(edits, tokens);
  const { globals, checkedGlobals, run, allocate } = names;
  const common = `globals:${globals},checkedGlobals:${checkedGlobals}`;
  const hooks = `${common},run:${run},allocate:${allocate}`;
  return `(function({${hooks}}){${start}${edits.apply().text}\n})`;
}

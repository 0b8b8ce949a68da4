/** Looks at TypeScript as text: what is code and what is not, and where functions begin and end. */

/** A function body, by the lines on which its parameter list begins and its brace closes. */
export interface FunctionSpan {
  readonly firstLine: number;
  readonly lastLine: number;
  /** The text just before the parameter list: a name, a keyword, or what takes the function. */
  readonly head: string;
}

/** Blanks out comments; with `isStrict` also the contents of strings and regular expressions. */
export function maskText(source: string, isStrict: boolean): string {
  let masked = "";
  for (let at = 0; at < source.length; ) {
    const { kind, end } = nextToken(source, at, masked);
    const token = source.slice(at, end);
    const isBlank = kind === "comment" || (isStrict && kind === "literal");
    masked += isBlank ? token.replace(/[^\n]/g, " ") : token;
    at = end;
  }
  return masked;
}

interface Token {
  readonly kind: "comment" | "literal" | "code";
  readonly end: number;
}

/** @param before what stands before `at`, without comments: tells a division from a pattern */
function nextToken(source: string, at: number, before: string): Token {
  const two = source.slice(at, at + 2);
  if (two === "//") return { kind: "comment", end: indexOrEnd(source, "\n", at) };
  if (two === "/*") return { kind: "comment", end: indexOrEnd(source, "*/", at + 2) + 2 };
  const character = source[at]!;
  if (character === '"' || character === "'" || character === "`") {
    return { kind: "literal", end: endOfQuoted(source, at, character) };
  }
  if (character === "/" && /(^|[(,=:[!&|?{};+]|\breturn|=>)\s*$/.test(before.slice(-40))) {
    return { kind: "literal", end: endOfPattern(source, at) };
  }
  return { kind: "code", end: at + 1 };
}

function indexOrEnd(source: string, text: string, from: number): number {
  const index = source.indexOf(text, from);
  return index < 0 ? source.length : index;
}

/** Templates count as one literal, their `${...}` included. */
function endOfQuoted(source: string, start: number, quote: string): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === quote) return at + 1;
    else if (quote === "`" && source.startsWith("${", at)) at = endOfSubstitution(source, at);
  }
  return source.length;
}

/** Position of the brace that closes the `${` at `start`. */
function endOfSubstitution(source: string, start: number): number {
  let depth = 0;
  for (let at = start + 1; at < source.length; at++) {
    const character = source[at]!;
    if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return at;
    else if (character === '"' || character === "'" || character === "`") {
      at = endOfQuoted(source, at, character) - 1;
    }
  }
  return source.length;
}

function endOfPattern(source: string, start: number): number {
  let isInClass = false;
  for (let at = start + 1; at < source.length && source[at] !== "\n"; at++) {
    const character = source[at];
    if (character === "\\") at++;
    else if (character === "[") isInClass = true;
    else if (character === "]") isInClass = false;
    else if (character === "/" && !isInClass) return at + 1;
  }
  return start + 1;
}

const controlWords = new Set(["if", "for", "while", "switch", "catch", "with"]);

/** Bodies in braces of functions, methods and arrows, nested ones included. */
export function findFunctions(source: string): FunctionSpan[] {
  const code = maskText(source, true);
  const spans: FunctionSpan[] = [];
  const open: (Omit<FunctionSpan, "lastLine"> | undefined)[] = [];
  for (let at = 0, line = 1; at < code.length; at++) {
    if (code[at] === "\n") line++;
    else if (code[at] === "{") open.push(functionBefore(code, at, line));
    else if (code[at] === "}") {
      const begun = open.pop();
      if (begun !== undefined) spans.push({ ...begun, lastLine: line });
    }
  }
  return spans;
}

/** The function whose body the brace at `brace` opens; undefined for other braces. */
function functionBefore(
  code: string,
  brace: number,
  line: number,
): Omit<FunctionSpan, "lastLine"> | undefined {
  const before = code.slice(0, brace).trimEnd();
  const isArrow = before.endsWith("=>");
  const signature = isArrow ? before.slice(0, -2).trimEnd() : before;
  const closing = signature.match(/\)(\s*:\s*[^\s;{}()][^;{}]*)?$/);
  if (closing?.index === undefined) {
    if (!isArrow) return undefined;
    return { firstLine: line, head: signature.slice(-60) };
  }
  const opening = openingParenthesis(code, closing.index);
  const head = code.slice(Math.max(0, opening - 200), opening).trimEnd();
  const word = /([A-Za-z_$]\w*)$/.exec(head)?.[1];
  if (!isArrow && (word === undefined ? !head.endsWith(">") : controlWords.has(word))) {
    return undefined;
  }
  const lineCount = code.slice(opening, brace).split("\n").length - 1;
  return { firstLine: line - lineCount, head };
}

function openingParenthesis(code: string, closing: number): number {
  let depth = 0;
  for (let at = closing; at >= 0; at--) {
    if (code[at] === ")") depth++;
    else if (code[at] === "(" && --depth === 0) return at;
  }
  return 0;
}

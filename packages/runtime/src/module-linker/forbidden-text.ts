/**
 * The sandbox refuses source text that looks like a dynamic import, a direct eval or an HTML
 * comment, wherever it stands. In strings, regular expressions, comments and names these are
 * harmless, so they are written in another way here; real ones are rewritten by the transform.
 */
import type { Comment, Token } from "acorn";
import type { SourceEdits } from "./source-edits.ts";

const suspicious = /<!--|-->|\bimport|\beval/;
const directive = /[#@]\s*source(?:Mapping)?URL/;

function escapeText(text: string): string {
  return text
    .replaceAll("<!--", "<!-\\x2d")
    .replaceAll("-->", "--\\x3e")
    .replace(/\bimport(?=\s*[(/])/g, "impor\\x74")
    .replace(/\beval(?=\s*\()/g, "eva\\x6c");
}

/** Blanks comments that would be misread; line breaks stay. */
export function blankComments(edits: SourceEdits, comments: readonly Comment[]): void {
  for (const comment of comments) {
    if (edits.isRemoved(comment.start)) continue;
    const text = edits.source.slice(comment.start, comment.end);
    if (suspicious.test(text) || directive.test(text)) {
      edits.replace(comment.start, comment.end, comment.type === "Block" ? " " : "");
    }
  }
}

/** Escapes literals and names, and separates operators that look like HTML comments. */
export function escapeTokens(edits: SourceEdits, tokens: readonly Token[]): void {
  for (const [index, token] of tokens.entries()) {
    if (edits.isRemoved(token.start)) continue;
    const raw = edits.source.slice(token.start, token.end);
    const label = token.type.label;
    if (label === "string" || label === "template" || label === "regexp") {
      const escaped = suspicious.test(raw) ? escapeText(raw) : raw;
      if (escaped !== raw) edits.rewrite(token.start, token.end, escaped);
    } else if (raw.startsWith("<") || raw.startsWith("--")) {
      separateOperators(edits, tokens, index);
    }
  }
}

function separateOperators(edits: SourceEdits, tokens: readonly Token[], index: number): void {
  const token = tokens[index]!;
  const next = tokens[index + 1];
  if (next === undefined || next.start !== token.end) return;
  const rest = edits.source.slice(token.start, token.start + 4);
  const isHtmlComment = edits.source.slice(token.end - 1, token.end + 3) === "<!--";
  if (isHtmlComment || rest.startsWith("-->")) edits.after(token.end, " ");
}

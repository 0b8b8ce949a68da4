/** A structural check of Helm templates, for machines without Helm: no rendering, only shape. */
import { parseAllDocuments } from "yaml";
import type { SourceFile } from "./tidy-rules.ts";

const action = /\{\{-?\s*([\s\S]*?)\s*-?\}\}/g;
const opening = /^(if|range|with|define|block)\b/;

/** Blocks that do not pair, and `else` outside of one. */
export function checkBlocks({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  let depth = 0;
  for (const [, code] of text.matchAll(action)) {
    if (opening.test(code!)) depth += 1;
    if (/^else\b/.test(code!) && depth === 0) found.push(`${path}: else outside of a block`);
    if (code === "end") depth -= 1;
    if (depth < 0) return [...found, `${path}: an end too many`];
    const parentheses = maskStrings(code!).replace(/[^()]/g, "");
    if (parentheses.split("(").length !== parentheses.split(")").length) {
      found.push(`${path}: parentheses of {{ ${code} }}`);
    }
  }
  if (depth > 0) found.push(`${path}: ${depth} blocks without end`);
  const marks = text.replace(action, "");
  if (/\{\{|\}\}/.test(marks)) found.push(`${path}: an action without end`);
  return found;
}

function maskStrings(code: string): string {
  return code.replace(/"(?:[^"\\]|\\.)*"/g, '""');
}

/** Names of `.Values` that values.yaml does not have, and includes of unknown templates. */
export function checkNames(
  files: readonly SourceFile[],
  values: Readonly<Record<string, unknown>>,
): string[] {
  const whole = files.map(({ text }) => text).join("\n");
  const defined = new Set(Array.from(whole.matchAll(/define "([^"]+)"/g), ([, name]) => name!));
  return files.flatMap(({ path, text }) => {
    const found: string[] = [];
    for (const [, code] of text.matchAll(action)) {
      for (const [, names] of maskStrings(code!).matchAll(/\.Values\.([\w.]+)/g)) {
        if (!hasValue(values, names!.split("."))) found.push(`${path}: .Values.${names}`);
      }
      for (const [, name] of code!.matchAll(/include "([^"]+)"/g)) {
        if (!defined.has(name!)) found.push(`${path}: include ${name}`);
      }
    }
    return found;
  });
}

function hasValue(values: unknown, [name, ...rest]: readonly string[]): boolean {
  if (name === undefined) return true;
  if (typeof values !== "object" || values === null || !Object.hasOwn(values, name)) return false;
  return hasValue((values as Record<string, unknown>)[name], rest);
}

/** What is left when lines of actions go and values become a word: has to be Kubernetes objects. */
export function templateToObjects({ text }: SourceFile): Record<string, unknown>[] {
  const lines = text.split("\n").filter((line) => !/^\s*\{\{-.*\}\}\s*$/.test(line));
  const rest = lines.filter((line) => !/^\s*\{\{.*\bend\b.*\}\}$/.test(line)).join("\n");
  // The inner quotes of an action would end the quoted text around it.
  const plain = rest.replace(/"[^"\n]*\{\{.*\}\}[^"\n]*"/g, "value").replace(action, "value");
  return parseAllDocuments(plain).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS() as Record<string, unknown>;
  });
}

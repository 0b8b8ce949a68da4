/** Path templates such as `/records/{key}` or `/proposals/{id}:withdraw`. */
import { requestErrors } from "../request-errors.ts";

/** One segment between slashes: literal texts around parameters, beginning with a literal. */
export interface TemplateSegment {
  /** `literals[0] {parameter 0} literals[1] {parameter 1} ... literals[n]`; may be empty texts. */
  readonly literals: readonly string[];
  readonly parameters: readonly string[];
}

export interface PathTemplate {
  readonly path: string;
  readonly segments: readonly TemplateSegment[];
  readonly parameters: readonly string[];
}

const pathLengthMax = 2048;

function parseSegment(path: string, text: string): TemplateSegment {
  const literals: string[] = [];
  const parameters: string[] = [];
  let at = 0;
  for (let open = text.indexOf("{"); open >= 0; open = text.indexOf("{", at)) {
    const close = text.indexOf("}", open);
    const name = close < 0 ? "" : text.slice(open + 1, close);
    if (name === "") throw requestErrors.create("BadPathTemplate", `${path}: unclosed or unnamed`);
    if (open === at && parameters.length > 0) {
      throw requestErrors.create("BadPathTemplate", `${path}: no text before {${name}}`);
    }
    literals.push(text.slice(at, open));
    parameters.push(name);
    at = close + 1;
  }
  literals.push(text.slice(at));
  return { literals, parameters };
}

/** @throws {CocoError} BadPathTemplate */
export function parsePathTemplate(path: string): PathTemplate {
  if (!path.startsWith("/") || path.length > pathLengthMax) {
    throw requestErrors.create("BadPathTemplate", `${path.slice(0, 80)}: no path`);
  }
  const segments = path
    .slice(1)
    .split("/")
    .map((segment) => parseSegment(path, segment));
  const parameters = segments.flatMap((segment) => segment.parameters);
  if (new Set(parameters).size !== parameters.length) {
    throw requestErrors.create("BadPathTemplate", `${path}: a parameter appears twice`);
  }
  return { path, segments, parameters };
}

/**
 * The values of a segment's parameters, or undefined when `text` does not fit. A parameter takes
 * one character or more, up to the first character of the literal that follows it.
 */
export function matchSegment(segment: TemplateSegment, text: string): string[] | undefined {
  const { literals } = segment;
  const [first = "", ...following] = literals;
  if (!text.startsWith(first)) return undefined;
  const values: string[] = [];
  let at = first.length;
  for (const literal of following) {
    const end = literal === "" ? text.length : text.indexOf(literal.charAt(0), at);
    if (end <= at || !text.startsWith(literal, end)) return undefined;
    values.push(text.slice(at, end));
    at = end + literal.length;
  }
  return at === text.length ? values : undefined;
}

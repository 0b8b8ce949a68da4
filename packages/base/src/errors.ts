/**
 * Operating errors: what can go wrong although the program is right. Every room declares its own
 * catalogue with `defineErrors`; the catalogues together generate the error page of the docs.
 */

/** One line of a catalogue. */
export interface ErrorDescription {
  /** Stable four-digit number, unique over all rooms; printed as COCO-nnnn. */
  readonly number: number;
  /** What happened, as a sentence without its final stop. */
  readonly title: string;
  /** What the person should do next, as a sentence. */
  readonly next: string;
}

export type ErrorFacts = Readonly<Record<string, string | number | boolean | undefined>>;

/** An operating error: a code, the facts of the case, and the next step for the person. */
export class CocoError<Code extends string = string> extends Error {
  override readonly name = "CocoError";
  readonly code: Code;
  readonly number: number;
  readonly facts: ErrorFacts;
  readonly next: string;

  constructor(
    code: Code,
    description: ErrorDescription,
    detail: string,
    facts: ErrorFacts = {},
    cause?: unknown,
  ) {
    super(detail === "" ? description.title : `${description.title}: ${detail}`, { cause });
    this.code = code;
    this.number = description.number;
    this.facts = facts;
    this.next = description.next;
  }
}

/** Recognises a CocoError by shape, so that it survives duplicate copies of this package. */
export function isCocoError(error: unknown): error is CocoError {
  return error instanceof Error && error.name === "CocoError" && "code" in error;
}

/** The catalogue of one room, and the function that makes its errors. */
export interface ErrorCatalogue<Code extends string> {
  readonly room: string;
  readonly descriptions: Readonly<Record<Code, ErrorDescription>>;
  /** Makes (does not throw) the error `code`; `detail` names to what it happened. */
  create(code: Code, detail?: string, facts?: ErrorFacts, cause?: unknown): CocoError<Code>;
}

/** Declares the errors of a room: a closed union of codes. */
export function defineErrors<const Code extends string>(
  room: string,
  descriptions: Readonly<Record<Code, ErrorDescription>>,
): ErrorCatalogue<Code> {
  return {
    room,
    descriptions,
    create: (code, detail = "", facts = {}, cause = undefined) =>
      new CocoError(code, descriptions[code], detail, facts, cause),
  };
}

/** The one line a person sees: `COCO-nnnn what happened; to what; what to do`. */
export function errorToLine(error: unknown): string {
  if (isCocoError(error)) {
    const number = String(error.number).padStart(4, "0");
    return `COCO-${number} ${error.message}. ${error.next}`;
  }
  return error instanceof Error ? error.message : String(error);
}

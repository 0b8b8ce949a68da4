/**
 * A list of edits to a source text. Edits never overlap; line breaks inside a replaced part are
 * kept, so that line numbers of the result are those of the source.
 */
import { assert } from "@coco/base";

/** Order of edits at one position: ends of nodes, then beginnings, then replacements. */
type Rank = 0 | 1 | 2;

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly rank: Rank;
  readonly order: number;
}

/** A part of an edited text: kept from the source, or put in at a place of it. */
export interface TextSegment {
  readonly start: number;
  /** Position in the source. */
  readonly source: number;
  readonly isKept: boolean;
}

export interface EditedText {
  readonly text: string;
  readonly segments: readonly TextSegment[];
}

/** @returns the position in the source of position `offset` of the edited text */
export function sourcePosition(segments: readonly TextSegment[], offset: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle]!.start <= offset) low = middle + 1;
    else high = middle;
  }
  const segment = segments[low - 1];
  if (segment === undefined) return 0;
  return segment.source + (segment.isKept ? offset - segment.start : 0);
}

export class SourceEdits {
  readonly source: string;
  readonly #edits: Edit[] = [];
  readonly #removed: { readonly start: number; readonly end: number }[] = [];

  constructor(source: string) {
    this.source = source;
  }

  /** Text in front of the node that begins at `position`; outer nodes first. */
  before(position: number, text: string): void {
    this.#add(position, position, text, 1);
  }

  /** Text behind the node that ends at `position`; inner nodes first. */
  after(position: number, text: string): void {
    this.#add(position, position, text, 0);
  }

  replace(start: number, end: number, text: string): void {
    assert(start < end, "A replacement covers at least one character.");
    const breaks = this.source.slice(start, end).replace(/[^\n\r\u2028\u2029]/g, "");
    this.#add(start, end, text + breaks, 2);
  }

  /** As `replace`, for a text that has the line breaks of the source in their places. */
  rewrite(start: number, end: number, text: string): void {
    this.#add(start, end, text, 2);
  }

  /** Replaces a whole node; nothing inside it may be edited. */
  replaceNode(start: number, end: number, text: string): void {
    this.replace(start, end, text);
    this.#removed.push({ start, end });
  }

  isRemoved(position: number): boolean {
    return this.#removed.some((range) => position >= range.start && position < range.end);
  }

  apply(): EditedText {
    const edits = [...this.#edits].sort(
      (a, b) => a.start - b.start || a.rank - b.rank || a.order - b.order,
    );
    const parts: string[] = [];
    const segments: TextSegment[] = [];
    let length = 0;
    const add = (text: string, source: number, isKept: boolean) => {
      if (text === "") return;
      segments.push({ start: length, source, isKept });
      parts.push(text);
      length += text.length;
    };
    let position = 0;
    for (const edit of edits) {
      assert(edit.start >= position, "Edits of a source text do not overlap.");
      add(this.source.slice(position, edit.start), position, true);
      add(edit.text, edit.start, false);
      position = edit.end;
    }
    add(this.source.slice(position), position, true);
    return { text: parts.join(""), segments };
  }

  #add(start: number, end: number, text: string, rank: Rank): void {
    this.#edits.push({ start, end, text, rank, order: this.#edits.length });
  }
}

/** Finds where a text stops being JSON, which the engine's own message does not always say. */

/** Line and column, from 1, of the first octet that cannot be JSON; undefined for valid JSON. */
export function jsonErrorPlace(
  text: string,
): { readonly line: number; readonly column: number } | undefined {
  const scanner = new JsonScanner(text);
  if (scanner.document()) return undefined;
  const before = text.slice(0, scanner.at).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** Each method returns false at the first error and leaves `at` there. */
class JsonScanner {
  at = 0;
  private readonly text: string;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): boolean {
    if (!this.value()) return false;
    return this.at === this.text.length;
  }

  private value(): boolean {
    this.space();
    const first = this.text[this.at];
    let isGood: boolean;
    if (first === "{") isGood = this.items("}", () => this.member());
    else if (first === "[") isGood = this.items("]", () => this.value());
    else if (first === '"')
      isGood = this.token(/"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/uy);
    else isGood = this.token(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (isGood) this.space();
    return isGood;
  }

  private member(): boolean {
    this.space();
    if (this.text[this.at] !== '"' || !this.value()) return false;
    if (this.text[this.at] !== ":") return false;
    this.at += 1;
    return this.value();
  }

  private items(end: string, item: () => boolean): boolean {
    this.depth += 1;
    if (this.depth > depthMax) return false;
    this.at += 1;
    this.space();
    if (this.text[this.at] !== end) {
      if (!item()) return false;
      while (this.text[this.at] === ",") {
        this.at += 1;
        if (!item()) return false;
      }
      if (this.text[this.at] !== end) return false;
    }
    this.at += 1;
    this.depth -= 1;
    return true;
  }

  private token(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) return false;
    this.at += match[0].length;
    return true;
  }

  private space(): void {
    while (/[ \t\r\n]/.test(this.text[this.at] ?? "")) this.at += 1;
  }
}

const depthMax = 1000;

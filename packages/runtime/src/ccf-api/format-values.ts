/** Text of values as a console shows them: `%s` patterns, nested objects, errors with stacks. */

const depthMax = 4;
const entryCountMax = 100;
const textLengthMax = 10_000;

/** The arguments of `console.log` as one text. */
export function formatValues(values: readonly unknown[]): string {
  const [first, ...others] = values;
  if (typeof first !== "string") return values.map(toTopText).join(" ");
  const rest = [...others];
  const text = first.replace(/%[sdifoOjc%]/g, (pattern) => {
    if (pattern === "%%") return "%";
    return rest.length === 0 ? pattern : formatPattern(pattern, rest.shift());
  });
  return [text, ...rest.map(toTopText)].join(" ");
}

function formatPattern(pattern: string, value: unknown): string {
  switch (pattern) {
    case "%s":
      return typeof value === "object" && value !== null ? formatValue(value) : String(value);
    case "%d":
      return String(Number(value));
    case "%i":
      return String(Number.parseInt(String(value), 10));
    case "%f":
      return String(Number.parseFloat(String(value)));
    case "%j":
      return String(JSON.stringify(value));
    case "%c":
      return "";
    default:
      return formatValue(value);
  }
}

function toTopText(value: unknown): string {
  return typeof value === "string" ? value : formatValue(value);
}

function formatValue(value: unknown): string {
  return new Formatter().format(value, 0);
}

class Formatter {
  readonly #path: object[] = [];
  #length = 0;

  format(value: unknown, depth: number): string {
    const text = this.#format(value, depth);
    this.#length += text.length;
    return text;
  }

  #format(value: unknown, depth: number): string {
    switch (typeof value) {
      case "string":
        return JSON.stringify(value);
      case "bigint":
        return `${value}n`;
      case "symbol":
        return value.toString();
      case "function":
        return `[Function: ${value.name || "(anonymous)"}]`;
      case "object":
        return value === null ? "null" : this.#formatObject(value, depth);
      default:
        return Object.is(value, -0) ? "-0" : String(value);
    }
  }

  #formatObject(value: object, depth: number): string {
    if (value instanceof Error) return String(value.stack ?? value);
    if (value instanceof Date)
      return String(value.getTime() * 0 === 0 ? value.toISOString() : value);
    if (value instanceof RegExp) return String(value);
    if (this.#path.includes(value)) return "[Circular]";
    if (depth >= depthMax || this.#length > textLengthMax) {
      return Array.isArray(value) ? "[Array]" : "[Object]";
    }
    this.#path.push(value);
    try {
      return this.#formatEntries(value, depth + 1);
    } finally {
      this.#path.pop();
    }
  }

  #formatEntries(value: object, depth: number): string {
    if (Array.isArray(value)) return bracket("", "[", this.#items(value, depth), "]");
    if (value instanceof ArrayBuffer) {
      return `ArrayBuffer(${value.byteLength}) ${this.#bytes(new Uint8Array(value))}`;
    }
    if (ArrayBuffer.isView(value)) {
      const name = value.constructor.name;
      const items = value instanceof DataView ? [] : [...(value as Uint8Array)];
      return bracket(`${name}(${items.length}) `, "[", this.#items(items, depth), "]");
    }
    if (value instanceof Map) {
      const items = this.#pairs([...value], depth, " => ");
      return bracket(`Map(${value.size}) `, "{", items, "}");
    }
    if (value instanceof Set) {
      return bracket(`Set(${value.size}) `, "{", this.#items([...value], depth), "}");
    }
    const entries = Object.keys(value).map((key): [unknown, unknown] => [
      key,
      (value as Record<string, unknown>)[key],
    ]);
    return bracket(className(value), "{", this.#pairs(entries, depth, ": "), "}");
  }

  #bytes(bytes: Uint8Array): string {
    const shown = [...bytes.subarray(0, 50)].map((byte) => byte.toString(16).padStart(2, "0"));
    return `<${shown.join(" ")}${bytes.length > 50 ? " ..." : ""}>`;
  }

  #items(items: readonly unknown[], depth: number): string[] {
    const texts = items.slice(0, entryCountMax).map((item) => this.format(item, depth));
    const more = items.length - entryCountMax;
    return more > 0 ? [...texts, `... ${more} more`] : texts;
  }

  #pairs(pairs: readonly [unknown, unknown][], depth: number, separator: string): string[] {
    const texts = pairs.slice(0, entryCountMax).map(([key, item]) => {
      const isName = typeof key === "string" && separator === ": " && /^[\w$]+$/.test(key);
      const keyText = isName ? key : this.format(key, depth);
      return `${keyText}${separator}${this.format(item, depth)}`;
    });
    const more = pairs.length - entryCountMax;
    return more > 0 ? [...texts, `... ${more} more`] : texts;
  }
}

function bracket(head: string, open: string, items: readonly string[], close: string): string {
  if (items.length === 0) return `${head}${open}${close}`;
  const line = `${head}${open} ${items.join(", ")} ${close}`;
  if (line.length <= 76 && !line.includes("\n")) return line;
  const indented = items.map((item) => `  ${item.replaceAll("\n", "\n  ")}`);
  return `${head}${open}\n${indented.join(",\n")}\n${close}`;
}

/** `Name ` of a class instance; nothing for plain objects. */
function className(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return "[Object: null prototype] ";
  if (prototype === Object.prototype) return "";
  const maker: unknown = value.constructor;
  return typeof maker === "function" && maker.name !== "" ? `${maker.name} ` : "";
}

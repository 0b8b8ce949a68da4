/** Checks a JSON value against the schema and fills in the defaults. */
import type { ConfigurationSchema } from "./schema-types.ts";
import { closestName } from "./suggestion.ts";
import { sizeToBytes, timeToMs } from "./units.ts";

/** One thing that is wrong, and where. */
export interface ConfigurationProblem {
  /** Path in the file: `network.rpc_interfaces.primary.bind_address`. */
  readonly path: string;
  readonly problem: string;
}

export interface CheckedValue {
  /** The value with defaults filled in. */
  readonly value: unknown;
  readonly problems: readonly ConfigurationProblem[];
  /** Paths of given keys that have no effect. */
  readonly ignoredPaths: readonly string[];
}

/** Checks the whole value and reports every problem, not only the first. */
export function checkSchema(value: unknown, schema: ConfigurationSchema): CheckedValue {
  const check = new Check(schema);
  const checked = check.value(value, schema, "");
  return { value: checked, problems: check.problems, ignoredPaths: check.ignoredPaths };
}

class Check {
  readonly problems: ConfigurationProblem[] = [];
  readonly ignoredPaths: string[] = [];
  private readonly root: ConfigurationSchema;

  constructor(root: ConfigurationSchema) {
    this.root = root;
  }

  value(value: unknown, schema: ConfigurationSchema, path: string): unknown {
    const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? []);
    const type = typeOf(value);
    if (!types.includes(type)) {
      const expected = types.map((name) => typeNames[name] ?? name).join(" or ");
      this.report(path, `must be ${expected}, not ${typeNames[type] ?? type}`);
      return value;
    }
    if (schema.enum !== undefined && !schema.enum.includes(value)) {
      const suggestion = closestName(String(value), schema.enum.map(String));
      const names = schema.enum.join(", ");
      const hint = suggestion === undefined ? "" : ` (did you mean "${suggestion}"?)`;
      this.report(path, `must be one of ${names}, not "${String(value)}"${hint}`);
    }
    if (type === "string") this.unit(value as string, schema, path);
    if (type === "integer") this.integer(value as number, schema, path);
    if (type === "array") {
      const items = schema.items ?? {};
      return (value as unknown[]).map((item, index) =>
        this.value(item, items, `${path}[${index}]`),
      );
    }
    if (type === "object") return this.object(value as Record<string, unknown>, schema, path);
    return value;
  }

  private object(
    given: Readonly<Record<string, unknown>>,
    schema: ConfigurationSchema,
    path: string,
  ): Record<string, unknown> {
    const checked: Record<string, unknown> = {};
    const properties = schema.properties ?? {};
    const others = schema.additionalProperties;
    for (const [key, value] of Object.entries(given)) {
      const keyPath = path === "" ? key : `${path}.${key}`;
      const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (property !== undefined) {
        if (property["x-ignored"] === true && key !== "$schema") this.ignoredPaths.push(keyPath);
        checked[key] = this.value(value, property, keyPath);
      } else if (typeof others === "object" && isSafeKey(key)) {
        checked[key] = this.value(value, others, keyPath);
      } else {
        this.report(keyPath, this.unknownKey(key, Object.keys(properties)));
      }
    }
    for (const key of schema.required ?? []) {
      if (!Object.hasOwn(given, key)) this.report(path, `needs the key "${key}"`);
    }
    for (const [key, property] of Object.entries(properties)) {
      if (Object.hasOwn(given, key)) continue;
      const value = defaultOf(property);
      if (value !== undefined) checked[key] = value;
    }
    return checked;
  }

  private unknownKey(key: string, siblings: readonly string[]): string {
    const sibling = closestName(key, siblings);
    if (sibling !== undefined) return `is not a known key (did you mean "${sibling}"?)`;
    const elsewhere = findKey(this.root, key, "");
    if (elsewhere !== undefined) return `is not a known key here (did you mean "${elsewhere}"?)`;
    return "is not a known key";
  }

  private integer(value: number, schema: ConfigurationSchema, path: string): void {
    const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema;
    if (value < minimum || value > maximum) {
      this.report(path, `must be from ${minimum} to ${maximum}, not ${value}`);
    }
  }

  private unit(value: string, schema: ConfigurationSchema, path: string): void {
    const unit = schema["x-unit"];
    if (unit === undefined) return;
    const convert = unit === "time" ? timeToMs : sizeToBytes;
    const amount = convert(value);
    const { "x-minimum": minimum = "0", "x-maximum": maximum = "0" } = schema;
    if (Number.isNaN(amount)) {
      const example =
        unit === "time" ? 'a time as "10ms", "1s", "30min"' : 'a size as "16KB", "5MB"';
      this.report(path, `must be ${example}, not "${value}"`);
    } else if (amount < convert(minimum) || amount > convert(maximum)) {
      this.report(path, `must be from ${minimum} to ${maximum}, not ${value}`);
    }
  }

  private report(path: string, problem: string): void {
    this.problems.push({ path: path === "" ? "(the file)" : path, problem });
  }
}

const typeNames: Readonly<Record<string, string>> = {
  object: "an object",
  array: "a list",
  string: "a text",
  integer: "a whole number",
  number: "a number with a fraction",
  boolean: "true or false",
};

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "number";
  return typeof value;
}

/** Defaults of absent sections are filled in too, unless the section has required keys. */
function defaultOf(schema: ConfigurationSchema): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.type !== "object" || schema.properties === undefined) return undefined;
  if ((schema.required ?? []).length > 0 || schema["x-ignored"] === true) return undefined;
  const entries = Object.entries(schema.properties)
    .map(([key, property]) => [key, defaultOf(property)] as const)
    .filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** Path of the first key of that name anywhere in the schema. */
function findKey(schema: ConfigurationSchema, key: string, path: string): string | undefined {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const namePath = path === "" ? name : `${path}.${name}`;
    if (name === key) return namePath;
    const inside = findKey(property, key, namePath);
    if (inside !== undefined) return inside;
  }
  const others = schema.additionalProperties;
  return typeof others === "object" ? findKey(others, key, `${path}.<name>`) : undefined;
}

function isSafeKey(key: string): boolean {
  return key !== "__proto__" && key.length > 0 && key.length <= 256;
}

/**
 * The part of JSON Schema that the configuration uses, and short constructors for it. A time or
 * size is a string with a unit (`x-unit`); its range is given by `x-minimum` and `x-maximum`.
 */

export interface ConfigurationSchema {
  readonly type?: "object" | "array" | "string" | "integer" | "boolean" | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, ConfigurationSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | ConfigurationSchema;
  readonly items?: ConfigurationSchema;
  readonly "x-unit"?: "time" | "size";
  /** Time or size string: the smallest value. */
  readonly "x-minimum"?: string;
  readonly "x-maximum"?: string;
  /** Read so that CCF's files work, but without effect. */
  readonly "x-ignored"?: boolean;
  readonly [key: string]: unknown;
}

type Properties = Readonly<Record<string, ConfigurationSchema>>;

/** A closed object: keys that are not listed are errors. */
export function section(
  description: string,
  properties: Properties,
  required: readonly string[] = [],
): ConfigurationSchema {
  return { type: "object", description, properties, required, additionalProperties: false };
}

export function text(description: string, defaultValue?: string): ConfigurationSchema {
  return { type: "string", description, ...defaulted(defaultValue) };
}

/** Text or null, which means "none". */
export function optionalText(description: string): ConfigurationSchema {
  return { type: ["string", "null"], description };
}

export function choice(
  description: string,
  values: readonly string[],
  defaultValue?: string,
): ConfigurationSchema {
  return { type: "string", description, enum: values, ...defaulted(defaultValue) };
}

export function flag(description: string, defaultValue: boolean): ConfigurationSchema {
  return { type: "boolean", description, default: defaultValue };
}

export function integer(
  description: string,
  minimum: number,
  maximum: number,
  defaultValue?: number,
): ConfigurationSchema {
  return { type: "integer", description, minimum, maximum, ...defaulted(defaultValue) };
}

export function list(description: string, items: ConfigurationSchema): ConfigurationSchema {
  return { type: "array", description, items };
}

/** @param minimum shortest time, as a time string */
export function time(
  description: string,
  minimum: string,
  maximum: string,
  defaultValue: string,
): ConfigurationSchema {
  const pattern = "^[0-9]+(us|ms|s|min|h)?$";
  return { type: "string", description, pattern, ...range("time", minimum, maximum, defaultValue) };
}

/** @param minimum smallest size, as a size string */
export function size(
  description: string,
  minimum: string,
  maximum: string,
  defaultValue: string,
): ConfigurationSchema {
  const pattern = "^[0-9]+([bB]|[kKmMgGtTpP][bB])?$";
  return { type: "string", description, pattern, ...range("size", minimum, maximum, defaultValue) };
}

/** Marks a schema whose value has no effect here. */
export function ignored(schema: ConfigurationSchema): ConfigurationSchema {
  return { ...schema, "x-ignored": true };
}

function range(unit: "time" | "size", minimum: string, maximum: string, defaultValue: string) {
  return {
    "x-unit": unit,
    "x-minimum": minimum,
    "x-maximum": maximum,
    default: defaultValue,
  } as const;
}

function defaulted(value: unknown): { readonly default?: unknown } {
  return value === undefined ? {} : { default: value };
}

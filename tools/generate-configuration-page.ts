/** docs/configuration.md from the schema. `npx vitest run tools -u` writes it. */
import type { ConfigurationSchema } from "../packages/node/src/config/schema-types.ts";
import { configurationSchema } from "../packages/node/src/index.ts";

interface Row {
  readonly path: string;
  readonly schema: ConfigurationSchema;
  readonly isRequired: boolean;
}

/** Every key in the order of the schema; keys of lists and maps carry [] and <name>. */
function* rowsOf(schema: ConfigurationSchema, prefix: string): Generator<Row> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    yield { path, schema: property, isRequired: schema.required?.includes(name) === true };
    yield* rowsOf(property, path);
    if (property.items !== undefined) yield* rowsOf(property.items, `${path}[]`);
    const { additionalProperties: others } = property;
    if (typeof others === "object") yield* rowsOf(others, `${path}.<name>`);
  }
}

function valuesOf(schema: ConfigurationSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(", ");
  if (schema["x-unit"] !== undefined) return `${schema["x-minimum"]} to ${schema["x-maximum"]}`;
  if (schema.minimum !== undefined) return `${schema.minimum} to ${schema.maximum}`;
  const type = schema.type === undefined ? "" : [schema.type].flat().join(" or ");
  return type === "object" ? "" : type;
}

function defaultOf({ schema, isRequired }: Row): string {
  if (isRequired) return "required";
  return schema.default === undefined ? "" : `\`${String(schema.default)}\``;
}

export function generateConfigurationPage(): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const lines = [...rowsOf(configurationSchema, "")].map((row) => {
    const { path, schema } = row;
    const effect = schema["x-ignored"] === true ? " (accepted, without effect)" : "";
    const description = `${schema.description ?? ""}${effect}`;
    const cells = [`\`${path}\``, defaultOf(row), valuesOf(schema), description];
    return `| ${cells.map(cell).join(" | ")} |`;
  });
  return `# Configuration of a node

Made from the schema, which \`coco node run --print-schema\` prints. Times are written as \`"10ms"\`,
\`"5s"\`, \`"30min"\`; sizes as \`"16KB"\`, \`"5MB"\`. An unknown key is an error. [node.md](node.md)
says what an operator needs first.

| key | default | values | what it does |
|---|---|---|---|
${lines.join("\n")}
`;
}

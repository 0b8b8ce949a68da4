/** Reads a configuration file: JSON, schema, then the rules that span several keys. */
import { readFileSync } from "node:fs";
import { type ConfigurationProblem, checkSchema } from "./check-schema.ts";
import type { NodeConfiguration } from "./configuration.ts";
import { createConfiguration } from "./create-configuration.ts";
import { configurationErrors } from "./errors.ts";
import { jsonErrorPlace } from "./json-error-place.ts";
import { configurationSchema } from "./schema.ts";

export interface LoadedConfiguration {
  readonly configuration: NodeConfiguration;
  /** The file's JSON with the defaults filled in. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Given keys that have no effect. */
  readonly ignoredPaths: readonly string[];
}

/**
 * Reads and checks the configuration file at `path`.
 * @throws {CocoError} ConfigurationNotRead, ConfigurationNotJson, ConfigurationInvalid,
 *   ProtocolNotSupported
 */
export function loadConfiguration(path: string): LoadedConfiguration {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw configurationErrors.create("ConfigurationNotRead", `${path} (${cause})`, {}, error);
  }
  return parseConfiguration(text, path);
}

/**
 * Checks the text of a configuration file.
 * @param path name of the file, for errors
 * @throws {CocoError} ConfigurationNotJson, ConfigurationInvalid, ProtocolNotSupported
 */
export function parseConfiguration(text: string, path: string): LoadedConfiguration {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw configurationErrors.create("ConfigurationNotJson", path + placeOf(text), {}, error);
  }
  const { value, problems, ignoredPaths } = checkSchema(given, configurationSchema);
  failOn(problems, path);
  const json = value as Readonly<Record<string, unknown>>;
  failOnHttp2(json, path);
  const created = createConfiguration(json);
  failOn(created.problems, path);
  return { configuration: created.configuration, json, ignoredPaths };
}

function failOn(problems: readonly ConfigurationProblem[], file: string): void {
  const [first] = problems;
  if (first === undefined) return;
  const shown = problems.slice(0, shownProblemsMax).map((each) => `${each.path} ${each.problem}`);
  const more = problems.length - shown.length;
  if (more > 0) shown.push(`and ${more} more`);
  const facts = { file, path: first.path, problems: problems.length };
  throw configurationErrors.create("ConfigurationInvalid", `${file}: ${shown.join("; ")}`, facts);
}

const shownProblemsMax = 5;

function failOnHttp2(json: Readonly<Record<string, unknown>>, file: string): void {
  const network = json["network"] as { rpc_interfaces: Record<string, { app_protocol: string }> };
  for (const [name, { app_protocol: protocol }] of Object.entries(network.rpc_interfaces)) {
    if (protocol === "HTTP1") continue;
    const detail = `${file}: network.rpc_interfaces.${name}.app_protocol is ${protocol}`;
    throw configurationErrors.create("ProtocolNotSupported", detail, { interface: name });
  }
}

/** ` line 3 column 7`: where the text stops being JSON. */
function placeOf(text: string): string {
  const place = jsonErrorPlace(text);
  return place === undefined ? "" : ` line ${place.line} column ${place.column}`;
}

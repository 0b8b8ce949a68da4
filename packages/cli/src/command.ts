/** The shape of a command: the tree, the help and docs/cli.md are made of these descriptions. */
import type { CommandContext } from "./streams.ts";

export interface OptionDescription {
  /** Commander's notation: `-p, --port <number>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string | number | boolean;
  readonly choices?: readonly string[];
  /** Turns the text into a number and refuses anything else. */
  readonly isNumber?: boolean;
  readonly isRequired?: boolean;
}

interface ArgumentDescription {
  /** `<dir>` needed, `[dir]` optional, `<files...>` several. */
  readonly name: string;
  readonly description: string;
}

/** The values after commander: camel-case option names. */
export type OptionValues = Readonly<Record<string, unknown>>;

interface CommandModule {
  run(
    context: CommandContext,
    options: OptionValues,
    ...positionals: readonly (string | readonly string[] | undefined)[]
  ): Promise<number | undefined>;
}

export interface CommandDescription {
  /** `ledger verify` */
  readonly path: string;
  readonly summary: string;
  /** Longer text for --help. */
  readonly details?: string;
  readonly arguments?: readonly ArgumentDescription[];
  readonly options?: readonly OptionDescription[];
  /** Command lines with what they do. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Loads the code only when the command runs. */
  load(): Promise<CommandModule>;
}

/** The environment variable of an option: `--service-cert` is COCO_SERVICE_CERT. */
export function optionToVariable(flags: string): string {
  const name = /--([a-z0-9-]+)/.exec(flags)?.[1] ?? "";
  return `COCO_${name.toUpperCase().replaceAll("-", "_")}`;
}

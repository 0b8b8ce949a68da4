/** The `coco` command: builds the commander tree and runs one command line. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type CommandDescription, type OptionDescription, optionToVariable } from "./command.ts";
import { commandTree, groupSummaries } from "./command-tree.ts";
import { exitCode, reportError } from "./failure.ts";
import { type CommandContext, createPalette, type Streams } from "./streams.ts";

export interface RunOptions {
  readonly streams: Streams;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends commands that run on. */
  readonly stop?: AbortSignal;
}

export const version = "0.1.0";

/** Runs a command line (without `node` and the script) and returns the exit code. */
export async function run(argv: readonly string[], options: RunOptions): Promise<number> {
  const { streams, environment } = options;
  const isColored = streams.isTerminal && (environment["NO_COLOR"] ?? "") === "";
  const base = {
    ...streams,
    environment,
    color: createPalette(isColored),
    stop: options.stop ?? new AbortController().signal,
  };
  let code: number = exitCode.ok;
  const program = createProgram(base, environment, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCode.usage;
    return reportError({ ...base, verbosity: countVerbosity(argv) }, error, false);
  }
}

function countVerbosity(argv: readonly string[]): number {
  return argv.includes("-vv") ? 2 : argv.includes("-v") ? 1 : 0;
}

const rootHelp = `
Start here:
  coco sandbox            open a one-node network

Every option is an environment variable too: --service-cert is COCO_SERVICE_CERT. Data goes to
stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 the command line is not
understood, 3 no connection, 4 verification failed.
`;

/** The whole tree; also used to print the reference page. */
function createProgram(
  base: Omit<CommandContext, "verbosity">,
  environment: Readonly<Record<string, string | undefined>>,
  done: (code: number) => void,
): Command {
  const program = configure(new Command("coco"), base)
    .description("Confidential consortium ledgers: sandbox, nodes, governance, apps, audit.")
    .version(version, "-V, --version")
    .addHelpText("after", rootHelp);
  const groups = new Map<string, Command>();
  for (const description of commandTree) {
    const words = description.path.split(" ");
    const name = words.at(-1)!;
    let parent = program;
    for (let depth = 1; depth < words.length; depth++) {
      parent = findGroup(parent, groups, words.slice(0, depth).join(" "), base);
    }
    parent.addCommand(createCommand(name, description, base, environment, done));
  }
  return program;
}

function findGroup(
  parent: Command,
  groups: Map<string, Command>,
  path: string,
  base: Streams,
): Command {
  let group = groups.get(path);
  if (group === undefined) {
    const name = path.split(" ").at(-1);
    group = configure(new Command(name), base).description(groupSummaries[path] ?? "");
    groups.set(path, group);
    parent.addCommand(group);
  }
  return group;
}

function configure(command: Command, streams: Streams): Command {
  return command
    .exitOverride()
    .configureHelp({ optionDescription: describeOption })
    .showHelpAfterError("(add --help for the options and examples)")
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => streams.out(text),
      writeErr: (text) => streams.talk(text),
      outputError: (text, write) =>
        write(`COCO-9000 ${text.replace(/^error: /, "The command line is not understood: ")}`),
    });
}

/** Without the variable's name, which follows from the flag: the root help says how. */
function describeOption({ description, defaultValue, argChoices }: Option): string {
  const facts = argChoices === undefined ? [] : [`choices: ${argChoices.join(", ")}`];
  const isShown = typeof defaultValue === "string" || typeof defaultValue === "number";
  if (isShown) facts.push(`default: ${defaultValue}`);
  return facts.length === 0 ? description : `${description} (${facts.join("; ")})`;
}

function createCommand(
  name: string,
  description: CommandDescription,
  base: Omit<CommandContext, "verbosity">,
  environment: Readonly<Record<string, string | undefined>>,
  done: (code: number) => void,
): Command {
  const command = configure(new Command(name), base).summary(description.summary);
  const details = description.details === undefined ? "" : `\n\n${description.details}`;
  command.description(`${description.summary}.${details}`);
  for (const { name: argument, description: text } of description.arguments ?? []) {
    command.addArgument(new Argument(argument, text));
  }
  for (const option of description.options ?? []) {
    command.addOption(createOption(option, environment));
  }
  command.addOption(new Option("-v, --verbose", "say more; twice: causes too").argParser(count));
  command.addHelpText("after", `\nExamples:\n${examplesToText(description)}`);
  command.action(async (...received: unknown[]) => {
    const options = command.opts();
    const positionals = received.slice(0, -2) as (string | readonly string[] | undefined)[];
    const context = { ...base, verbosity: Number(options["verbose"] ?? 0) };
    try {
      const module = await description.load();
      done((await module.run(context, options, ...positionals)) ?? exitCode.ok);
    } catch (error) {
      done(reportError(context, error, options["json"] === true));
    }
  });
  return command;
}

function count(_value: string, previous: unknown): number {
  return Number(previous ?? 0) + 1;
}

function createOption(
  description: OptionDescription,
  environment: Readonly<Record<string, string | undefined>>,
): Option {
  const option = new Option(description.flags, description.description);
  if (description.choices !== undefined) option.choices(description.choices);
  if (description.isNumber === true) option.argParser(textToNumber);
  if (description.isRequired === true) option.makeOptionMandatory();
  const variable = optionToVariable(description.flags);
  option.env(variable);
  // Commander reads process.env itself; commands may run with another environment in tests.
  const given = environment[variable];
  if (description.default !== undefined) option.default(description.default);
  if (given !== undefined && environment !== process.env) {
    option.default(option.parseArg === undefined ? given : option.parseArg(given, undefined));
  }
  return option;
}

function textToNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError("It is not a whole number.");
  }
  return value;
}

function examplesToText(description: CommandDescription): string {
  return description.examples.map(([line, what]) => `  # ${what}\n  ${line}\n`).join("\n");
}

/** docs/cli.md from the command tree. `npx vitest run tools -u` writes it. */
import {
  type CommandDescription,
  commandTree,
  groupSummaries,
  optionToVariable,
} from "../packages/cli/src/index.ts";

const introduction = `# Command line

\`./coco\` in a checkout, \`npx coco\` everywhere. Data goes to stdout and talk to stderr, so
every command can be piped; \`--json\` prints one line of JSON. \`NO_COLOR\` turns colours off.
Every option can be given as the environment variable in its row. \`-v\` says more, \`-vv\` shows
causes and stacks.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | the command line is not understood |
| 3 | no connection |
| 4 | verification failed |

Errors read \`COCO-nnnn what happened: to what. What to do\`; [errors](errors.md) lists them all.
This page is generated from the command tree.
`;

/** The whole reference page. */
export function generateCliPage(): string {
  const groups = new Map<string, CommandDescription[]>();
  for (const command of commandTree) {
    const group = command.path.split(" ", 1)[0]!;
    groups.set(group, [...(groups.get(group) ?? []), command]);
  }
  const sections = [...groups].map(([group, commands]) => {
    const summary = groupSummaries[group];
    const head = summary === undefined ? "" : `## ${group}\n\n${summary}\n\n`;
    return (
      head + commands.map((command) => commandToText(command, summary !== undefined)).join("\n")
    );
  });
  return `${introduction}\n${sections.join("\n")}`;
}

function commandToText(command: CommandDescription, isInGroup: boolean): string {
  const { path, summary, details, options = [], examples } = command;
  const positionals = command.arguments ?? [];
  const usage = ["coco", path, ...positionals.map(({ name }) => name)].join(" ");
  const parts = [`${isInGroup ? "###" : "##"} ${usage.replace(/[<>]/g, "\\$&")}\n\n${summary}.\n`];
  if (details !== undefined) parts.push(`${details}\n`);
  const rows = [
    ...positionals.map(({ name, description }) => `| \`${name}\` | ${description} | |`),
    ...options.map((option) => {
      const notes = option.choices === undefined ? [] : [option.choices.join(", ")];
      if (option.default !== undefined) notes.push(`default \`${option.default}\``);
      if (option.isRequired === true) notes.push("required");
      const text = [option.description, ...notes].join("; ");
      return `| \`${option.flags}\` | ${text} | \`${optionToVariable(option.flags)}\` |`;
    }),
  ];
  if (rows.length > 0) parts.push(`| | | variable |\n|---|---|---|\n${rows.join("\n")}\n`);
  const lines = examples.map(([line, what]) => `# ${what}\n${line}`);
  parts.push(`\`\`\`sh\n${lines.join("\n")}\n\`\`\`\n`);
  return parts.join("\n");
}

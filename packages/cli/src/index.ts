export { type CommandDescription, type OptionDescription, optionToVariable } from "./command.ts";
export { commandTree, groupSummaries } from "./command-tree.ts";
export { cliErrors } from "./errors.ts";
export { exitCode } from "./failure.ts";
export { type RunOptions, run, version } from "./program.ts";
export { processStreams, type Streams } from "./streams.ts";

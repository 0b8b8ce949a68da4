export { testkitErrors } from "./errors.ts";
export {
  type LoggingBenchOptions,
  type LoggingBenchResult,
  runLoggingBench,
} from "./load/logging-bench.ts";
export { type MachineFacts, readMachineFacts } from "./load/machine-facts.ts";
export { type ProcessUsage, readProcessUsage } from "./load/process-usage.ts";

export { testkitErrors } from "./errors.ts";
export {
  type DeliberateDifference,
  deliberateDifferences,
  type Judged,
  judgeDifferences,
} from "./exchanges/deliberate-differences.ts";
export {
  type ReplayedExchange,
  type ReplayOptions,
  replayRecording,
} from "./exchanges/replay.ts";
export {
  type FuzzFinding,
  type FuzzOptions,
  type FuzzReport,
  type FuzzTarget,
  OracleViolation,
  runFuzz,
} from "./fuzz/fuzzer.ts";
export {
  type LoggingBenchOptions,
  type LoggingBenchResult,
  runLoggingBench,
} from "./load/logging-bench.ts";
export { type MachineFacts, readMachineFacts } from "./load/machine-facts.ts";
export { type ProcessUsage, readProcessUsage } from "./load/process-usage.ts";

/** Entry of the load generator's process: takes options, sends back one result. */
import { isCocoError } from "@coco/base";
import type { GeneratorMessage, LoggingBenchOptions } from "./logging-bench.ts";
import { runLoggingPhases } from "./logging-phases.ts";

const send = (message: GeneratorMessage) => process.send?.(message);

process.on("disconnect", () => process.exit(0));
process.once("message", (options: LoggingBenchOptions) => {
  runLoggingPhases(options).then(
    (result) => send({ kind: "result", result }),
    (error: Error) => {
      const code = isCocoError(error) ? error.code : "";
      send({ kind: "error", code, message: error.message });
    },
  );
});
send({ kind: "ready" });

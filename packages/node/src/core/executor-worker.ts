/** Entry of an executor thread: an executor under the orders of the supervisor. */
import { parentPort, workerData } from "node:worker_threads";
import { assert, isCocoError } from "@coco/base";
import { Executor } from "./executor.ts";
import type { ExecutorCommand, ExecutorData, ExecutorReport } from "./executor-messages.ts";

assert(parentPort !== null, "an executor is started as a worker thread");
const supervisor = parentPort;

function report(message: ExecutorReport): void {
  supervisor.postMessage(message);
}

function reportFailure(error: unknown): void {
  const isKnown = isCocoError(error);
  report({
    kind: "failed",
    code: isKnown ? error.code : "Unexpected",
    message: isKnown ? `${error.message}. ${error.next}.` : String((error as Error).stack ?? error),
  });
}

process.on("uncaughtException", reportFailure);

try {
  const executor = new Executor(workerData as ExecutorData, report);
  supervisor.on("message", (command: ExecutorCommand) => {
    if (command.kind === "front") {
      executor.addFront(command.port);
      return;
    }
    if (command.kind === "recover") {
      executor.recover();
      return;
    }
    executor.stop().then(() => {
      report({ kind: "stopped" });
      supervisor.close();
    }, reportFailure);
  });
} catch (error) {
  reportFailure(error);
}

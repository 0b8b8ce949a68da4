/** Entry of a front worker thread: a front under the orders of the supervisor. */
import { parentPort, workerData } from "node:worker_threads";
import { assert, isCocoError } from "@coco/base";
import { Front } from "./front.ts";
import type { FrontCommand, FrontReport, FrontWorkerData } from "./front-options.ts";

assert(parentPort !== null, "a front worker is started as a worker thread");
const supervisor = parentPort;
const data = workerData as FrontWorkerData;

function report(message: FrontReport): void {
  supervisor.postMessage(message);
}

function reportFailure(error: unknown): void {
  const code = isCocoError(error) ? error.code : "Unexpected";
  report({ kind: "failed", code, detail: error instanceof Error ? error.message : String(error) });
}

const front = new Front(
  data,
  (level, message, facts = {}) => report({ kind: "log", level, message, facts }),
  Date.now(),
);
front.setExecutor(data.executor);
const sweeper = setInterval(() => front.sweep(Date.now()), 500);

supervisor.on("message", (command: FrontCommand) => {
  if (command.kind === "certificate") {
    try {
      front.setCertificate(command.certificate);
    } catch (error) {
      reportFailure(error);
    }
  } else if (command.kind === "executor") {
    front.setExecutor(command.port);
  } else {
    void front.drain(command.timeoutMs).then(() => {
      clearInterval(sweeper);
      report({ kind: "stopped" });
      supervisor.close();
    });
  }
});

front.listen().then((addresses) => report({ kind: "listening", addresses }), reportFailure);

/** Terminates code of the sandbox that runs too long. */
import { Script } from "node:vm";
import { type Guard, scriptErrors } from "@coco/runtime";

/** Where the script finds what it has to run; a private name on the global object of the thread. */
const slot = Symbol.for("coco.guard");

type Slot = { [slot]?: (() => void) | undefined };

function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error && (error as { code?: unknown }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
  );
}

/**
 * A guard over V8's own termination. One guarded run costs about 60 microseconds (it starts a
 * watchdog thread), so a batch of handlers shares one. Nested runs are allowed: the inner limit
 * ends the inner action only, the outer limit ends both.
 */
export function createVmGuard(): Guard {
  const script = new Script("globalThis[Symbol.for('coco.guard')]()", { filename: "guard" });
  const holder = globalThis as Slot;
  return {
    run<Result>(timeoutMs: number, action: () => Result): Result {
      const outer = holder[slot];
      let result: Result | undefined;
      let failure: unknown;
      let isDone = false;
      let hasFailed = false;
      holder[slot] = () => {
        try {
          result = action();
        } catch (error) {
          failure = error;
          hasFailed = true;
        }
        isDone = true;
      };
      try {
        script.runInThisContext({
          timeout: Math.max(1, Math.ceil(timeoutMs)),
          displayErrors: false,
        });
      } catch (error) {
        // The time can also end between the action and the return; its effects are then complete.
        if (!isDone) {
          throw isTimeout(error)
            ? scriptErrors.create("ExecutionTimeLimit", `${timeoutMs} ms`, { timeoutMs })
            : error;
        }
      } finally {
        holder[slot] = outer;
      }
      if (hasFailed) throw failure;
      return result as Result;
    },
  };
}

/** How long a command with a running node goes on: until it is asked to stop, or the node fails. */
import type { CommandContext } from "./streams.ts";

export interface Lifetime {
  /** For the node: it cannot go on. */
  onFailed(error: Error): void;
  /** Resolves when the person asks to stop. @throws what the node failed with */
  readonly ended: Promise<void>;
}

export function createLifetime(context: CommandContext): Lifetime {
  let fail: (error: Error) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    fail = reject;
    if (context.stop.aborted) resolve();
    else context.stop.addEventListener("abort", () => resolve());
  });
  // A node can fail before anybody waits for the end.
  ended.catch(() => undefined);
  return { onFailed: (error) => fail(error), ended };
}

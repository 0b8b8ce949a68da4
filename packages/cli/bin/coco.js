#!/usr/bin/env node
// The entry of the `coco` command. It may not import anything that npm installs before
// `prepareCheckout` has run.
import { prepareCheckout } from "./prepare.js";

const isReady = prepareCheckout();
if (!isReady) process.exit(1);

const { processStreams, run } = await import("@coco/cli");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    // The first signal asks the command to stop; the second one does not wait.
    if (stop.signal.aborted) process.exit(130);
    stop.abort(signal);
  });
}
process.exitCode = await run(process.argv.slice(2), {
  streams: processStreams(),
  environment: process.env,
  stop: stop.signal,
});

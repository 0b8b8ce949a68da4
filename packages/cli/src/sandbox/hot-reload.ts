/** Watches an app directory: a change that builds is deployed, one that does not is shown. */
import { type FSWatcher, watch } from "node:fs";
import { errorToLine } from "@coco/base";
import { buildApp } from "../app/build.ts";
import type { AppBundle } from "../app/bundle.ts";
import { failureFrame } from "../app/failure.ts";
import type { CommandContext } from "../streams.ts";

export interface HotReloadOptions {
  readonly directory: string;
  /** What is served now. */
  readonly bundle: AppBundle;
  deploy(bundle: AppBundle): Promise<unknown>;
}

export interface HotReload {
  stop(): void;
}

/** Editors write a file in several steps. */
const settleMs = 60;
const ignored = /(^|[\\/])(node_modules|dist|\.git)([\\/]|$)/;

export function startHotReload(context: CommandContext, options: HotReloadOptions): HotReload {
  let served = JSON.stringify(options.bundle);
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const reload = async () => {
    const startedMs = performance.now();
    const isColored = context.color.bold("") !== "";
    try {
      const settings = { hasSourceMaps: true, isChecked: true, isColored };
      const { bundle } = await buildApp(options.directory, settings);
      const text = JSON.stringify(bundle);
      if (text === served) return;
      await options.deploy(bundle);
      served = text;
      const elapsedMs = Math.round(performance.now() - startedMs);
      context.talk(`${context.color.green("reloaded")} ${options.directory} in ${elapsedMs} ms\n`);
    } catch (error) {
      const frame = failureFrame(error);
      if (frame !== undefined) context.talk(frame.endsWith("\n") ? frame : `${frame}\n`);
      const line = errorToLine(error);
      context.talk(`${context.color.red("not reloaded")} ${line}. The old version stays.\n`);
    }
  };
  const watcher: FSWatcher = watch(options.directory, { recursive: true }, (_event, file) => {
    if (file === null || ignored.test(file)) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      // One reload after the other, so that the last state of the files wins.
      running = running.then(reload);
    }, settleMs);
  });
  watcher.on("error", (error) => context.talk(`not watching any more: ${error.message}\n`));
  return {
    stop: () => {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

/** Apps that do not compile. */
import type { CocoError } from "@coco/base";
import { cliErrors } from "../errors.ts";

/** An app that does not compile: the message names the place, `frame` shows it. */
interface AppFailure extends Error {
  readonly frame?: string;
}

/** @returns the error of a source that is wrong, with the frame in its cause */
export function createAppFailure(detail: string, frame: string): CocoError {
  const cause = Object.assign(new Error(detail), { frame });
  return cliErrors.create("BadApp", detail.replace(/\.$/, ""), {}, cause);
}

/** The code frame of an error that `buildApp` threw. */
export function failureFrame(error: unknown): string | undefined {
  const { cause } = error as { cause?: AppFailure };
  return cause?.frame;
}

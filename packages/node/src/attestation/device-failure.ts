/** Failures of devices: which are typed already, which mean absence, which pass by themselves. */
import { isCocoError } from "@coco/base";
import { attestationErrors } from "./errors.ts";

/** The system's name of the failure, for example ENOENT. */
export function failureCode(cause: unknown): string {
  const code = (cause as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

/** No such file, or no driver behind it. */
export function isAbsence(cause: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ENODEV", "ENXIO", "EOPNOTSUPP"].includes(failureCode(cause));
}

export function isPassing(cause: unknown): boolean {
  return ["EBUSY", "EINTR", "EAGAIN", "EWOULDBLOCK"].includes(failureCode(cause));
}

/** Runs a step on a file. @throws {CocoError} DeviceFailed */
export async function onDevice<Result>(path: string, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step();
  } catch (cause) {
    if (isCocoError(cause)) throw cause;
    const code = failureCode(cause) || "unknown failure";
    throw attestationErrors.create("DeviceFailed", `${path} (${code})`, { path, code }, cause);
  }
}

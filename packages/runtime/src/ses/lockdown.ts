/** Freezes the intrinsics of the thread, once. */
import { endFastFreeze, restoreFreeze } from "./fast-freeze.ts";
import "ses";
import { AssertionError, CocoError } from "@coco/base";

restoreFreeze();

/**
 * Idempotent. The options keep the rest of a node working: errors keep their stacks, assignments
 * that shadow frozen properties work, the console stays as it is.
 */
export function lockdownOnce(): void {
  if (Object.isFrozen(Object.prototype)) return;
  lockdown({
    errorTaming: "unsafe",
    overrideTaming: "severe",
    consoleTaming: "unsafe",
    localeTaming: "unsafe",
    stackFiltering: "verbose",
    reporting: "none",
    errorTrapping: "none",
    unhandledRejectionTrapping: "none",
  });
  endFastFreeze();
  // In depth: no error of the host reaches a program, and if one did, it could change nothing.
  // Not hardened, because that would freeze the Error of the host too, which others configure.
  for (const host of [CocoError, AssertionError]) {
    Object.freeze(host.prototype);
    Object.freeze(host);
  }
}

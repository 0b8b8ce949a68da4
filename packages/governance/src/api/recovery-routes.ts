/** `/gov/recovery`: members fetch their encrypted shares and submit them after a disaster. */
import { base64ToBytes, isCocoError } from "@coco/base";
import type { Outcome } from "@coco/runtime";
import { clearSubmittedShares, type SubmittedShare, submitRecoveryShare } from "../recovery.ts";
import { governanceTables, internalTables } from "../tables.ts";
import {
  type Checked,
  checkHexId,
  checkSignedText,
  checkSignerIsMember,
  ok,
  refused,
} from "./request-checks.ts";
import { errorOutcome, jsonOutcome } from "./responses.ts";
import type { Call, Route, SignedCall } from "./route.ts";

function getEncryptedShare(call: Call): Outcome {
  const checked = checkHexId(call, "memberId", "member");
  if (checked.kind === "refused") return checked.outcome;
  const memberId = checked.value;
  const shares = internalTables.recoveryShares.get(call.transaction)?.encrypted_shares ?? {};
  const encryptedShare = Object.hasOwn(shares, memberId) ? shares[memberId] : undefined;
  if (encryptedShare === undefined) {
    const message = `Recovery share not found for member m[${memberId}].`;
    return errorOutcome(404, "ResourceNotFound", message);
  }
  return jsonOutcome({ encryptedShare, memberId });
}

function checkWaiting(call: Call): Outcome | undefined {
  const status = governanceTables.serviceInfo.get(call.transaction)?.status;
  if (status !== "WaitingForRecoveryShares") {
    return errorOutcome(
      403,
      "ServiceNotWaitingForRecoveryShares",
      "Service is not waiting for recovery shares.",
    );
  }
  if (!call.ports.recovery.isReadingPrivateLedger()) return undefined;
  const message = "Node is already recovering private ledger.";
  return errorOutcome(403, "NodeAlreadyRecovering", message);
}

function decodeShare(text: string): Checked<Uint8Array> {
  try {
    return ok(base64ToBytes(text));
  } catch {
    return refused(400, "InvalidInput", "The field share is not base64");
  }
}

function submissionText(submitted: SubmittedShare): string {
  const done = submitted.isFullKey
    ? "Full recovery key successfully submitted"
    : `${submitted.submittedCount}/${submitted.threshold} recovery shares successfully submitted`;
  return submitted.isEnough ? `${done}\nEnd of recovery procedure initiated` : done;
}

/** Shares that do not fit together are forgotten, so that members can submit again. */
function restartSubmission(call: Call): Outcome {
  clearSubmittedShares(call.transaction);
  const message =
    "Failed to initiate private recovery: the submitted shares do not fit together and were " +
    "removed. Every member has to submit again.";
  return { ...errorOutcome(400, "InvalidInput", message), applyWrites: true };
}

function recover(call: Call, signed: SignedCall): Outcome {
  const notWaiting = checkWaiting(call);
  if (notWaiting !== undefined) return notWaiting;
  const pathId = checkHexId(call, "memberId", "member");
  if (pathId.kind === "refused") return pathId.outcome;
  const memberId = checkSignerIsMember(call, signed);
  if (memberId.kind === "refused") return memberId.outcome;
  const text = checkSignedText(signed, "share");
  if (text.kind === "refused") return text.outcome;
  const share = decodeShare(text.value);
  if (share.kind === "refused") return share.outcome;

  const { recovery } = call.ports;
  let submitted: SubmittedShare;
  try {
    submitted = submitRecoveryShare(call.transaction, recovery, memberId.value, share.value);
  } catch (error) {
    if (!isCocoError(error) || error.code !== "BadRecoveryShare") throw error;
    return errorOutcome(400, "InvalidInput", `${error.message}. ${error.next}.`);
  } finally {
    share.value.fill(0);
  }
  if (submitted.isEnough) {
    try {
      recovery.initiatePrivateRecovery(call.transaction);
    } catch (error) {
      if (!isCocoError(error)) throw error;
      return restartSubmission(call);
    }
  }
  return jsonOutcome({
    fullKeySubmitted: submitted.isFullKey,
    message: submissionText(submitted),
    recoveryThreshold: submitted.threshold,
    submittedCount: submitted.submittedCount,
  });
}

export const recoveryRoutes: readonly Route[] = [
  { method: "GET", path: "/recovery/encrypted-shares/{memberId}", handle: getEncryptedShare },
  {
    method: "POST",
    path: "/recovery/members/{memberId}:recover",
    policy: "active_member_cose_sign1",
    messageType: "recovery_share",
    handle: recover,
  },
];

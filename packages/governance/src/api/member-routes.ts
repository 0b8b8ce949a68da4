/** `/gov/members/state-digests`: members acknowledge the state that they join. */
import type { Outcome } from "@coco/runtime";
import { acknowledgeStateDigest, holdsRecoveryShare, updateStateDigest } from "../members.ts";
import { governanceTables } from "../tables.ts";
import { checkSignedText, checkSignerIsMember } from "./request-checks.ts";
import { errorOutcome, jsonOutcome, noContent } from "./responses.ts";
import type { Call, Route, SignedCall } from "./route.ts";

function getDigest(call: Call): Outcome {
  const memberId = call.params["memberId"] ?? "";
  const ack = governanceTables.memberAcks.of(call.transaction).get(memberId);
  if (ack === undefined) {
    const message = `No ACK record exists for member m[${memberId}].`;
    return errorOutcome(404, "ResourceNotFound", message);
  }
  return jsonOutcome({ memberId, stateDigest: ack.state_digest });
}

function update(call: Call, signed: SignedCall): Outcome {
  const memberId = checkSignerIsMember(call, signed);
  if (memberId.kind === "refused") return memberId.outcome;
  const stateDigest = updateStateDigest(call.transaction, memberId.value);
  return stateDigest === undefined
    ? errorOutcome(500, "InternalError", "Service has no signatures to ack yet - try again soon.")
    : jsonOutcome({ memberId: memberId.value, stateDigest });
}

function acknowledge(call: Call, signed: SignedCall): Outcome {
  const { transaction } = call;
  const checked = checkSignerIsMember(call, signed);
  if (checked.kind === "refused") return checked.outcome;
  const memberId = checked.value;
  const ack = governanceTables.memberAcks.of(transaction).get(memberId);
  if (ack === undefined) {
    const message = `No ACK record exists for member m[${memberId}].`;
    return errorOutcome(403, "AuthorizationFailed", message);
  }
  const digest = checkSignedText(signed, "stateDigest");
  if (digest.kind === "refused") return digest.outcome;
  if (digest.value !== ack.state_digest) {
    const message =
      `Submitted state digest is not valid.\nExpected\n ${ack.state_digest}\n` +
      `Received\n ${digest.value}`;
    return errorOutcome(400, "StateDigestMismatch", message);
  }
  const isNewlyActive = acknowledgeStateDigest(transaction, memberId, ack, signed.envelope);
  const isOpen = governanceTables.serviceInfo.get(transaction)?.status === "Open";
  if (isNewlyActive && isOpen && holdsRecoveryShare(transaction, memberId)) {
    call.ports.services.triggerRecoverySharesRefresh(transaction);
  }
  return noContent();
}

export const memberRoutes: readonly Route[] = [
  { method: "GET", path: "/members/state-digests/{memberId}", handle: getDigest },
  {
    method: "POST",
    path: "/members/state-digests/{memberId}:update",
    policy: "member_cose_sign1",
    messageType: "state_digest",
    handle: update,
  },
  {
    method: "POST",
    path: "/members/state-digests/{memberId}:ack",
    policy: "member_cose_sign1",
    messageType: "ack",
    handle: acknowledge,
  },
];

/** `/gov/members/proposals`: creating, reading, voting, withdrawing. */
import type { Outcome } from "@coco/runtime";
import {
  createProposal,
  type ProposalOutcome,
  type ProposalRefusal,
  submitBallot,
  withdrawProposal,
} from "../proposals.ts";
import type { Failure, ProposalInfo } from "../table-values.ts";
import { governanceTables } from "../tables.ts";
import { type Checked, checkHexId, checkSignedText, ok, refused } from "./request-checks.ts";
import { errorOutcome, jsonOutcome, noContent, scriptOutcome } from "./responses.ts";
import type { Call, Route, SignedCall } from "./route.ts";

function describeProposal(proposalId: string, info: ProposalInfo): Record<string, unknown> {
  return {
    ballotCount: Object.keys(info.ballots).length,
    failure: info.failure,
    finalVotes: info.final_votes,
    proposalId,
    proposalState: info.state,
    proposerId: info.proposer_id,
    voteFailures: info.vote_failures,
  };
}

function failureText(failure: Failure): string {
  return failure.trace === undefined
    ? failure.reason
    : `${failure.reason}\nTrace: ${failure.trace.trimEnd()}\n`;
}

function notFound(proposalId: string): Outcome {
  const message = `Could not find proposal ${proposalId}.`;
  return errorOutcome(404, "ProposalNotFound", message);
}

/** Refusals that are the client's or the proposal's. */
function refusalToOutcome(refusal: ProposalRefusal, proposalId: string, memberId: string): Outcome {
  switch (refusal.kind) {
    case "notText":
      return errorOutcome(400, "ProposalFailedToValidate", "The proposal is not UTF-8 text.");
    case "invalid":
      return errorOutcome(
        400,
        "ProposalFailedToValidate",
        `Proposal failed to validate: ${refusal.description}`,
      );
    case "validateThrew": {
      const message = `Failed to execute validation: ${failureText(refusal.failure)}`;
      return refusal.isTimeout
        ? errorOutcome(500, "InternalError", message)
        : errorOutcome(400, "ProposalFailedToValidate", message);
    }
    case "createdAtTooLarge":
      return errorOutcome(
        400,
        "InvalidCreatedAt",
        "Header parameter created_at value is too large: give seconds since 1970",
      );
    case "tooOld":
      return errorOutcome(
        400,
        "ProposalCreatedTooLongAgo",
        `Proposal created too long ago, created_at must be greater than ${refusal.createdAtMin}`,
      );
    case "replayed":
      return errorOutcome(
        400,
        "ProposalReplay",
        `Proposal submission replay, already exists as proposal ${refusal.proposalId}`,
      );
    case "notFound":
      return notFound(proposalId);
    case "otherBallotExists":
      return errorOutcome(
        400,
        "VoteAlreadyExists",
        `Different ballot already submitted by m[${memberId}] for ${proposalId}.`,
      );
    case "badBallot":
      return errorOutcome(
        400,
        "InvalidInput",
        `The ballot cannot be used: ${refusal.reason}. It has to export a function ` +
          "vote(rawProposal, proposerId) that returns true or false.",
      );
    case "notProposer":
      return errorOutcome(
        403,
        "AuthorizationFailed",
        `Proposal ${proposalId} can only be withdrawn by proposer ` +
          `m[${refusal.proposerId}], not caller m[${memberId}].`,
      );
    default:
      return faultToOutcome(refusal, proposalId);
  }
}

/** Refusals that lie in the service or in its constitution. */
function faultToOutcome(refusal: ProposalRefusal, proposalId: string): Outcome {
  switch (refusal.kind) {
    case "notOpen":
      return errorOutcome(
        400,
        "ProposalNotOpen",
        `Proposal ${proposalId} is currently in state ${refusal.state.toLowerCase()} - ` +
          "only open proposals can receive votes",
      );
    case "failed":
      return errorOutcome(500, "InternalError", failureText(refusal.failure));
    case "unboundState":
      return errorOutcome(500, "InternalError", "Proposal failed to bind to state. Send it again.");
    case "noConstitution":
      return errorOutcome(
        500,
        "InternalError",
        "No constitution is set - proposals and ballots cannot be evaluated",
      );
    case "validateMalformed":
      return errorOutcome(500, "InternalError", "Validation failed to return an object");
    default:
      return errorOutcome(500, "InternalError", "Proposal ID collision. Sign the proposal again.");
  }
}

function toOutcome(result: ProposalOutcome, proposalId: string, memberId: string): Outcome {
  return result.kind === "done"
    ? jsonOutcome(describeProposal(result.proposalId, result.info))
    : refusalToOutcome(result.refusal, proposalId, memberId);
}

function create(call: Call, signed: SignedCall): Outcome {
  const result = createProposal(call.transaction, call.ports, signed);
  return toOutcome(result, "", signed.memberId);
}

/** The proposal of the path, which the signature has to name too. */
function checkSignedProposalId(call: Call, signed: SignedCall): Checked<string> {
  const proposalId = checkHexId(call, "proposalId", "proposal");
  if (proposalId.kind === "refused" || proposalId.value === signed.proposalId) return proposalId;
  return refused(400, "InvalidResourceName", "Authenticated proposal id does not match URL");
}

function checkSignedMemberId(call: Call, signed: SignedCall): Checked<string> {
  const memberId = checkHexId(call, "memberId", "member");
  if (memberId.kind === "refused" || memberId.value === signed.memberId) return memberId;
  return refused(400, "InvalidResourceName", "Authenticated member id does not match URL");
}

function submit(call: Call, signed: SignedCall): Outcome {
  const proposalId = checkSignedProposalId(call, signed);
  if (proposalId.kind === "refused") return proposalId.outcome;
  const memberId = checkSignedMemberId(call, signed);
  if (memberId.kind === "refused") return memberId.outcome;
  const state = checkOpen(call, proposalId.value);
  if (state.kind === "refused") return state.outcome;
  const ballot = checkSignedText(signed, "ballot");
  if (ballot.kind === "refused") return ballot.outcome;
  const { transaction, ports } = call;
  const result = submitBallot(transaction, ports, signed, proposalId.value, ballot.value);
  return toOutcome(result, proposalId.value, memberId.value);
}

/** Asked before the ballot is read, so that the first thing that is wrong is the one reported. */
function checkOpen(call: Call, proposalId: string): Checked<ProposalInfo> {
  const info = governanceTables.proposalInfo.of(call.transaction).get(proposalId);
  if (info === undefined) return { kind: "refused", outcome: notFound(proposalId) };
  if (info.state === "Open") return ok(info);
  const outcome = faultToOutcome({ kind: "notOpen", state: info.state }, proposalId);
  return { kind: "refused", outcome };
}

function withdraw(call: Call, signed: SignedCall): Outcome {
  const proposalId = checkSignedProposalId(call, signed);
  if (proposalId.kind === "refused") return proposalId.outcome;
  const id = proposalId.value;
  const result = withdrawProposal(call.transaction, signed, id);
  if (result.kind === "done") return toOutcome(result, id, signed.memberId);
  // A proposal that is gone may have been withdrawn before: the wish is fulfilled.
  if (result.refusal.kind === "notFound") return noContent();
  if (result.refusal.kind !== "notOpen") return toOutcome(result, id, signed.memberId);
  const state = result.refusal.state.toLowerCase();
  const message = `Proposal ${id} is currently in state ${state} and cannot be withdrawn.`;
  return errorOutcome(400, "ProposalNotOpen", message);
}

function get(call: Call): Outcome {
  const proposalId = checkHexId(call, "proposalId", "proposal");
  if (proposalId.kind === "refused") return proposalId.outcome;
  const info = governanceTables.proposalInfo.of(call.transaction).get(proposalId.value);
  return info === undefined
    ? notFound(proposalId.value)
    : jsonOutcome(describeProposal(proposalId.value, info));
}

function list(call: Call): Outcome {
  const entries = governanceTables.proposalInfo.of(call.transaction).entries();
  return jsonOutcome({ value: entries.map(([id, info]) => describeProposal(id, info)) });
}

function getActions(call: Call): Outcome {
  const proposalId = checkHexId(call, "proposalId", "proposal");
  if (proposalId.kind === "refused") return proposalId.outcome;
  const content = governanceTables.proposals.of(call.transaction).get(proposalId.value);
  if (content === undefined) return notFound(proposalId.value);
  // The bytes as they were signed, without a content type, as CCF answers.
  return { response: { status: 200, headers: {}, body: content }, applyWrites: true };
}

function getBallot(call: Call): Outcome {
  const proposalId = checkHexId(call, "proposalId", "proposal");
  if (proposalId.kind === "refused") return proposalId.outcome;
  const memberId = checkHexId(call, "memberId", "member");
  if (memberId.kind === "refused") return memberId.outcome;
  const info = governanceTables.proposalInfo.of(call.transaction).get(proposalId.value);
  if (info === undefined) {
    return errorOutcome(404, "ProposalNotFound", `Proposal ${proposalId.value} does not exist.`);
  }
  const { ballots } = info;
  const ballot = Object.hasOwn(ballots, memberId.value) ? ballots[memberId.value] : undefined;
  if (ballot !== undefined) return scriptOutcome(ballot);
  const message = `Member m[${memberId.value}] has not voted for proposal ${proposalId.value}.`;
  return errorOutcome(404, "VoteNotFound", message);
}

const policy = "active_member_cose_sign1";

export const proposalRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/members/proposals:create",
    policy,
    messageType: "proposal",
    handle: create,
  },
  {
    method: "POST",
    path: "/members/proposals/{proposalId}:withdraw",
    policy,
    messageType: "withdrawal",
    handle: withdraw,
  },
  {
    method: "POST",
    path: "/members/proposals/{proposalId}/ballots/{memberId}:submit",
    policy,
    messageType: "ballot",
    handle: submit,
  },
  { method: "GET", path: "/members/proposals", handle: list },
  { method: "GET", path: "/members/proposals/{proposalId}", handle: get },
  { method: "GET", path: "/members/proposals/{proposalId}/actions", handle: getActions },
  { method: "GET", path: "/members/proposals/{proposalId}/ballots/{memberId}", handle: getBallot },
];

/**
 * Proposals: created, voted on and withdrawn by members, decided by the constitution.
 * Every function works in the caller's transaction, which is discarded unless it succeeds.
 */
import { bytesToHex, bytesToUtf8, concatBytes, type Hash } from "@coco/base";
import type { Transaction } from "@coco/store";
import type { Constitution, ProposalCase, Vote } from "./constitution.ts";
import { createdAtMax, recordSubmission } from "./recent-proposals.ts";
import type { ScriptResult } from "./script-runner.ts";
import type { Failure, ProposalInfo } from "./table-values.ts";
import { governanceTables } from "./tables.ts";

/** A governance request whose COSE signature was checked. */
export interface SignedRequest {
  readonly memberId: string;
  /** The whole COSE_Sign1 message, for the record. */
  readonly envelope: Uint8Array;
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

export type ProposalRefusal =
  | { readonly kind: "unboundState" }
  | { readonly kind: "noConstitution" }
  | { readonly kind: "notText" }
  | { readonly kind: "validateThrew"; readonly failure: Failure; readonly isTimeout: boolean }
  | { readonly kind: "validateMalformed" }
  | { readonly kind: "invalid"; readonly description: string }
  | { readonly kind: "collision" }
  | { readonly kind: "createdAtTooLarge" }
  | { readonly kind: "tooOld"; readonly createdAtMin: string }
  | { readonly kind: "replayed"; readonly proposalId: string }
  | { readonly kind: "failed"; readonly failure: Failure }
  | { readonly kind: "notFound" }
  | { readonly kind: "notOpen"; readonly state: string }
  | { readonly kind: "notProposer"; readonly proposerId: string }
  | { readonly kind: "otherBallotExists" }
  | { readonly kind: "badBallot"; readonly reason: string };

export type ProposalOutcome =
  | {
      readonly kind: "done";
      readonly proposalId: string;
      readonly info: ProposalInfo;
    }
  | { readonly kind: "refused"; readonly refusal: ProposalRefusal };

export interface ProposalPorts {
  readonly hash: Hash;
  readonly constitution: Constitution;
  /**
   * Merkle root over everything up to the transaction's read version, 32 bytes; undefined when
   * the node cannot tell yet.
   */
  rootAtReadVersion(transaction: Transaction): Uint8Array | undefined;
}

function refuse(refusal: ProposalRefusal): ProposalOutcome {
  return { kind: "refused", refusal };
}

/** Binds the proposal to the state that its author could see and to the author's signature. */
export function proposalIdOf(hash: Hash, root: Uint8Array, signature: Uint8Array): string {
  return bytesToHex(hash.sha256(concatBytes(root, hash.sha256(signature))));
}

function recordHistory(transaction: Transaction, request: SignedRequest): void {
  governanceTables.coseHistory.of(transaction).set(request.memberId, request.envelope);
}

function removeOtherClosedProposals(transaction: Transaction, proposalId: string): void {
  const infos = governanceTables.proposalInfo.of(transaction);
  const proposals = governanceTables.proposals.of(transaction);
  for (const [otherId, info] of infos.entries()) {
    if (otherId === proposalId || info.state === "Open") continue;
    proposals.delete(otherId);
    infos.delete(otherId);
  }
}

interface CountedVotes {
  readonly votes: readonly Vote[];
  readonly failures: Readonly<Record<string, Failure>>;
}

/** Runs all ballots again: what they say may depend on the state. */
function countVotes(
  transaction: Transaction,
  constitution: Constitution,
  proposal: ProposalCase,
  ballots: Readonly<Record<string, string>>,
): CountedVotes {
  const votes: Vote[] = [];
  const failures: Record<string, Failure> = {};
  for (const memberId of Object.keys(ballots).sort()) {
    const result = constitution.vote(transaction, ballots[memberId] ?? "", proposal);
    if (result.kind === "threw") failures[memberId] = result.failure;
    else votes.push({ member_id: memberId, vote: result.value });
  }
  return { votes, failures };
}

function failed(info: ProposalInfo, stage: string, failure: Failure): ProposalInfo {
  const reason = `Failed to ${stage}(): ${failure.reason}`;
  return { ...info, state: "Failed", failure: { ...failure, reason } };
}

function decide(info: ProposalInfo, resolved: ScriptResult<string>): ProposalInfo {
  if (resolved.kind === "threw") return failed(info, "resolve", resolved.failure);
  const state = resolved.value;
  if (state === "Open" || state === "Accepted" || state === "Rejected") return { ...info, state };
  const reason = `resolve() returned invalid status value: "${state}"`;
  return { ...info, state: "Failed", failure: { reason } };
}

/**
 * Counts the ballots, asks the constitution, and applies an accepted proposal. The result is in
 * the tables; a failed one is for the caller to discard with the transaction.
 */
function resolveProposal(
  transaction: Transaction,
  ports: ProposalPorts,
  source: string,
  proposal: ProposalCase,
  before: ProposalInfo,
): ProposalInfo {
  const { constitution } = ports;
  const infos = governanceTables.proposalInfo.of(transaction);
  const { votes, failures } = countVotes(transaction, constitution, proposal, before.ballots);
  const resolved = constitution.resolve(transaction, source, proposal, votes);
  const decided = decide(before, resolved);
  if (decided.state === "Open") {
    infos.set(proposal.proposalId, decided);
    return decided;
  }
  removeOtherClosedProposals(transaction, proposal.proposalId);
  const final: ProposalInfo = {
    ...decided,
    final_votes: Object.fromEntries(votes.map(({ member_id, vote }) => [member_id, vote])),
    vote_failures: failures,
  };
  infos.set(proposal.proposalId, final);
  if (final.state !== "Accepted") return final;
  const applied = constitution.apply(transaction, source, proposal);
  return applied.kind === "threw" ? failed(final, "apply", applied.failure) : final;
}

function finish(
  transaction: Transaction,
  ports: ProposalPorts,
  source: string,
  proposal: ProposalCase,
  info: ProposalInfo,
): ProposalOutcome {
  const result = resolveProposal(transaction, ports, source, proposal, info);
  if (result.failure !== undefined) return refuse({ kind: "failed", failure: result.failure });
  return { kind: "done", proposalId: proposal.proposalId, info: result };
}

/** The text of a proposal or ballot, or undefined when it is not UTF-8. */
function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return bytesToUtf8(bytes);
  } catch {
    return undefined;
  }
}

function checkValidity(
  transaction: Transaction,
  constitution: Constitution,
  source: string,
  text: string,
): ProposalRefusal | undefined {
  const validated = constitution.validate(transaction, source, text);
  if (validated.kind === "threw") {
    const { failure, isTimeout } = validated;
    return { kind: "validateThrew", failure, isTimeout };
  }
  if (validated.value === undefined) return { kind: "validateMalformed" };
  const { isValid, description } = validated.value;
  return isValid ? undefined : { kind: "invalid", description };
}

/** Submits a proposal; the constitution may decide on it at once. */
export function createProposal(
  transaction: Transaction,
  ports: ProposalPorts,
  request: SignedRequest,
): ProposalOutcome {
  const root = ports.rootAtReadVersion(transaction);
  if (root === undefined) return refuse({ kind: "unboundState" });
  const proposalId = proposalIdOf(ports.hash, root, request.signature);
  const source = governanceTables.constitution.get(transaction);
  if (source === undefined) return refuse({ kind: "noConstitution" });
  const text = decodeText(request.content);
  if (text === undefined) return refuse({ kind: "notText" });
  const invalid = checkValidity(transaction, ports.constitution, source, text);
  if (invalid !== undefined) return refuse(invalid);

  const proposals = governanceTables.proposals.of(transaction);
  if (proposals.has(proposalId)) return refuse({ kind: "collision" });
  proposals.set(proposalId, request.content);
  const info: ProposalInfo = { ballots: {}, proposer_id: request.memberId, state: "Open" };
  governanceTables.proposalInfo.of(transaction).set(proposalId, info);
  recordHistory(transaction, request);

  if (request.createdAt > createdAtMax) return refuse({ kind: "createdAtTooLarge" });
  const digest = bytesToHex(ports.hash.sha256(request.signature));
  const check = recordSubmission(transaction, request.createdAt, digest, proposalId);
  if (check.kind !== "accepted") return refuse(check);
  const proposal = { text, proposalId, proposerId: request.memberId };
  return finish(transaction, ports, source, proposal, info);
}

/** Adds a member's ballot and decides again. The same ballot a second time changes nothing. */
export function submitBallot(
  transaction: Transaction,
  ports: ProposalPorts,
  request: SignedRequest,
  proposalId: string,
  ballot: string,
): ProposalOutcome {
  const { memberId } = request;
  const info = governanceTables.proposalInfo.of(transaction).get(proposalId);
  if (info === undefined) return refuse({ kind: "notFound" });
  if (info.state !== "Open") return refuse({ kind: "notOpen", state: info.state });
  const content = governanceTables.proposals.of(transaction).get(proposalId);
  if (content === undefined) return refuse({ kind: "notFound" });
  const source = governanceTables.constitution.get(transaction);
  if (source === undefined) return refuse({ kind: "noConstitution" });
  const earlier = Object.hasOwn(info.ballots, memberId) ? info.ballots[memberId] : undefined;
  if (earlier !== undefined) {
    return earlier === ballot
      ? { kind: "done", proposalId, info }
      : refuse({ kind: "otherBallotExists" });
  }
  const checked = ports.constitution.checkBallot(transaction, ballot);
  if (checked.kind === "threw")
    return refuse({ kind: "badBallot", reason: checked.failure.reason });
  if (!checked.value) return refuse({ kind: "badBallot", reason: "vote is not exported" });

  recordHistory(transaction, request);
  const withBallot = { ...info, ballots: { ...info.ballots, [memberId]: ballot } };
  const proposal = { text: bytesToUtf8(content), proposalId, proposerId: info.proposer_id };
  return finish(transaction, ports, source, proposal, withBallot);
}

/** Withdraws an open proposal of the caller. Withdrawing it again changes nothing. */
export function withdrawProposal(
  transaction: Transaction,
  request: SignedRequest,
  proposalId: string,
): ProposalOutcome {
  const infos = governanceTables.proposalInfo.of(transaction);
  const info = infos.get(proposalId);
  if (info === undefined) return refuse({ kind: "notFound" });
  if (info.proposer_id !== request.memberId) {
    return refuse({ kind: "notProposer", proposerId: info.proposer_id });
  }
  if (info.state === "Withdrawn") return { kind: "done", proposalId, info };
  if (info.state !== "Open") return refuse({ kind: "notOpen", state: info.state });
  const withdrawn: ProposalInfo = { ...info, state: "Withdrawn" };
  infos.set(proposalId, withdrawn);
  removeOtherClosedProposals(transaction, proposalId);
  recordHistory(transaction, request);
  return { kind: "done", proposalId, info: withdrawn };
}

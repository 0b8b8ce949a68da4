/** Who is primary: candidates, votes, and the beginning of a primary's term. */
import type { NodeId } from "../engine.ts";
import { advanceCommit, requestRetiredMark } from "./commitment.ts";
import type { CandidacyProposal, VoteRequest, VoteResponse } from "./messages.ts";
import type { RaftState } from "./raft-state.ts";
import { toTracePacket } from "./raft-trace.ts";
import { sendEntries } from "./replication.ts";

/** Asks whether an election could be won, without disturbing the present primary. */
export function becomePreVoteCandidate(state: RaftState): void {
  if (state.configurations.latest === undefined) return;
  state.leadership = "PreVoteCandidate";
  state.primaryId = undefined;
  state.votes = new Set();
  state.restartElectionTimer();
  state.trace("become_pre_vote_candidate", () => state.traceConfigurations());
  addVote(state, state.nodeId);
  requestVotes(state, "preVoteRequest");
}

export function becomeCandidate(state: RaftState): void {
  if (state.configurations.latest === undefined) return;
  state.leadership = "Candidate";
  state.primaryId = undefined;
  state.enterView(state.view + 1, state.nodeId);
  state.restartElectionTimer();
  state.peers.resetAges();
  state.trace("become_candidate", () => state.traceConfigurations());
  state.persistVote(state.nodeId);
  // A node alone has nobody to break its word to; it commits nothing before the vote is durable.
  if (state.pendingVoteView === undefined || state.isAlone) stand(state);
}

function stand(state: RaftState): void {
  const { view } = state;
  addVote(state, state.nodeId);
  if (state.view === view) requestVotes(state, "voteRequest");
}

/** The vote of this node in `view` is durable: it may be counted, or told. */
export function votePersisted(state: RaftState, view: number): void {
  if (state.pendingVoteView !== view) return;
  state.pendingVoteView = undefined;
  if (state.view !== view) return;
  if (state.leadership === "Candidate") stand(state);
  else if (state.leadership === "Leader") advanceCommit(state);
  const candidate = state.heldVoteFor;
  state.heldVoteFor = undefined;
  if (candidate !== undefined) {
    state.send(candidate, { type: "voteResponse", view, isGranted: true });
  }
}

function requestVotes(state: RaftState, type: VoteRequest["type"]): void {
  const { seqno, view } = state.lastSignature;
  const message: VoteRequest = {
    type,
    view: state.view,
    signatureSeqno: seqno,
    signatureView: view,
  };
  for (const id of state.configurations.others(state.nodeId)) {
    state.trace("send_request_vote", () => ({ packet: toTracePacket(message), to_node_id: id }));
    state.send(id, message);
  }
}

function addVote(state: RaftState, from: NodeId): void {
  state.votes.add(from);
  if (!state.rules.isElected(state.configurations.active, state.votes)) return;
  if (state.leadership === "PreVoteCandidate") becomeCandidate(state);
  else becomeLeader(state);
}

/** Gives up what is unsigned, and offers the rest to all. */
export function becomeLeader(state: RaftState): void {
  if (state.isRetired) return;
  const { log } = state;
  state.dropUnsigned();
  state.leadership = "Leader";
  state.primaryId = state.nodeId;
  state.elapsedTicks = 0;
  state.peers.resetAges();
  state.trace("become_leader", () => state.traceConfigurations());
  state.effects.wantSignature(true);
  if (state.configurations.others(state.nodeId).length === 0) advanceCommit(state);
  state.peers.reset(log.lastSeqno);
  for (const peer of state.peers.all()) sendEntries(state, peer);
  requestRetiredMark(state);
}

export function receiveVoteRequest(state: RaftState, from: NodeId, message: VoteRequest): void {
  state.trace("recv_request_vote", () => ({ packet: toTracePacket(message), from_node_id: from }));
  const isPreVote = message.type === "preVoteRequest";
  const type = isPreVote ? "preVoteResponse" : "voteResponse";
  if (message.view < state.view) {
    state.send(from, { type, view: state.view, isGranted: false });
    return;
  }
  if (message.view > state.view) state.becomeAwareOf(message.view);
  const theirs = { view: message.signatureView, seqno: message.signatureSeqno };
  const isFree = state.primaryId === undefined && state.rules.canVote(state.votedFor, from);
  const isGranted = state.rules.isUpToDate(theirs, state.lastSignature) && (isPreVote || isFree);
  if (isGranted && !isPreVote) {
    state.restartElectionTimer();
    if (state.votedFor !== from) state.persistVote(from);
    state.votedFor = from;
    if (state.pendingVoteView === state.view) {
      state.heldVoteFor = from;
      return;
    }
  }
  state.send(from, { type, view: state.view, isGranted });
}

export function receiveVoteResponse(state: RaftState, from: NodeId, message: VoteResponse): void {
  const isPreVote = message.type === "preVoteResponse";
  state.trace("recv_request_vote_response", () => ({
    packet: toTracePacket(message),
    from_node_id: from,
  }));
  if (state.peers.get(from) === undefined) return;
  if (message.view > state.view) {
    state.becomeAwareOf(message.view);
    return;
  }
  const awaited = isPreVote ? "PreVoteCandidate" : "Candidate";
  const isCounted = state.rules.isVoteOf(message.view, state.view) && message.isGranted;
  if (state.leadership !== awaited || !isCounted) return;
  addVote(state, from);
}

export function receiveCandidacyProposal(
  state: RaftState,
  from: NodeId,
  message: CandidacyProposal,
): void {
  state.trace("recv_propose_request_vote", () => ({
    packet: toTracePacket(message),
    from_node_id: from,
  }));
  if (state.isRetired || !state.isTicking || message.view !== state.view) return;
  becomeCandidate(state);
}

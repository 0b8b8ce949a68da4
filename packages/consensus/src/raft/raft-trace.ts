/**
 * Trace events of the engine, with the names and fields that CCF's TLA+ trace specification
 * reads. States are those before the event has had its effect, unless said otherwise there.
 */
import type { NodeId, RetirementPhase } from "../engine.ts";
import type { Seqno, View } from "../tx-id.ts";
import type { RaftMessage } from "./messages.ts";
import type { Configuration } from "./quorum.ts";
import type { RaftState } from "./raft-state.ts";

export type Leadership = "None" | "Follower" | "PreVoteCandidate" | "Candidate" | "Leader";

export interface TraceState {
  readonly node_id: NodeId;
  readonly current_view: View;
  readonly last_idx: Seqno;
  readonly commit_idx: Seqno;
  readonly leadership_state: Leadership;
  readonly membership_state: "Active" | "Retired";
  readonly pre_vote_enabled: boolean;
  /** First and last signature after the committed one. */
  readonly committable_indices: readonly Seqno[];
  readonly retirement_phase?: Capitalize<RetirementPhase>;
  readonly retirement_idx?: Seqno;
  readonly retirement_committable_idx?: Seqno;
  readonly retired_committed_idx?: Seqno;
}

export interface TraceEvent {
  /** Name of the event; the other fields depend on it. */
  readonly function: string;
  readonly state: TraceState;
  readonly [field: string]: unknown;
}

export type TraceObserver = (event: TraceEvent) => void;

export function toTraceState(state: RaftState): TraceState {
  const { log, retirement } = state;
  const { signatures } = log;
  const ends = signatures.length > 1 ? [signatures[0]!, signatures.at(-1)!] : [...signatures];
  const { phase, seqno, signatureSeqno, retiredCommittedSeqno } = retirement;
  return {
    node_id: state.nodeId,
    current_view: state.view,
    last_idx: log.lastSeqno,
    commit_idx: log.committedSeqno,
    leadership_state: state.leadership,
    membership_state: phase === undefined ? "Active" : "Retired",
    pre_vote_enabled: state.settings.isPreVoteEnabled,
    committable_indices: ends,
    ...(phase === undefined ? {} : { retirement_phase: toTracePhase(phase) }),
    ...(seqno === undefined ? {} : { retirement_idx: seqno }),
    ...(signatureSeqno === undefined ? {} : { retirement_committable_idx: signatureSeqno }),
    ...(retiredCommittedSeqno === undefined
      ? {}
      : { retired_committed_idx: retiredCommittedSeqno }),
  };
}

function toTracePhase(phase: RetirementPhase): Capitalize<RetirementPhase> {
  return `${phase.charAt(0).toUpperCase()}${phase.slice(1)}` as Capitalize<RetirementPhase>;
}

export function toTraceConfiguration({ seqno, nodes }: Configuration): object {
  const addresses = Object.fromEntries(nodes.map((node) => [node, { address: ":" }]));
  return { idx: seqno, nodes: addresses, rid: seqno };
}

export function toTracePacket(message: RaftMessage): object {
  switch (message.type) {
    case "appendEntries":
      return {
        msg: "raft_append_entries",
        idx: message.lastSeqno,
        prev_idx: message.prevSeqno,
        term: message.view,
        prev_term: message.prevView,
        leader_commit_idx: message.committedSeqno,
        term_of_idx: message.lastView,
        contains_new_view: false,
      };
    case "appendEntriesResponse":
      return {
        msg: "raft_append_entries_response",
        term: message.view,
        last_log_idx: message.lastSeqno,
        success: message.isAccepted ? "OK" : "FAIL",
      };
    case "voteRequest":
    case "preVoteRequest":
      return {
        msg: message.type === "voteRequest" ? "raft_request_vote" : "raft_request_pre_vote",
        term: message.view,
        last_committable_idx: message.signatureSeqno,
        term_of_last_committable_idx: message.signatureView,
      };
    case "voteResponse":
    case "preVoteResponse":
      return {
        msg:
          message.type === "voteResponse"
            ? "raft_request_vote_response"
            : "raft_request_pre_vote_response",
        term: message.view,
        vote_granted: message.isGranted,
      };
    case "candidacyProposal":
      return { msg: "raft_propose_request_vote", term: message.view };
  }
}

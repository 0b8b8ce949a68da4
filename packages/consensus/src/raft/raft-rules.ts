/**
 * The decisions that make the protocol safe, each by itself. The engine always follows
 * `raftRules`; only the tests in this room replace one of them, to show that breaking it is found.
 */
import type { NodeId, RetirementPhase } from "../engine.ts";
import type { Seqno, TxId, View } from "../tx-id.ts";
import type { LogPositions } from "./log-positions.ts";
import type { AppendEntries } from "./messages.ts";
import { agreedSeqno, type Configuration, isJointQuorum } from "./quorum.ts";

export interface RaftRules {
  /** Whether the votes elect: a majority in each configuration, never one over their union. */
  readonly isElected: (
    configurations: readonly Configuration[],
    votes: ReadonlySet<NodeId>,
  ) => boolean;
  /** Up to where all configurations agree. */
  readonly agreedSeqno: typeof agreedSeqno;
  /** Whether a primary commits an entry of `entryView` by counting nodes. @source Raft 5.4.2 */
  readonly canCommit: (entryView: View, view: View) => boolean;
  /** What is known to match after a refusal: it says what may match, so nothing new. */
  readonly matchAfterRefusal: (matchSeqno: Seqno, refusedSeqno: Seqno) => Seqno;
  /** Whether the entry before a message's entries is here: views of both at its place. */
  readonly isContinuation: (theirView: View, ourView: View) => boolean;
  /** Whether a vote of `voteView` counts for a candidate of `view`. */
  readonly isVoteOf: (voteView: View, view: View) => boolean;
  /** The first entry that is another than the message's; what is the same stays. */
  readonly firstConflict: (message: AppendEntries, log: LogPositions) => Seqno | undefined;
  /** Whether a conflicting entry may replace ours: once, as new backup of its sender. */
  readonly canReplace: (isNewFollower: boolean) => boolean;
  /** Up to where a backup confirms: nothing is known of what it holds after the message's end. */
  readonly confirmedSeqno: (message: AppendEntries, lastSeqno: Seqno) => Seqno;
  /** Up to where a backup commits. */
  readonly backupCommitLimit: (message: AppendEntries) => Seqno;
  /** Whether a node whose retirement has come so far takes no part any more. */
  readonly isRetired: (phase: RetirementPhase | undefined) => boolean;
  /** Whether a candidate whose last signature is `theirs` may get our vote. */
  readonly isUpToDate: (theirs: TxId, ours: TxId) => boolean;
  /** Whether one who has voted for `votedFor` in this view may vote for `candidate`. */
  readonly canVote: (votedFor: NodeId | undefined, candidate: NodeId) => boolean;
  /** What a node that changes its view keeps: all up to its last signature. */
  readonly keptSeqno: (lastSignature: Seqno, lastSeqno: Seqno) => Seqno;
  /** The last entry that a majority of this commits: the signature before it. */
  readonly commitPoint: (signature: Seqno | undefined, agreed: Seqno) => Seqno | undefined;
}

export const raftRules: RaftRules = {
  isElected: (configurations, votes) => isJointQuorum(configurations, (node) => votes.has(node)),
  agreedSeqno,
  canCommit: (entryView, view) => entryView === view,
  matchAfterRefusal: (matchSeqno) => matchSeqno,
  isContinuation: (theirView, ourView) => theirView === ourView,
  isVoteOf: (voteView, view) => voteView === view,
  firstConflict({ prevSeqno, lastSeqno, lastView }, log) {
    // All entries of the message are of one view, so that comparing views compares entries.
    const last = Math.min(lastSeqno, log.lastSeqno);
    for (let seqno = prevSeqno + 1; seqno <= last; seqno++) {
      if (log.viewOf(seqno) !== lastView) return seqno;
    }
    return undefined;
  },
  canReplace: (isNewFollower) => isNewFollower,
  confirmedSeqno: ({ lastSeqno }) => lastSeqno,
  backupCommitLimit: ({ committedSeqno, lastSeqno }) => Math.min(committedSeqno, lastSeqno),
  isRetired: (phase) => phase === "retiredCommitted",
  isUpToDate: (theirs, ours) =>
    theirs.view > ours.view || (theirs.view === ours.view && theirs.seqno >= ours.seqno),
  canVote: (votedFor, candidate) => votedFor === undefined || votedFor === candidate,
  keptSeqno: (lastSignature) => lastSignature,
  commitPoint: (signature) => signature,
};

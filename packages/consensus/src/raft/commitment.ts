/** What becomes final, and what follows from it: configurations end, nodes retire. */
import type { NodeId } from "../engine.ts";
import type { Seqno } from "../tx-id.ts";
import type { RaftState } from "./raft-state.ts";

/** A primary commits the last signature that every configuration agrees on. */
export function advanceCommit(state: RaftState): void {
  const { log, rules, configurations, nodeId } = state;
  // A vote of its own that a restart would forget elects nobody; what is not durable here waits.
  if (state.pendingVoteView !== undefined) return;
  const agreed = rules.agreedSeqno(configurations.active, (node) =>
    node === nodeId ? log.persistedSeqno : (state.peers.get(node)?.matchSeqno ?? 0),
  );
  if (agreed === undefined) return;
  const limit = Math.min(agreed, log.persistedSeqno);
  const signature = rules.commitPoint(log.signatureUpTo(limit), limit);
  if (signature === undefined || !rules.canCommit(log.viewOf(signature), state.view)) return;
  commit(state, signature);
}

/** A backup commits the last signature of what its primary has committed. */
export function followCommit(state: RaftState): void {
  const { log } = state;
  const limit = Math.min(state.primaryCommittedSeqno, log.persistedSeqno);
  if (limit <= log.committedSeqno) return;
  const signature = state.rules.commitPoint(log.signatureUpTo(limit), limit);
  if (signature !== undefined) commit(state, signature);
}

function commit(state: RaftState, seqno: Seqno): void {
  const { log, configurations, effects, retirement } = state;
  if (seqno <= log.committedSeqno) return;
  state.trace("commit", () => ({ args: { idx: seqno }, ...state.traceConfigurations() }));
  log.commit(seqno);
  retirement.commit(seqno);
  effects.commit(seqno);
  const gone = configurations.commit(seqno);
  state.retiredNodes = [...new Set([...state.retiredNodes, ...gone])];
  const due = state.retiredMarks.filter((mark) => mark.seqno <= seqno);
  state.retiredMarks = state.retiredMarks.filter((mark) => mark.seqno > seqno);
  for (const { nodes } of due) finishRetirement(state, seqno, nodes);
  if (gone.length > 0) requestRetiredMark(state);
}

/** All future primaries know of it: nothing has to be heard from these nodes any more. */
function finishRetirement(state: RaftState, seqno: Seqno, nodes: readonly NodeId[]): void {
  state.retiredNodes = state.retiredNodes.filter((node) => !nodes.includes(node));
  state.peers.remove((id) => nodes.includes(id) && !state.configurations.has(id));
  if (!nodes.includes(state.nodeId) || !state.retirement.finish(seqno)) return;
  if (state.leadership === "Leader") proposeSuccessor(state);
  state.primaryId = undefined;
  state.leadership = "None";
}

/** A primary asks for the entry that says which nodes have retired, unless it is there. */
export function requestRetiredMark(state: RaftState): void {
  if (state.leadership !== "Leader") return;
  const named = new Set(state.retiredMarks.flatMap(({ nodes }) => nodes));
  const unnamed = state.retiredNodes.filter((node) => !named.has(node));
  if (unnamed.length > 0) state.effects.retire(unnamed);
}

/** Asks the node that has most, and of these one of the latest configuration, to take over. */
export function proposeSuccessor(state: RaftState): void {
  let successor: NodeId | undefined;
  let best = { matchSeqno: 0, configurationSeqno: 0 };
  for (const { id, matchSeqno } of state.peers.all()) {
    if (matchSeqno < best.matchSeqno) continue;
    const configuration = state.configurations.active.findLast(({ nodes }) => nodes.includes(id));
    const configurationSeqno = configuration?.seqno ?? 0;
    const isTie = matchSeqno === best.matchSeqno;
    if (isTie && configurationSeqno < best.configurationSeqno) continue;
    best = { matchSeqno, configurationSeqno };
    successor = id;
  }
  if (successor === undefined) return;
  state.send(successor, { type: "candidacyProposal", view: state.view });
}

/** From the primary's ledger to the others': offering entries, taking them, confirming them. */
import { assert } from "@coco/base";
import type { Batch, Mark, NodeId } from "../engine.ts";
import type { Seqno } from "../tx-id.ts";
import { advanceCommit, followCommit } from "./commitment.ts";
import {
  type AppendEntries,
  type AppendEntriesResponse,
  badMessage,
  encodeMessage,
} from "./messages.ts";
import type { Peer } from "./peer-table.ts";
import type { RaftState } from "./raft-state.ts";
import { toTraceConfiguration, toTracePacket } from "./raft-trace.ts";

/** Confirmations that may wait for the disk; beyond, only the last is kept. */
const heldCountMax = 64;

/**
 * Sends everything from the entry after the last one sent on, in messages of one view each; an
 * empty one when there is nothing, and when too many messages are unanswered.
 */
export function sendEntries(state: RaftState, peer: Peer, startSeqno = peer.sentSeqno + 1): void {
  const { log, settings } = state;
  let start = startSeqno;
  for (;;) {
    const isFull = peer.inFlight.length >= settings.inFlightCountMax;
    const end = Math.min(start + settings.sizer.countMax - 1, log.lastOfView(start));
    sendRange(state, peer, start, isFull ? start - 1 : end);
    if (isFull || end === log.lastSeqno) return;
    start = Math.min(end + 1, log.lastSeqno);
  }
}

/** Sends new entries at once when nothing is in flight, or when they fill a message. */
function sendEagerly(state: RaftState, peer: Peer): void {
  const { log, settings } = state;
  if (!settings.isEager || state.leadership !== "Leader") return;
  while (peer.sentSeqno < log.lastSeqno && peer.inFlight.length < settings.inFlightCountMax) {
    const start = peer.sentSeqno + 1;
    const end = Math.min(start + settings.sizer.countMax - 1, log.lastOfView(start));
    const isWholeMessage = end < log.lastSeqno;
    if (peer.inFlight.length > 0 && !isWholeMessage) return;
    sendRange(state, peer, start, end);
  }
}

function sendRange(state: RaftState, peer: Peer, startSeqno: Seqno, lastSeqno: Seqno): void {
  // A retired primary goes on to replicate, but does not keep the others from electing.
  if (state.isRetired && startSeqno >= lastSeqno) return;
  const { log } = state;
  const prevSeqno = startSeqno - 1;
  const message: AppendEntries = {
    type: "appendEntries",
    view: state.view,
    prevSeqno,
    prevView: log.viewOf(prevSeqno),
    lastSeqno,
    lastView: log.viewOf(lastSeqno),
    committedSeqno: log.committedSeqno,
  };
  state.trace("send_append_entries", () => ({
    packet: toTracePacket(message),
    to_node_id: peer.id,
    match_idx: peer.matchSeqno,
    sent_idx: peer.sentSeqno,
  }));
  const hasEntries = lastSeqno >= startSeqno;
  const entries = hasEntries ? { firstSeqno: startSeqno, lastSeqno } : undefined;
  state.effects.send({
    to: peer.id,
    message: encodeMessage(message),
    ...(entries === undefined ? {} : { entries }),
  });
  peer.sentSeqno = lastSeqno;
  if (hasEntries) peer.inFlight.push(lastSeqno);
}

/** The primary's own entries, all of its view. The caller has checked that they may be proposed. */
export function appendProposed(state: RaftState, batch: Batch): void {
  const { log, settings } = state;
  eachEntry(state, batch, batch.firstSeqno, {
    before(seqno, mark) {
      state.trace("replicate", () => ({
        view: batch.view,
        seqno,
        globally_committable: mark?.kind === "signature",
      }));
      if (mark?.kind === "configuration") addConfiguration(state, mark);
    },
    after(seqno, mark) {
      if (mark?.kind === "signature") state.sign(seqno);
    },
  });
  state.effects.persist({ view: batch.view, seqno: log.lastSeqno });
  if (settings.isDurableAtOnce) log.persist(state.lastTxId);
  const count = batch.lastSeqno - batch.firstSeqno + 1;
  if (settings.sizer.appended(count, batch.sizeBytes)) {
    for (const peer of state.peers.all()) sendEntries(state, peer);
  }
  for (const peer of state.peers.all()) sendEagerly(state, peer);
  if (state.configurations.others(state.nodeId).length === 0) advanceCommit(state);
}

interface EntryVisitor {
  before(seqno: Seqno, mark: Mark | undefined): void;
  after(seqno: Seqno, mark: Mark | undefined): void;
}

/** Appends the entries from `firstSeqno` on; visits those with marks, and all when it is traced. */
function eachEntry(state: RaftState, batch: Batch, firstSeqno: Seqno, visitor: EntryVisitor): void {
  const { log, settings } = state;
  const marks = new Map(batch.marks.map((mark) => [mark.seqno, mark]));
  const isTraced = settings.observer !== undefined;
  const marked = batch.marks.map(({ seqno }) => seqno).filter((seqno) => seqno >= firstSeqno);
  const stops = isTraced ? range(firstSeqno, batch.lastSeqno) : marked;
  for (const seqno of stops) {
    log.append(batch.view, seqno - 1);
    const mark = marks.get(seqno);
    visitor.before(seqno, mark);
    log.append(batch.view, seqno);
    visitor.after(seqno, mark);
    if (mark?.kind === "retired") state.retiredMarks.push(mark);
  }
  log.append(batch.view, batch.lastSeqno);
}

function range(first: Seqno, last: Seqno): Seqno[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function addConfiguration(state: RaftState, mark: Mark & { kind: "configuration" }): void {
  const nodes = [...mark.nodes].sort();
  state.trace("add_configuration", () => ({
    ...state.traceConfigurations(),
    args: { configuration: toTraceConfiguration({ seqno: mark.seqno, nodes }) },
  }));
  for (const id of state.addConfiguration(mark.seqno, nodes)) {
    const peer = state.peers.get(id);
    if (peer === undefined || state.leadership !== "Leader") continue;
    sendEntries(state, peer, state.log.lastSeqno + 1);
  }
}

/** @throws {CocoError} BadMessage */
export function receiveEntries(
  state: RaftState,
  from: NodeId,
  message: AppendEntries,
  entries: Batch | undefined,
): void {
  const { log } = state;
  checkEntries(message, entries);
  if (message.view === state.view && state.leadership === "Leader") {
    throw badMessage("another primary of this node's own view");
  }
  state.trace("recv_append_entries", () => ({
    packet: toTracePacket(message),
    from_node_id: from,
  }));
  if (message.view < state.view) {
    refuse(state, from);
    return;
  }
  const isCandidate = state.leadership.endsWith("Candidate");
  if (message.view > state.view || isCandidate) state.becomeAwareOf(message.view);

  const prevView = log.viewOf(message.prevSeqno);
  if (!state.rules.isContinuation(message.prevView, prevView)) {
    if (prevView === 0) refuse(state, from);
    else refuseMismatch(state, from, message);
    return;
  }
  state.restartElectionTimer();
  state.primaryId = from;
  // What begins before the committed entries is too old to say anything.
  if (message.prevSeqno < log.committedSeqno) return;
  if (!dropConflict(state, message)) return;
  takeEntries(state, from, message, entries);
}

/** @returns whether the message can be followed */
function dropConflict(state: RaftState, message: AppendEntries): boolean {
  const { log, rules } = state;
  const conflict = rules.firstConflict(message, log);
  if (conflict === undefined) return true;
  if (!rules.canReplace(state.isNewFollower)) return false;
  state.rollback(conflict - 1);
  state.isNewFollower = false;
  return log.lastSeqno === conflict - 1;
}

function takeEntries(
  state: RaftState,
  from: NodeId,
  message: AppendEntries,
  entries: Batch | undefined,
): void {
  const { log, effects, settings, rules } = state;
  const limit = rules.backupCommitLimit(message);
  state.primaryCommittedSeqno = Math.max(state.primaryCommittedSeqno, limit);
  const firstSeqno = log.lastSeqno + 1;
  if (entries !== undefined && firstSeqno <= message.lastSeqno) {
    eachEntry(state, entries, firstSeqno, {
      before() {
        state.trace("execute_append_entries_sync", () => ({ from_node_id: from }));
      },
      after(seqno, mark) {
        if (mark?.kind === "configuration") addConfiguration(state, mark);
        if (mark?.kind !== "signature") return;
        state.sign(seqno);
        if (settings.isDurableAtOnce) log.persist(state.lastTxId);
        followCommit(state);
      },
    });
    effects.appended(firstSeqno, message.lastSeqno);
    effects.persist(state.lastTxId);
    if (settings.isDurableAtOnce) log.persist(state.lastTxId);
  }
  followCommit(state);
  confirm(state, from, message);
}

/** Confirms what is durable at once, and the rest when it is. */
function confirm(state: RaftState, to: NodeId, message: AppendEntries): void {
  const { log, rules } = state;
  const seqno = rules.confirmedSeqno(message, log.lastSeqno);
  if (seqno <= log.persistedSeqno) {
    respond(state, to, true, state.view, seqno);
    return;
  }
  const isHeartbeat = message.lastSeqno === message.prevSeqno;
  // What is durable of it is answer enough to one who asks whether this node is there.
  if (isHeartbeat) respond(state, to, true, state.view, log.persistedSeqno);
  if (state.heldConfirmations.length >= heldCountMax) state.heldConfirmations.pop();
  state.heldConfirmations.push({ to, seqno });
}

/** More has become durable: confirms it, with one answer for all. */
export function releaseConfirmations(state: RaftState): void {
  const { persistedSeqno } = state.log;
  const due = state.heldConfirmations.filter(({ seqno }) => seqno <= persistedSeqno);
  state.heldConfirmations = state.heldConfirmations.filter(({ seqno }) => seqno > persistedSeqno);
  const last = due.reduce<(typeof due)[0] | undefined>(
    (best, held) => (best === undefined || held.seqno > best.seqno ? held : best),
    undefined,
  );
  if (last !== undefined) respond(state, last.to, true, state.view, last.seqno);
}

function refuse(state: RaftState, to: NodeId): void {
  respond(state, to, false, state.view, state.log.lastSeqno);
}

/** Names the last entry that may be the same on both sides. */
function refuseMismatch(state: RaftState, to: NodeId, message: AppendEntries): void {
  const { log } = state;
  const rejected = { view: message.prevView, seqno: message.prevSeqno };
  const match = log.highestPossibleMatch(rejected);
  respond(state, to, false, log.viewOf(match), match);
}

function respond(
  state: RaftState,
  to: NodeId,
  isAccepted: boolean,
  view: number,
  lastSeqno: Seqno,
): void {
  const message: AppendEntriesResponse = {
    type: "appendEntriesResponse",
    view,
    lastSeqno,
    isAccepted,
    incarnation: state.incarnation,
  };
  state.trace("send_append_entries_response", () => ({
    packet: toTracePacket(message),
    to_node_id: to,
  }));
  state.send(to, message);
}

/** @throws {CocoError} BadMessage */
export function receiveResponse(
  state: RaftState,
  from: NodeId,
  message: AppendEntriesResponse,
): void {
  const { log, rules } = state;
  const peer = state.peers.get(from);
  if (peer === undefined) return;
  state.trace("recv_append_entries_response", () => ({
    packet: toTracePacket(message),
    from_node_id: from,
    match_idx: peer.matchSeqno,
    sent_idx: peer.sentSeqno,
  }));
  if (state.leadership !== "Leader") return;
  peer.ackAgeTicks = 0;
  if (message.view > state.view) {
    state.becomeAwareOf(message.view);
    return;
  }
  noticeIncarnation(peer, message);
  if (message.isAccepted) {
    if (message.view !== state.view) return;
    const answered = Math.max(message.lastSeqno, peer.matchSeqno);
    peer.inFlight = peer.inFlight.filter((seqno) => seqno > answered);
    if (message.lastSeqno < peer.matchSeqno) return;
    if (message.lastSeqno > log.lastSeqno) throw badMessage("entries confirmed that are not there");
    peer.matchSeqno = message.lastSeqno;
    advanceCommit(state);
    sendEagerly(state, peer);
    return;
  }
  const match = log.highestPossibleMatch({ view: message.view, seqno: message.lastSeqno });
  const sentSeqno = Math.max(Math.min(match, peer.sentSeqno), peer.matchSeqno);
  const isSentAgain = sentSeqno < peer.sentSeqno;
  peer.sentSeqno = sentSeqno;
  peer.inFlight = [];
  const matchSeqno = rules.matchAfterRefusal(peer.matchSeqno, message.lastSeqno);
  if (matchSeqno !== peer.matchSeqno) {
    peer.matchSeqno = matchSeqno;
    advanceCommit(state);
  }
  if (isSentAgain) sendEagerly(state, peer);
}

/** A peer that has begun anew may lack what it had confirmed; what it has, it says again. */
function noticeIncarnation(peer: Peer, { incarnation }: AppendEntriesResponse): void {
  if (peer.incarnation !== undefined && peer.incarnation !== incarnation) {
    peer.matchSeqno = 0;
    peer.inFlight = [];
  }
  peer.incarnation = incarnation;
}

/** @throws {CocoError} BadMessage */
function checkEntries(message: AppendEntries, entries: Batch | undefined): void {
  const { prevSeqno, lastSeqno, lastView } = message;
  if (entries === undefined) {
    if (lastSeqno > prevSeqno) throw badMessage("its entries are missing");
    return;
  }
  const isAnnounced =
    lastSeqno > prevSeqno &&
    entries.firstSeqno === prevSeqno + 1 &&
    entries.lastSeqno === lastSeqno &&
    entries.view === lastView;
  if (!isAnnounced) throw badMessage("its entries are not those that it announces");
  let previous = entries.firstSeqno;
  for (const { seqno } of entries.marks) {
    assert(seqno >= previous && seqno <= lastSeqno, "marks belong to their batch");
    previous = seqno;
  }
}

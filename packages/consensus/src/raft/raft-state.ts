/** What one node knows: the state that the parts of the protocol work on. */
import { assert } from "@coco/base";
import type { EngineStart, Mark, NodeId, Role } from "../engine.ts";
import type { Seqno, TxId, View } from "../tx-id.ts";
import type { BatchSizer } from "./batch-sizer.ts";
import { ConfigurationTracker } from "./configuration-tracker.ts";
import { EffectQueue } from "./effect-queue.ts";
import { LogPositions } from "./log-positions.ts";
import { encodeMessage, type RaftMessage } from "./messages.ts";
import { PeerTable } from "./peer-table.ts";
import type { RaftRules } from "./raft-rules.ts";
import {
  type Leadership,
  type TraceObserver,
  toTraceConfiguration,
  toTraceState,
} from "./raft-trace.ts";
import { Retirement } from "./retirement.ts";

export interface RaftSettings {
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly isPreVoteEnabled: boolean;
  readonly pendingCountMax: number;
  /** Messages with entries that may wait for an answer of one peer. */
  readonly inFlightCountMax: number;
  /** Sends as soon as nothing is in flight; otherwise only when the time for it comes. */
  readonly isEager: boolean;
  /** Durable is what was appended; only where losing power loses the node. */
  readonly isDurableAtOnce: boolean;
  /** Below a limit, evenly. */
  readonly random: (limit: number) => number;
  readonly sizer: BatchSizer;
  readonly indexOfNewPeer: (order: readonly NodeId[], id: NodeId) => number;
  readonly observer: TraceObserver | undefined;
}

type RetiredMark = Mark & { readonly kind: "retired" };

/** An answer that promises what has to become durable first. */
export interface HeldConfirmation {
  readonly to: NodeId;
  readonly seqno: Seqno;
}

export class RaftState {
  readonly nodeId: NodeId;
  readonly settings: RaftSettings;
  readonly rules: RaftRules;
  readonly log: LogPositions;
  readonly configurations = new ConfigurationTracker();
  readonly retirement = new Retirement();
  readonly peers: PeerTable;
  readonly effects = new EffectQueue();
  view: View;
  leadership: Leadership = "None";
  primaryId: NodeId | undefined;
  votedFor: NodeId | undefined;
  votes = new Set<NodeId>();
  /** View of a vote that is not durable yet. */
  pendingVoteView: View | undefined;
  /** The candidate who gets our vote when it is durable. */
  heldVoteFor: NodeId | undefined;
  heldConfirmations: HeldConfirmation[] = [];
  /** What the primary of this view has committed, of the entries that are known to match. */
  primaryCommittedSeqno: Seqno = 0;
  isNewFollower = false;
  isTicking = false;
  elapsedTicks = 0;
  incarnation: number;
  /** Nodes whose retirement is committed, but not an entry that says so. */
  retiredNodes: readonly NodeId[] = [];
  /** Entries that say so, in order, until they are committed. */
  retiredMarks: RetiredMark[] = [];

  constructor(
    nodeId: NodeId,
    settings: RaftSettings,
    rules: RaftRules,
    start: EngineStart | undefined,
  ) {
    this.nodeId = nodeId;
    this.settings = settings;
    this.rules = rules;
    this.peers = new PeerTable(settings.indexOfNewPeer);
    this.incarnation = settings.random(2 ** 32);
    this.log = startToLog(start);
    this.view = Math.max(this.log.history.view, start?.view ?? 0, start?.vote?.view ?? 0);
    if (start?.vote?.view === this.view) this.votedFor = start.vote.votedFor;
    if (start === undefined) return;
    for (const { seqno, nodes } of start.configurations) this.addConfiguration(seqno, nodes);
    if (start.lastSeqno > 0) {
      if (start.configurations.length === 0) this.addConfiguration(0, [nodeId]);
      this.leadership = "Follower";
      this.isNewFollower = true;
      this.retiredNodes = start.retiredNodes ?? [];
      for (const id of this.retiredNodes) this.#addPeer(id);
    }
    // Who is about to leave may be the only one that can lead until it has left.
    const hasSay = this.configurations.has(nodeId) || this.retiredNodes.includes(nodeId);
    this.isTicking = hasSay && start.lastSeqno > 0;
    this.#resumeRetirement();
    this.configurations.commit(this.log.committedSeqno);
  }

  /** Finds again how far the retirement that the configurations speak of has come. */
  #resumeRetirement(): void {
    const { retirement, log } = this;
    const { seqno } = retirement;
    if (seqno === undefined) return;
    const isCommitted = seqno < log.committedSeqno;
    const signature = isCommitted ? log.committedSeqno : log.signatures.find((s) => s > seqno);
    if (signature !== undefined) retirement.sign(signature);
    retirement.commit(log.committedSeqno);
  }

  get role(): Role {
    if (this.rules.isRetired(this.retirement.phase)) return "retired";
    if (this.leadership === "Leader") return "primary";
    if (this.leadership === "Candidate") return "candidate";
    return this.leadership === "PreVoteCandidate" ? "preVoteCandidate" : "backup";
  }

  get lastTxId(): TxId {
    const seqno = this.log.lastSeqno;
    return { view: this.log.viewOf(seqno), seqno };
  }

  get lastSignature(): TxId {
    const seqno = this.log.lastSignature;
    return { view: this.log.viewOf(seqno), seqno };
  }

  /** Whether no other node has a say. */
  get isAlone(): boolean {
    return (
      this.configurations.has(this.nodeId) && this.configurations.others(this.nodeId).length === 0
    );
  }

  get isRetired(): boolean {
    return this.rules.isRetired(this.retirement.phase);
  }

  trace(name: string, fields: () => object = () => ({})): void {
    this.settings.observer?.({ function: name, state: toTraceState(this), ...fields() });
  }

  traceConfigurations(): object {
    return { configurations: this.configurations.active.map(toTraceConfiguration) };
  }

  send(to: NodeId, message: RaftMessage): void {
    this.effects.send({ to, message: encodeMessage(message) });
  }

  /** Elections begin at different times: the wait is between half and the whole of the limit. */
  restartElectionTimer(): void {
    this.elapsedTicks = this.settings.random(Math.floor(this.settings.electionTicks / 2) + 1);
  }

  startTickingIfMember(): void {
    if (this.isTicking || this.configurations.latest?.nodes.includes(this.nodeId) !== true) return;
    this.isTicking = true;
    this.elapsedTicks = 0;
  }

  /** @returns the peers that were not known before */
  addConfiguration(seqno: Seqno, nodes: readonly NodeId[]): readonly NodeId[] {
    const wasMember = this.configurations.latest?.nodes.includes(this.nodeId) === true;
    if (wasMember && !nodes.includes(this.nodeId)) this.retirement.order(seqno);
    this.configurations.add(seqno, nodes);
    const fresh = this.configurations
      .others(this.nodeId)
      .filter((id) => this.peers.get(id) === undefined);
    for (const id of fresh) this.#addPeer(id);
    return fresh;
  }

  #addPeer(id: NodeId): void {
    if (id === this.nodeId || this.peers.get(id) !== undefined) return;
    // What it lacks, it says in its first answer.
    this.peers.add(id, this.log.lastSeqno + 1);
  }

  /** A signature was appended. */
  sign(seqno: Seqno): void {
    this.retirement.sign(seqno);
    this.log.sign(seqno);
    this.startTickingIfMember();
  }

  rollback(seqno: Seqno): void {
    const { log } = this;
    if (seqno < log.committedSeqno || seqno >= log.lastSeqno) return;
    log.rollback(seqno);
    this.effects.rollback(seqno);
    // The report of a write that was under way will not come any more.
    if (log.persistedSeqno < seqno) this.effects.persist(this.lastTxId);
    this.retirement.rollback(seqno);
    this.retiredMarks = this.retiredMarks.filter((mark) => mark.seqno <= seqno);
    this.heldConfirmations = this.heldConfirmations.filter((held) => held.seqno <= seqno);
    if (!this.configurations.rollback(seqno)) return;
    const { configurations, retiredNodes } = this;
    this.peers.remove((id) => !configurations.has(id) && !retiredNodes.includes(id));
  }

  /** Goes on as a backup in the present view. */
  becomeFollower(): void {
    this.primaryId = undefined;
    this.restartElectionTimer();
    this.peers.resetAges();
    this.leadership = "Follower";
    this.trace("become_follower", () => this.traceConfigurations());
  }

  /** What is unsigned goes, and everything that follows from it. */
  dropUnsigned(): void {
    const { lastSignature, lastSeqno } = this.log;
    this.rollback(this.rules.keptSeqno(lastSignature, lastSeqno));
  }

  becomeAwareOf(view: View): void {
    assert(view >= this.view, "views do not go backwards");
    // A candidate that hears of its view's primary keeps what it may have confirmed to it.
    if (view > this.view) {
      this.enterView(view, undefined);
      this.dropUnsigned();
    }
    this.becomeFollower();
    this.isNewFollower = true;
  }

  /** Everything that belonged to the view before is over. */
  enterView(view: View, votedFor: NodeId | undefined): void {
    this.view = view;
    this.votedFor = votedFor;
    this.votes = new Set();
    this.heldVoteFor = undefined;
    this.heldConfirmations = [];
    this.primaryCommittedSeqno = 0;
  }

  /** Asks for a vote to be made durable. */
  persistVote(votedFor: NodeId): void {
    if (this.settings.isDurableAtOnce) return;
    this.pendingVoteView = this.view;
    this.effects.persistVote(this.view, votedFor);
  }
}

function startToLog(start: EngineStart | undefined): LogPositions {
  if (start === undefined) return new LogPositions();
  const { viewFirstSeqnos, lastSeqno, lastSignatureSeqno } = start;
  assert(lastSignatureSeqno <= lastSeqno, "a signature is one of the entries");
  const committed = Math.min(start.committedSeqno, lastSignatureSeqno);
  const known = start.signatureSeqnos ?? (lastSignatureSeqno > 0 ? [lastSignatureSeqno] : []);
  const signatures = known.filter((seqno) => seqno > committed);
  assert(
    (signatures.at(-1) ?? committed) === lastSignatureSeqno,
    "the last of the signatures is the last signature",
  );
  return new LogPositions(viewFirstSeqnos, lastSeqno, committed, signatures);
}

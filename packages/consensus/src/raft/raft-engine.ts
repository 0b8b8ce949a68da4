/** The engine of networks of several nodes: Raft with the rules of CCF. */
import { assert, type Rng } from "@coco/base";
import type {
  Batch,
  Effects,
  Engine,
  EngineDetails,
  EngineOptions,
  EngineStart,
  NodeId,
  Role,
} from "../engine.ts";
import { consensusErrors } from "../errors.ts";
import { firstView } from "../single-node-engine.ts";
import { evaluateStatus, type Seqno, type TxId, type TxStatus, type View } from "../tx-id.ts";
import { MeanBatchSizer } from "./batch-sizer.ts";
import { advanceCommit, followCommit, proposeSuccessor } from "./commitment.ts";
import {
  becomeCandidate,
  becomeLeader,
  becomePreVoteCandidate,
  receiveCandidacyProposal,
  receiveVoteRequest,
  receiveVoteResponse,
  votePersisted,
} from "./election.ts";
import { badMessage, decodeMessage, type RaftMessage } from "./messages.ts";
import { newestFirst } from "./peer-table.ts";
import { isJointQuorum } from "./quorum.ts";
import { type RaftRules, raftRules } from "./raft-rules.ts";
import { type RaftSettings, RaftState } from "./raft-state.ts";
import type { TraceObserver } from "./raft-trace.ts";
import {
  appendProposed,
  receiveEntries,
  receiveResponse,
  releaseConfirmations,
  sendEntries,
} from "./replication.ts";

export interface RaftEngineOptions extends EngineOptions {
  /** Spreads the beginnings of elections. */
  readonly rng: Rng;
  /** Between messages of a primary that has nothing to send. Default 10. */
  readonly heartbeatTicks?: number;
  /** Without a primary, an election begins after half of this to all of it. Default 500. */
  readonly electionTicks?: number;
  /** Messages with entries that may wait for one node's answer. Default 8. */
  readonly inFlightCountMax?: number;
  /** Told of each event, as CCF's trace specification wants it. */
  readonly observer?: TraceObserver;
}

/** Views that a message may be ahead of this node: the history of views is kept for each. */
const viewStepMax = 1_000_000;
const configurationNodeCountMax = 256;

/**
 * Without `start`, the first node of a new service, primary in view 2. With a `start` of no
 * entries, a node that waits for the primary of its network to write to it.
 */
export function createRaftEngine(options: RaftEngineOptions): Engine {
  const { rng, heartbeatTicks = 10, electionTicks = 500, inFlightCountMax = 8 } = options;
  assert(heartbeatTicks > 0 && electionTicks > heartbeatTicks, "heartbeats prevent elections");
  const settings: RaftSettings = {
    heartbeatTicks,
    electionTicks,
    inFlightCountMax,
    isPreVoteEnabled: true,
    pendingCountMax: options.pendingCountMax ?? 10_000,
    isEager: true,
    isDurableAtOnce: false,
    random(limit) {
      const [a = 0, b = 0, c = 0, d = 0] = rng.bytes(4);
      return Math.floor(((a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32) * limit);
    },
    sizer: new MeanBatchSizer(),
    indexOfNewPeer: newestFirst,
    observer: options.observer,
  };
  return new RaftEngine(options.nodeId, settings, raftRules, options.start);
}

/** For this room and its tests: settings and rules that `createRaftEngine` does not offer. */
export class RaftEngine implements Engine {
  readonly nodeId: NodeId;
  readonly state: RaftState;

  constructor(
    nodeId: NodeId,
    settings: RaftSettings,
    rules: RaftRules,
    start: EngineStart | undefined,
  ) {
    this.nodeId = nodeId;
    const state = new RaftState(nodeId, settings, rules, start);
    this.state = state;
    if (start === undefined) {
      state.addConfiguration(0, [nodeId]);
      state.view = firstView;
      becomeLeader(state);
      state.effects.wantSignature(false);
    } else if (state.isAlone && !state.isRetired) becomeCandidate(state);
  }

  get view(): View {
    return this.state.view;
  }

  get role(): Role {
    return this.state.role;
  }

  get primaryId(): NodeId | undefined {
    return this.state.primaryId;
  }

  get seqno(): Seqno {
    return this.state.log.lastSeqno;
  }

  committed(): TxId {
    const seqno = this.state.log.committedSeqno;
    return { view: this.state.log.viewOf(seqno), seqno };
  }

  status(txId: TxId): TxStatus {
    return evaluateStatus(txId, this.viewOf(txId.seqno), this.committed());
  }

  viewOf(seqno: Seqno): View | undefined {
    const view = this.state.log.viewOf(seqno);
    return view === 0 ? undefined : view;
  }

  viewHistory(since: View): readonly TxId[] {
    return this.state.log.history.since(since);
  }

  viewFirstSeqnos(): readonly Seqno[] {
    return this.state.log.history.toFirstSeqnos();
  }

  details(): EngineDetails {
    const { role, view, primaryId, configurations, peers, retirement } = this.state;
    return {
      role,
      view,
      primaryId,
      configurations: configurations.active,
      acknowledged: new Map(
        peers
          .all()
          .map(({ id, matchSeqno, ackAgeTicks }) => [
            id,
            { seqno: matchSeqno, ageTicks: ackAgeTicks },
          ]),
      ),
      isTicking: this.state.isTicking,
      ...(retirement.phase === undefined ? {} : { retirementPhase: retirement.phase }),
    };
  }

  checkCanPropose(count: number): void {
    const { role, primaryId, log, settings } = this.state;
    if (role !== "primary") {
      const detail = primaryId === undefined ? "no primary is known" : `${primaryId} is`;
      throw consensusErrors.create("NotPrimary", detail);
    }
    const pendingCount = log.lastSeqno - log.committedSeqno;
    const { pendingCountMax } = settings;
    if (pendingCount + count <= pendingCountMax) return;
    throw consensusErrors.create(
      "TooManyPendingTransactions",
      `${pendingCount} wait, ${pendingCountMax} may`,
      { pendingCount, pendingCountMax },
    );
  }

  propose(batch: Batch): void {
    const { state } = this;
    const { view, firstSeqno, lastSeqno, marks } = batch;
    const hasSignature = marks.some(({ kind }) => kind === "signature");
    this.checkCanPropose(hasSignature ? Number.NEGATIVE_INFINITY : lastSeqno - firstSeqno + 1);
    assert(view === state.view, "the primary proposes entries of its own view");
    assert(firstSeqno === state.log.lastSeqno + 1, "seqnos have no gaps");
    assert(lastSeqno >= firstSeqno, "a batch has entries");
    assert(state.effects.rolledBackTo === undefined, "a rollback is carried out before going on");
    checkMarks(batch);
    appendProposed(state, batch);
  }

  persisted(txId: TxId): void {
    const { state } = this;
    if (!state.log.persist(txId)) return;
    if (state.leadership === "Leader") advanceCommit(state);
    else followCommit(state);
    releaseConfirmations(state);
  }

  votePersisted(view: View): void {
    votePersisted(this.state, view);
  }

  tick(): void {
    this.advance(1);
  }

  /** Time has passed: at most one message to each node, and one election. */
  advance(ticks: number): void {
    const { state } = this;
    const { heartbeatTicks, electionTicks, isPreVoteEnabled, sizer } = state.settings;
    state.elapsedTicks += ticks;
    if (state.leadership !== "Leader") {
      if (state.isRetired || !state.isTicking || state.elapsedTicks < electionTicks) return;
      if (isPreVoteEnabled) becomePreVoteCandidate(state);
      else becomeCandidate(state);
      return;
    }
    if (state.elapsedTicks >= heartbeatTicks) {
      state.elapsedTicks = 0;
      sizer.sending();
      for (const peer of state.peers.all()) sendEntries(state, peer);
    }
    for (const peer of state.peers.all()) peer.ackAgeTicks += ticks;
    const isHeard = (node: NodeId): boolean =>
      (state.peers.get(node)?.ackAgeTicks ?? 0) < electionTicks;
    if (isJointQuorum(state.configurations.active, isHeard)) return;
    state.dropUnsigned();
    state.becomeFollower();
  }

  step(from: NodeId, message: Uint8Array, entries?: Batch): void {
    assert(this.state.effects.append === undefined, "effects are drained after each message");
    const decoded = decodeMessage(message);
    if (decoded.view > this.state.view + viewStepMax) throw badMessage("its view is far ahead");
    if (from === this.nodeId) throw badMessage("a node does not write to itself");
    this.#receive(from, decoded, entries);
  }

  #receive(from: NodeId, message: RaftMessage, entries: Batch | undefined): void {
    const { state } = this;
    if (message.type !== "appendEntries" && entries !== undefined) {
      throw badMessage("entries come only with appendEntries");
    }
    switch (message.type) {
      case "appendEntries":
        receiveEntries(state, from, message, entries);
        break;
      case "appendEntriesResponse":
        receiveResponse(state, from, message);
        break;
      case "voteRequest":
      case "preVoteRequest":
        receiveVoteRequest(state, from, message);
        break;
      case "voteResponse":
      case "preVoteResponse":
        receiveVoteResponse(state, from, message);
        break;
      case "candidacyProposal":
        receiveCandidacyProposal(state, from, message);
        break;
    }
  }

  newView(): void {
    const { state } = this;
    state.dropUnsigned();
    // Others may count on what was given up.
    state.incarnation = state.settings.random(2 ** 32);
    if (state.isRetired) return;
    // Who has no vote cannot go on as primary of a view whose entries it has given up.
    if (state.configurations.has(this.nodeId)) becomeCandidate(state);
    else if (state.leadership !== "None") state.becomeFollower();
  }

  nominateSuccessor(): void {
    const { state } = this;
    if (state.leadership !== "Leader") return;
    state.trace("step_down_and_nominate_successor", () => state.traceConfigurations());
    proposeSuccessor(state);
  }

  drain(): Effects {
    const { state } = this;
    return state.effects.drain(state.role, state.view, state.primaryId, state.lastTxId);
  }
}

/** @throws {CocoError} UnsupportedConfiguration */
function checkMarks({ firstSeqno, lastSeqno, marks }: Batch): void {
  let previous = firstSeqno;
  for (const mark of marks) {
    assert(mark.seqno >= previous && mark.seqno <= lastSeqno, "marks belong to their batch");
    previous = mark.seqno;
    if (mark.kind !== "configuration") continue;
    const count = mark.nodes.length;
    if (count === 0 || count > configurationNodeCountMax) {
      throw consensusErrors.create("UnsupportedConfiguration", `${count} nodes`);
    }
  }
}

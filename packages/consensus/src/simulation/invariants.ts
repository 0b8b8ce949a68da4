/**
 * What has to hold at every moment in a network of engines, with the names of CCF's TLA+
 * specification. Logs are paths in one tree of entries, so that comparing two logs up to an entry
 * is comparing the entry itself.
 */
import { assert } from "@coco/base";
import type { Mark, NodeId } from "../engine.ts";
import { type Configuration, quorumSize } from "../raft/quorum.ts";
import type { RaftState } from "../raft/raft-state.ts";
import type { Seqno, View } from "../tx-id.ts";

export interface SimulatedEntry {
  readonly view: View;
  readonly seqno: Seqno;
  readonly mark: Mark | undefined;
  /** The entry before it when it was proposed. */
  readonly previous: SimulatedEntry | undefined;
}

/** What the checker looks at; `state` is undefined while the node is down. */
export interface ObservedNode {
  readonly id: NodeId;
  readonly state: RaftState | undefined;
  readonly log: readonly SimulatedEntry[];
  readonly durable: readonly SimulatedEntry[];
  /** Grows with each start of the node. */
  readonly life: number;
}

interface Memory {
  life: number;
  view: View;
  committedSeqno: Seqno;
  role: string;
  lastSeqno: Seqno;
}

export class InvariantChecker {
  /** Entries that any node has committed; entry i is of seqno i + 1. */
  readonly committed: SimulatedEntry[] = [];
  readonly #primaries = new Map<View, string>();
  readonly #entries = new Map<string, SimulatedEntry>();
  readonly #memories = new Map<NodeId, Memory>();

  /** A primary has made an entry. */
  proposed(entry: SimulatedEntry): void {
    const key = `${entry.view}.${entry.seqno}`;
    assert(!this.#entries.has(key), "LogMatchingInv: an id stands for one entry");
    this.#entries.set(key, entry);
  }

  /** Checks `changed`, and what its change can mean for all `nodes`. */
  check(changed: ObservedNode, nodes: readonly ObservedNode[]): void {
    const { state } = changed;
    if (state !== undefined) {
      this.#checkSteps(changed, state);
      checkLog(changed, state);
      this.#checkCommitted(changed, state);
      this.#checkPrimary(changed, state);
      checkConfigurations(changed, state);
      checkMatches(changed, state, nodes);
      checkVotes(changed, state, nodes);
      checkElection(changed, nodes);
    }
    this.#checkQuorum(nodes);
  }

  /** What changes only in one direction, within one life of a node. */
  #checkSteps({ id, life, log }: ObservedNode, state: RaftState): void {
    const before = this.#memories.get(id);
    const { lastSeqno, committedSeqno } = state.log;
    if (before?.life === life) {
      assert(state.view >= before.view, "MonotonicTermProp: views do not go backwards");
      assert(committedSeqno >= before.committedSeqno, "CommittedLogAppendOnlyProp: commit grows");
      const wasPrimary = before.role === "Leader" && before.view === state.view;
      const isPrimary = state.leadership === "Leader";
      if (wasPrimary && isPrimary) {
        assert(lastSeqno >= before.lastSeqno, "PermittedLogChangesProp: a primary only appends");
        const isOwn =
          committedSeqno === before.committedSeqno || log[committedSeqno - 1]?.view === state.view;
        assert(isOwn, "NeverCommitEntryPrevTermsProp: a primary commits entries of its view");
      }
    }
    this.#memories.set(id, {
      life,
      view: state.view,
      committedSeqno,
      role: state.leadership,
      lastSeqno,
    });
  }

  #checkCommitted({ log }: ObservedNode, state: RaftState): void {
    const { committedSeqno } = state.log;
    const last = log[committedSeqno - 1];
    if (last === undefined) return;
    assert(last.mark?.kind === "signature", "SignatureInv: only signatures are commit points");
    const known = this.committed[committedSeqno - 1];
    assert(known === undefined || known === last, "LogInv: all nodes commit the same entries");
    const fresh: SimulatedEntry[] = [];
    for (let entry = last; entry.seqno > this.committed.length; entry = entry.previous!) {
      fresh.push(entry);
      if (entry.previous === undefined) break;
    }
    const base = fresh.at(-1)?.previous;
    assert(
      fresh.length === 0 || base === this.committed.at(-1),
      "LogInv: what is committed goes on from what was",
    );
    this.committed.push(...fresh.reverse());
  }

  #checkPrimary({ id, life, log }: ObservedNode, state: RaftState): void {
    if (state.leadership !== "Leader") return;
    const { view } = state;
    assert(view >= 2, "NoLeaderBeforeInitialTerm: views of primaries begin at 2");
    const known = this.#primaries.get(view);
    assert(known === undefined || known === `${id}/${life}`, "MoreThanOneLeaderInv: one in a view");
    this.#primaries.set(view, `${id}/${life}`);
    const committed = this.committed.at(-1);
    if (committed === undefined || committed.view > view) return;
    assert(
      log[committed.seqno - 1] === committed,
      "LeaderCompletenessInv: a primary has what was committed before",
    );
  }

  /** Whatever is committed, each majority that could elect the next primary has it on disk. */
  #checkQuorum(nodes: readonly ObservedNode[]): void {
    const last = this.committed.at(-1);
    if (last === undefined) return;
    const holders = new Set<NodeId>();
    for (const { id, durable } of nodes) if (durable[last.seqno - 1] === last) holders.add(id);
    for (const { nodes: members } of configurationsOf(this.committed, last.seqno)) {
      const lacking = members.filter((member) => !holders.has(member)).length;
      assert(
        lacking < quorumSize(members.length),
        "QuorumLogInv: each quorum has a node that has what is committed on its disk",
      );
    }
  }
}

function checkLog({ log }: ObservedNode, state: RaftState): void {
  assert(state.log.lastSeqno === log.length, "engine and log end with the same entry");
  const last = log.at(-1);
  assert(
    last?.previous === log.at(-2),
    "LogMatchingInv: an entry follows the entry it was made after",
  );
  assert(state.log.viewOf(log.length) === (last?.view ?? 0), "the engine knows its entry's view");
  if (last !== undefined) checkMono(last);
}

function checkMono({ view, previous }: SimulatedEntry): void {
  if (previous === undefined || previous.view === view) return;
  assert(previous.view < view, "MonoLogInv: views of entries do not go backwards");
  assert(previous.mark?.kind === "signature", "MonoLogInv: a view begins after a signature");
}

const configurationCaches = new WeakMap<SimulatedEntry, readonly Configuration[]>();

/** All configurations of the log that ends with `entry`. */
function allConfigurations(entry: SimulatedEntry | undefined): readonly Configuration[] {
  if (entry === undefined) return [];
  let known = configurationCaches.get(entry);
  if (known === undefined) {
    const before = allConfigurations(entry.previous);
    const { mark, seqno } = entry;
    known = mark?.kind === "configuration" ? [...before, { seqno, nodes: mark.nodes }] : before;
    configurationCaches.set(entry, known);
  }
  return known;
}

/** The last configuration that is committed at `committedSeqno`, and those after it. */
function configurationsOf(
  log: readonly SimulatedEntry[],
  committedSeqno: Seqno,
): readonly Configuration[] {
  const all = allConfigurations(log.at(-1));
  const first = all.findLastIndex(({ seqno }) => seqno <= committedSeqno);
  return all.slice(Math.max(first, 0));
}

function checkConfigurations({ id, log }: ObservedNode, state: RaftState): void {
  const { committedSeqno } = state.log;
  const expected = configurationsOf(log, committedSeqno);
  const { active } = state.configurations;
  const isFounding = active.length === 1 && active[0]?.seqno === 0;
  const isSame =
    expected.length === active.length &&
    expected.every(({ seqno }, index) => active[index]!.seqno === seqno);
  assert(isSame || isFounding, "LogConfigurationConsistentInv: the log says who is active");
  const { retirement } = state;
  const isOut = expected.length > 0 && expected.at(-1)?.nodes.includes(id) === false;
  const isEarly = retirement.phase !== undefined && !isOut;
  assert(!isEarly, "MembershipStateConsistentInv: who retires is in no later configuration");
  if (retirement.phase === "completed" || retirement.phase === "retiredCommitted") {
    const isActive = expected.some(({ nodes }) => nodes.includes(id));
    assert(!isActive, "RetirementCompletedNotInConfigsInv: who has retired has no vote");
  }
  if (!state.isRetired) return;
  const isNamed = log
    .slice(0, committedSeqno)
    .some(({ mark }) => mark?.kind === "retired" && mark.nodes.includes(id));
  assert(isNamed, "RetiredCommittedInv: a node goes when the entry that lets it is committed");
}

/** What a primary believes of others is true, as long as they are in its view. */
function checkMatches(
  { log }: ObservedNode,
  state: RaftState,
  nodes: readonly ObservedNode[],
): void {
  if (state.leadership !== "Leader") return;
  for (const peer of state.peers.all()) {
    if (peer.matchSeqno === 0) continue;
    const node = nodes.find(({ id }) => id === peer.id);
    if (node?.state === undefined || node.state.view !== state.view) continue;
    const isKnown = peer.incarnation === node.state.incarnation;
    const isTrue = node.durable[peer.matchSeqno - 1] === log[peer.matchSeqno - 1];
    assert(
      isTrue || !isKnown,
      "MatchIndexInv: a primary counts only what is on the disk of others",
    );
  }
}

/** Whoever a candidate counts has voted for it, in its view. */
function checkVotes({ id }: ObservedNode, state: RaftState, nodes: readonly ObservedNode[]): void {
  if (state.leadership !== "Candidate") return;
  for (const { id: voterId, state: voter } of nodes) {
    if (voterId === id || voter === undefined || !state.votes.has(voterId)) continue;
    const hasVoted = voter.view > state.view || voter.votedFor === id;
    assert(voter.view >= state.view && hasVoted, "VotesGrantedInv: a vote counted is a vote given");
  }
}

/** Nobody has entries of a view that its primary does not have. */
function checkElection({ log }: ObservedNode, nodes: readonly ObservedNode[]): void {
  const last = log.at(-1);
  if (last === undefined) return;
  for (const { state, log: other } of nodes) {
    if (state?.leadership !== "Leader" || state.view !== last.view) continue;
    assert(other[last.seqno - 1] === last, "ElectionSafetyInv: a view's entries are its primary's");
  }
}

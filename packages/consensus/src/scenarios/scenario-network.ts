/** The network of a scenario: nodes, their ledgers, the messages that wait, the connections. */
import { assert } from "@coco/base";
import type { Batch, Mark, NodeId, Outgoing } from "../engine.ts";
import { decodeMessage } from "../raft/messages.ts";
import { RaftEngine } from "../raft/raft-engine.ts";
import type { RaftRules } from "../raft/raft-rules.ts";
import { type TraceEvent, toTracePacket, toTraceState } from "../raft/raft-trace.ts";
import type { Seqno, TxId } from "../tx-id.ts";
import { WindowBatchSizer } from "./window-batch-sizer.ts";

export interface ScenarioEntry extends TxId {
  readonly mark: Mark | undefined;
  /** What tells entries apart. */
  readonly text: string;
  /** Of the form that CCF's driver gives it. */
  readonly sizeBytes: number;
}

interface ScenarioNode {
  readonly id: NodeId;
  readonly engine: RaftEngine;
  readonly ledger: ScenarioEntry[];
  outbox: Outgoing[];
}

const heartbeatTicks = 10;
const electionTicks = 100;
/** Rounds of delivery before messages are left for later. */
const dispatchRoundMax = 6;

export class ScenarioNetwork {
  /** In order of their names. */
  readonly nodes: ScenarioNode[] = [];
  isPreVoteEnabled = true;
  readonly #connections = new Set<string>();
  readonly #rules: RaftRules;
  readonly #observer: (event: TraceEvent) => void;

  constructor(rules: RaftRules, observer: (event: TraceEvent) => void) {
    this.#rules = rules;
    this.#observer = observer;
  }

  get ids(): readonly NodeId[] {
    return this.nodes.map(({ id }) => id);
  }

  node(id: NodeId): ScenarioNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    assert(node !== undefined, `node ${id} exists`);
    return node;
  }

  /** @param isFounder whether the node opens the service; otherwise it waits for a primary */
  addNode(id: NodeId, isFounder: boolean): void {
    assert(!this.ids.includes(id), `node ${id} is new`);
    const settings = {
      heartbeatTicks,
      electionTicks,
      isPreVoteEnabled: this.isPreVoteEnabled,
      pendingCountMax: Number.POSITIVE_INFINITY,
      inFlightCountMax: Number.POSITIVE_INFINITY,
      isEager: false,
      isDurableAtOnce: true,
      random: () => 0,
      sizer: new WindowBatchSizer(),
      indexOfNewPeer,
      observer: this.#observer,
    };
    const start = {
      viewFirstSeqnos: [],
      lastSeqno: 0,
      lastSignatureSeqno: 0,
      committedSeqno: 0,
      configurations: [],
    };
    const engine = new RaftEngine(id, settings, this.#rules, isFounder ? undefined : start);
    engine.state.isTicking = true;
    this.nodes.push({ id, engine, ledger: [], outbox: [] });
    this.nodes.sort((left, right) => (left.id < right.id ? -1 : 1));
    this.#drain(this.node(id), []);
  }

  connect(left: NodeId, right: NodeId): void {
    this.#connections.add(`${left}>${right}`).add(`${right}>${left}`);
  }

  disconnect(left: NodeId, right: NodeId): void {
    this.#connections.delete(`${left}>${right}`);
    this.#connections.delete(`${right}>${left}`);
  }

  primaries(): readonly ScenarioNode[] {
    const isPrimary = ({ engine }: ScenarioNode): boolean => engine.state.leadership === "Leader";
    return this.nodes.filter(isPrimary).sort((a, b) => b.engine.view - a.engine.view);
  }

  propose(id: NodeId, text: string, sizeBytes: number, toMark: (seqno: Seqno) => Mark | undefined) {
    const node = this.node(id);
    const seqno = node.ledger.length + 1;
    const entry = { view: node.engine.view, seqno, mark: toMark(seqno), text, sizeBytes };
    node.ledger.push(entry);
    node.engine.propose(toBatch([entry]));
    this.#drain(node, []);
  }

  advance(id: NodeId, ticks: number): void {
    const node = this.node(id);
    node.engine.advance(ticks);
    this.#drain(node, []);
  }

  nominateSuccessor(id: NodeId): void {
    const node = this.node(id);
    node.engine.nominateSuccessor();
    this.#drain(node, []);
  }

  /** The first `countMax` messages of `from` arrive, or get lost. */
  dispatch(from: NodeId, countMax = Number.POSITIVE_INFINITY): void {
    const node = this.node(from);
    for (let count = 0; node.outbox.length > 0 && count < countMax; ) {
      if (this.#deliver(from, node.outbox.shift()!)) count++;
    }
  }

  /** The messages that wait now arrive; not those that answer them. */
  dispatchAllOnce(): void {
    const counts = this.nodes.map(({ outbox }) => outbox.length);
    for (const [index, { id }] of this.nodes.entries()) this.dispatch(id, counts[index]!);
  }

  dispatchAll(): void {
    for (let round = 1; round < dispatchRoundMax; round++) {
      if (this.nodes.every(({ outbox }) => outbox.length === 0)) return;
      this.dispatchAllOnce();
    }
  }

  dispatchSingle(from: NodeId, to: NodeId): void {
    const { outbox } = this.node(from);
    const index = outbox.findIndex((outgoing) => outgoing.to === to);
    if (index === -1) return;
    const outgoing = outbox[index]!;
    this.#deliver(from, outgoing);
    outbox.splice(outbox.indexOf(outgoing), 1);
  }

  drop(from: NodeId, to: NodeId): void {
    const node = this.node(from);
    for (const outgoing of node.outbox) if (outgoing.to === to) this.#traceLoss(node, outgoing);
    node.outbox = node.outbox.filter((outgoing) => outgoing.to !== to);
  }

  shuffle(id: NodeId, random: (limit: number) => number): void {
    const { outbox } = this.node(id);
    for (let index = outbox.length - 1; index > 0; index--) {
      const other = random(index + 1);
      [outbox[index], outbox[other]] = [outbox[other]!, outbox[index]!];
    }
  }

  #deliver(from: NodeId, outgoing: Outgoing): boolean {
    const node = this.node(from);
    const { to, message, entries: range } = outgoing;
    const entries =
      range === undefined ? [] : node.ledger.slice(range.firstSeqno - 1, range.lastSeqno);
    // The sender may have rolled back what it was about to send.
    const isThere = range === undefined || entries.at(-1)?.seqno === range.lastSeqno;
    if (!isThere || !this.#connections.has(`${from}>${to}`)) {
      this.#traceLoss(node, outgoing);
      return false;
    }
    const receiver = this.node(to);
    receiver.engine.step(from, message, entries.length === 0 ? undefined : toBatch(entries));
    this.#drain(receiver, entries);
    return true;
  }

  #traceLoss(node: ScenarioNode, { to, message }: Outgoing): void {
    const { committable_indices: _, ...state } = toTraceState(node.engine.state);
    this.#observer({
      function: "drop_pending_to",
      from_node_id: node.id,
      to_node_id: to,
      state: state as TraceEvent["state"],
      packet: toTracePacket(decodeMessage(message)),
    });
  }

  #drain({ engine, ledger, outbox }: ScenarioNode, received: readonly ScenarioEntry[]): void {
    const { rolledBackTo, append, send } = engine.drain();
    if (rolledBackTo !== undefined) ledger.length = rolledBackTo;
    if (append !== undefined) {
      assert(append.firstSeqno === ledger.length + 1, "appended entries follow the last entry");
      ledger.push(...received.filter(({ seqno }) => seqno >= append.firstSeqno));
    }
    assert(engine.seqno === ledger.length, "engine and ledger end with the same entry");
    outbox.push(...send);
  }
}

function toBatch(entries: readonly ScenarioEntry[]): Batch {
  const [first] = entries;
  const last = entries.at(-1);
  assert(first !== undefined && last !== undefined, "a batch has entries");
  return {
    view: first.view,
    firstSeqno: first.seqno,
    lastSeqno: last.seqno,
    marks: entries.flatMap(({ mark }) => (mark === undefined ? [] : [mark])),
    sizeBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

/**
 * The reference traces come from a driver that serves peers in the order of a hash table: the
 * newest first, except that the names 1 and 3 share a bucket.
 */
function indexOfNewPeer(order: readonly NodeId[], id: NodeId): number {
  const sibling = { "1": "3", "3": "1" }[id];
  const index = sibling === undefined ? -1 : order.indexOf(sibling);
  return Math.max(index, 0);
}

/**
 * A network of engines under a seeded schedule of faults: messages lost, doubled and reordered,
 * partitions, crashes that keep a part of what was being written, members that come and go. After
 * each event every invariant is checked; in the end the faults stop and the network has to go on.
 */
import { assert } from "@coco/base";
import type { EngineStart, Mark, NodeId, Outgoing } from "../engine.ts";
import { MeanBatchSizer } from "../raft/batch-sizer.ts";
import { newestFirst } from "../raft/peer-table.ts";
import { RaftEngine } from "../raft/raft-engine.ts";
import { type RaftRules, raftRules } from "../raft/raft-rules.ts";
import type { RaftSettings } from "../raft/raft-state.ts";
import { createSeededRandom } from "../scenarios/seeded-random.ts";
import type { Seqno } from "../tx-id.ts";
import { InvariantChecker, type SimulatedEntry } from "./invariants.ts";
import { entriesToBatch, SimulatedNode } from "./simulated-node.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly eventCount: number;
  /** For tests that break a rule. */
  readonly rules?: RaftRules;
  /** For tests that break what the owner promises. */
  readonly settings?: Partial<RaftSettings>;
  readonly changeStart?: (start: EngineStart) => EngineStart;
}

export interface SimulationResult {
  readonly eventCount: number;
  readonly committedSeqno: Seqno;
  readonly lastView: number;
  readonly crashCount: number;
  readonly configurationCount: number;
  /** Time from the end of all faults to a network that agrees, in election times. */
  readonly healElections: number;
}

/** Runs one seed. @throws {Error} with the seed, the violation, and the last events */
export function runSimulation(options: SimulationOptions): SimulationResult {
  const simulation = new Simulation(options);
  try {
    return simulation.run();
  } catch (error) {
    const reason = error instanceof Error ? error.message : `${error}`;
    const events = simulation.lastEvents.join("\n");
    throw new Error(`seed ${options.seed}: ${reason}\n${events}`, { cause: error });
  }
}

interface Parcel extends Outgoing {
  readonly from: NodeId;
  readonly attached: readonly SimulatedEntry[];
}

const nodeCountMax = 9;
const memberCountMax = 5;
const heartbeatTicks = 3;
const electionTicks = 30;
const parcelCountMax = 200;
const eventsKept = 60;
const healRoundMax = 3000;

class Simulation {
  readonly lastEvents: string[] = [];
  readonly #options: SimulationOptions;
  readonly #random: (limit: number) => number;
  readonly #checker = new InvariantChecker();
  readonly #nodes: SimulatedNode[] = [];
  #parcels: Parcel[] = [];
  /** Nodes of the same number can talk; undefined when all can. */
  #sides: Map<NodeId, number> | undefined;
  #eventCount = 0;
  #crashCount = 0;
  #configurationCount = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = createSeededRandom(options.seed);
  }

  run(): SimulationResult {
    this.#open(3 + this.#random(3));
    // Each seed leaves out some kinds of faults, so that rare sequences of others get room.
    const weights = actionWeights.map(([, weight, isFault]) =>
      isFault && this.#random(3) === 0 ? 0 : weight,
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    while (this.#eventCount < this.#options.eventCount) {
      let choice = this.#random(total);
      const index = weights.findIndex((weight) => {
        choice -= weight;
        return choice < 0;
      });
      this.#act(actionWeights[index]![0]);
    }
    const healTicks = this.#heal();
    return {
      eventCount: this.#eventCount,
      committedSeqno: this.#checker.committed.length,
      lastView: Math.max(...this.#nodes.map(({ state }) => state?.view ?? 0)),
      crashCount: this.#crashCount,
      configurationCount: this.#configurationCount,
      healElections: healTicks / electionTicks,
    };
  }

  #open(nodeCount: number): void {
    const founder = this.#addNode();
    this.#start(founder, undefined);
    for (let count = 1; count < nodeCount; count++) this.#join();
    const nodes = this.#nodes.map(({ id }) => id);

    this.#propose(founder, { kind: "configuration", nodes });
    this.#propose(founder, { kind: "signature" });
    this.#settle(() => this.#nodes.every(({ state }) => (state?.log.committedSeqno ?? 0) >= 2));
  }

  #addNode(): SimulatedNode {
    const node = new SimulatedNode(`n${this.#nodes.length}`);
    this.#nodes.push(node);
    return node;
  }

  #join(): SimulatedNode {
    const node = this.#addNode();
    this.#start(node, 0);
    return node;
  }

  /** @param committedSeqno what the disk says is committed; undefined for the founder */
  #start(node: SimulatedNode, committedSeqno: Seqno | undefined): void {
    const settings: RaftSettings = {
      heartbeatTicks,
      electionTicks,
      isPreVoteEnabled: this.#options.seed % 4 !== 0,
      pendingCountMax: Number.POSITIVE_INFINITY,
      inFlightCountMax: 1 + (this.#options.seed % 5),
      isEager: this.#options.seed % 3 !== 0,
      isDurableAtOnce: false,
      random: this.#random,
      sizer: this.#options.seed % 2 === 0 ? smallBatches : new MeanBatchSizer(),
      indexOfNewPeer: newestFirst,
      observer: undefined,
      ...this.#options.settings,
    };
    const { changeStart = (start: EngineStart) => start } = this.#options;
    const start =
      committedSeqno === undefined ? undefined : changeStart(node.toStart(committedSeqno));
    const engine = new RaftEngine(node.id, settings, this.#options.rules ?? raftRules, start);
    node.engine = engine;
    this.#drain(node, [], "start");
  }

  #act(action: Action): void {
    const node = this.#nodes[this.#random(this.#nodes.length)]!;
    switch (action) {
      case "deliver":
        this.#deliver(this.#random(Math.min(this.#parcels.length, 8)), false);
        break;
      case "duplicate":
        this.#deliver(this.#random(this.#parcels.length), true);
        break;
      case "lose":
        if (this.#parcels.length > 0) this.#parcels.splice(this.#random(this.#parcels.length), 1);
        break;
      case "write":
        if (node.writeOne()) this.#drain(node, [], "write");
        break;
      case "tick":
        node.engine?.advance(1 + this.#random(3));
        this.#drain(node, [], "tick");
        break;
      case "propose":
        this.#proposeSome(node);
        break;
      case "crash":
        this.#crash(node);
        break;
      case "restart":
        this.#restart(node);
        break;
      case "partition":
        this.#partition(node.id);
        break;
      case "connect":
        this.#sides = undefined;
        break;
      case "reconfigure":
        this.#reconfigure();
        break;
      case "newView":
        node.engine?.newView();
        this.#drain(node, [], "newView");
        break;
      case "nominate":
        node.engine?.nominateSuccessor();
        this.#drain(node, [], "nominate");
        break;
    }
  }

  /** One node alone, or any two halves. */
  #partition(alone: NodeId): void {
    const isHalves = this.#random(2) === 0;
    const sideOf = (id: NodeId): number => (isHalves ? this.#random(2) : Number(id === alone));
    this.#sides = new Map(this.#nodes.map(({ id }) => [id, sideOf(id)]));
  }

  #proposeSome(node: SimulatedNode): void {
    if (node.engine?.role !== "primary") return;
    if (node.retiredNodes.length > 0) {
      this.#propose(node, { kind: "retired", nodes: node.retiredNodes });
      node.retiredNodes = [];
    }
    for (let count = this.#random(3); count > 0; count--) this.#propose(node, undefined);
    const isSigned = node.isSignatureWanted || this.#random(2) === 0;
    if (isSigned) this.#propose(node, { kind: "signature" });
  }

  #propose(node: SimulatedNode, mark: DistributiveOmit<Mark, "seqno"> | undefined): void {
    const { engine, log } = node;
    if (engine === undefined) return;
    const seqno = log.length + 1;
    const entry: SimulatedEntry = {
      view: engine.view,
      seqno,
      mark: mark === undefined ? undefined : { ...mark, seqno },
      previous: log.at(-1),
    };
    this.#checker.proposed(entry);
    if (mark?.kind === "signature") node.isSignatureWanted = false;
    log.push(entry);
    engine.propose(entriesToBatch([entry]));
    this.#drain(node, [], `propose ${mark?.kind ?? "plain"}`);
  }

  #reconfigure(): void {
    const primary = this.#nodes.find(({ engine }) => engine?.role === "primary");
    if (primary?.state === undefined) return;
    const { active } = primary.state.configurations;
    const members = active.at(-1)?.nodes ?? [];
    // One change at a time, as governance makes them; elections in between are welcome.
    if (active.length > 1 && this.#random(4) > 0) return;
    const newCountMax = Math.min(nodeCountMax - this.#nodes.length, memberCountMax - 1);
    const joining = this.#random(Math.min(newCountMax, 3) + 1);
    const leaving = this.#random(Math.min(members.length, 3));
    const staying = [...members];
    for (let count = leaving; count > 0; count--) {
      staying.splice(this.#random(staying.length), 1);
    }
    const room = memberCountMax - staying.length;
    const fresh = Array.from({ length: Math.min(joining, room) }, () => this.#join().id);
    const nodes = [...staying, ...fresh];
    if (nodes.length === 0 || (leaving === 0 && fresh.length === 0)) return;
    this.#configurationCount++;
    this.#propose(primary, { kind: "configuration", nodes });
  }

  #deliver(index: number, isKept: boolean): void {
    const parcel = this.#parcels[index];
    if (parcel === undefined) return;
    if (!isKept) this.#parcels.splice(index, 1);
    const { from, to, message, attached } = parcel;
    if (this.#sides !== undefined && this.#sides.get(from) !== this.#sides.get(to)) return;
    const node = this.#nodes.find(({ id }) => id === to);
    if (node?.engine === undefined) return;
    node.engine.step(from, message, attached.length === 0 ? undefined : entriesToBatch(attached));
    this.#drain(node, attached, `deliver ${from}>${to}`);
  }

  #crash(node: SimulatedNode): void {
    if (node.engine === undefined) return;
    this.#crashCount++;
    node.crash(this.#random(node.writeCount + 1));
    this.#record(`crash ${node.id} to ${node.log.length}`);
    this.#check(node);
  }

  #restart(node: SimulatedNode): void {
    if (node.engine !== undefined) return;
    const committed = this.#checker.committed.findLast(
      (entry) => node.durable[entry.seqno - 1] === entry,
    );
    // The disk may know less than was known.
    const known = this.#random(3) === 0 ? 0 : (committed?.seqno ?? 0);
    this.#start(node, node.log.length === 0 ? 0 : known);
  }

  #drain(node: SimulatedNode, received: readonly SimulatedEntry[], event: string): void {
    if (node.engine === undefined) return;
    const effects = node.engine.drain();
    const { log } = node;
    const send = node.take(effects, received);
    for (const outgoing of send) {
      const { entries } = outgoing;
      assert(outgoing.to !== node.id, "a node does not write to itself");
      const source = effects.rolledBackTo === undefined ? log : node.log;
      const attached =
        entries === undefined ? [] : source.slice(entries.firstSeqno - 1, entries.lastSeqno);
      this.#parcels.push({ ...outgoing, from: node.id, attached });
    }
    if (this.#parcels.length > parcelCountMax) this.#parcels.splice(0, 20);
    this.#record(`${event} ${node.id}`, node);
    this.#check(node);
  }

  #check(node: SimulatedNode): void {
    this.#eventCount++;
    this.#checker.check(node, this.#nodes);
  }

  #record(event: string, node?: SimulatedNode): void {
    const state = node?.state;
    const position =
      state === undefined
        ? ""
        : ` ${state.leadership} ${state.view} last ${state.lastTxId.view}.${state.lastTxId.seqno}` +
          ` disk ${state.log.persistedSeqno} commit ${state.log.committedSeqno}`;
    this.lastEvents.push(`${this.#eventCount} ${event}${position}`);
    if (this.lastEvents.length > eventsKept) this.lastEvents.shift();
  }

  /** No more faults: what was asked for is done, and all that take part agree. */
  #heal(): number {
    this.#sides = undefined;
    for (const node of this.#nodes) this.#restart(node);
    return this.#settle(() => this.#isEven());
  }

  /** Whether a primary has committed all, and every member with it. Asks for what is missing. */
  #isEven(): boolean {
    const primaries = this.#nodes.filter(({ engine }) => engine?.role === "primary");
    const views = primaries.map(({ engine }) => engine?.view ?? 0);
    const primary = primaries[views.indexOf(Math.max(...views))];
    const state = primary?.state;
    if (primary === undefined || state === undefined) return false;
    const { log, configurations, lastTxId, lastSignature } = state;
    if (lastSignature.seqno !== lastTxId.seqno || lastTxId.view !== state.view) {
      this.#propose(primary, { kind: "signature" });
      return false;
    }
    const isSettled = configurations.active.length === 1 && state.retiredNodes.length === 0;
    if (!isSettled || log.committedSeqno < log.lastSeqno) return false;
    return configurations.active.every(({ nodes }) =>
      nodes.every((id) => {
        const member = this.#nodes.find((node) => node.id === id);
        return member?.state?.log.committedSeqno === log.committedSeqno;
      }),
    );
  }

  /** @returns ticks */
  #settle(isDone: () => boolean): number {
    let round = 0;
    for (; !isDone(); round++) {
      assert(round < healRoundMax, "LeaderProp: a network without faults goes on");
      for (const node of this.#nodes) {
        while (node.writeOne()) this.#drain(node, [], "write");
      }
      for (let count = this.#parcels.length; count > 0; count--) this.#deliver(0, false);
      for (const node of this.#nodes) {
        if (
          node.engine?.role === "primary" &&
          (node.isSignatureWanted || node.retiredNodes.length > 0)
        ) {
          this.#proposeSome(node);
        }
        node.engine?.advance(1);
        this.#drain(node, [], "tick");
      }
    }
    return round;
  }
}

type DistributiveOmit<Type, Key extends PropertyKey> = Type extends unknown
  ? Omit<Type, Key>
  : never;

type Action =
  | "deliver"
  | "duplicate"
  | "lose"
  | "write"
  | "tick"
  | "propose"
  | "crash"
  | "restart"
  | "partition"
  | "connect"
  | "reconfigure"
  | "newView"
  | "nominate";

const actionWeights: readonly (readonly [Action, weight: number, isFault: boolean])[] = [
  ["deliver", 400, false],
  ["write", 200, false],
  ["tick", 200, false],
  ["propose", 120, false],
  ["restart", 20, false],
  ["connect", 12, false],
  ["duplicate", 20, true],
  ["lose", 30, true],
  ["crash", 10, true],
  ["partition", 6, true],
  ["reconfigure", 8, true],
  ["newView", 3, true],
  ["nominate", 2, true],
];

const smallBatches = { countMax: 2, appended: () => false, sending: () => {} };

/** Runs engines against each other without I/O, and checks at each step what must always hold. */
import { assert } from "@coco/base";
import type {
  Batch,
  Effects,
  Engine,
  EngineOptions,
  EngineStart,
  Mark,
  NodeId,
  Vote,
} from "./engine.ts";
import type { Seqno, TxId, TxStatus, View } from "./tx-id.ts";

/** Makes the engine under test; `seed` is for whatever it draws at random. */
export type CreateEngine = (options: EngineOptions & { readonly seed: number }) => Engine;

/** An entry as the cluster's ledgers keep it. */
interface LedgerEntry extends TxId {
  readonly mark: Mark["kind"] | "plain";
  readonly nodes: readonly NodeId[];
}

interface Parcel {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Uint8Array;
  readonly entries: readonly LedgerEntry[];
}

/** One node: an engine, its ledger, and what of it has reached the disk. */
interface SimulatedNode {
  readonly id: NodeId;
  engine: Engine;
  ledger: LedgerEntry[];
  durable: LedgerEntry[];
  /** What the engine asked to make durable and was not yet told to be. */
  persisting: (TxId | Vote)[];
  vote: Vote | undefined;
  committedSeqno: Seqno;
  /** The engine has become primary and asked for a signature. */
  isSignatureWanted: boolean;
}

export class EngineCluster {
  readonly nodes: SimulatedNode[] = [];
  readonly random: (limit: number) => number;
  parcels: Parcel[] = [];
  readonly #create: CreateEngine;
  readonly #pendingCountMax: number | undefined;
  /** Views of the entries that any node has declared committed; entry i is of seqno i + 1. */
  readonly #committedViews: View[] = [];
  readonly #primaries = new Map<View, NodeId>();
  readonly #finalStatuses = new Map<string, TxStatus>();

  constructor(create: CreateEngine, seed: number, pendingCountMax?: number) {
    this.#create = create;
    this.random = createRandom(seed);
    this.#pendingCountMax = pendingCountMax;
  }

  /** The first node opens a service; the others join it. */
  static open(create: CreateEngine, nodeCount: number, seed: number): EngineCluster {
    const cluster = new EngineCluster(create, seed);
    const first = cluster.addNode(undefined);
    cluster.drain(first);
    for (let index = 1; index < nodeCount; index++) cluster.addNode(emptyStart);
    const nodes = cluster.nodes.map(({ id }) => id);
    cluster.propose(first, ["configuration", "signature"], nodes);
    cluster.settle();
    for (const node of cluster.nodes) {
      assert(node.committedSeqno >= 2, "a network whose nodes all run commits its configuration");
    }
    return cluster;
  }

  addNode(start: EngineStart | undefined): SimulatedNode {
    const id = `${this.nodes.length}`;
    const node: SimulatedNode = {
      id,
      engine: this.#createEngine(id, start),
      ledger: [],
      durable: [],
      persisting: [],
      vote: undefined,
      committedSeqno: 0,
      isSignatureWanted: false,
    };
    this.nodes.push(node);
    return node;
  }

  primary(): SimulatedNode | undefined {
    const primaries = this.nodes.filter(({ engine }) => engine.role === "primary");
    return primaries.sort((left, right) => right.engine.view - left.engine.view)[0];
  }

  /** Appends entries to the ledger of a primary and proposes them as one batch. */
  propose(
    node: SimulatedNode,
    kinds: readonly LedgerEntry["mark"][],
    nodes: readonly NodeId[] = [],
  ): Batch {
    const { view } = node.engine;
    const firstSeqno = node.ledger.length + 1;
    const entries = kinds.map((mark, index) => ({ view, seqno: firstSeqno + index, mark, nodes }));
    const batch = entriesToBatch(entries);
    node.engine.propose(batch);
    node.ledger.push(...entries);
    this.drain(node);
    return batch;
  }

  /** Carries out what the engine asks for, in the contract's order, and checks the invariants. */
  drain(node: SimulatedNode, received: readonly LedgerEntry[] = []): void {
    const effects = node.engine.drain();
    if (effects.rolledBackTo !== undefined) {
      assert(effects.rolledBackTo >= node.committedSeqno, "what is committed is not rolled back");
      assert(effects.rolledBackTo <= node.ledger.length, "a rollback goes backwards");
      node.ledger.length = effects.rolledBackTo;
      node.durable = node.durable.slice(0, effects.rolledBackTo);
    }
    if (effects.append !== undefined) {
      const { firstSeqno, lastSeqno } = effects.append;
      assert(firstSeqno === node.ledger.length + 1, "appended entries follow the last entry");
      const wanted = received.filter(({ seqno }) => seqno >= firstSeqno && seqno <= lastSeqno);
      assert(
        wanted.length === lastSeqno - firstSeqno + 1,
        "appended entries came with the message",
      );
      node.ledger.push(...wanted);
    }
    if (effects.persist !== undefined) node.persisting.push(effects.persist);
    if (effects.persistVote !== undefined) node.persisting.push(effects.persistVote);
    if (effects.isSignatureWanted === true) node.isSignatureWanted = true;
    this.#takeCommit(node, effects);
    for (const { to, message, entries } of effects.send) {
      assert(to !== node.id, "a node does not write to itself");
      const attached =
        entries === undefined ? [] : node.ledger.slice(entries.firstSeqno - 1, entries.lastSeqno);
      this.parcels.push({ from: node.id, to, message, entries: attached });
    }
    this.#checkNode(node);
  }

  /** The oldest outstanding write of `node` reaches the disk. */
  persistOne(node: SimulatedNode): boolean {
    const item = node.persisting.shift();
    if (item === undefined) return false;
    if ("votedFor" in item) {
      node.vote = item;
      node.engine.votePersisted(item.view);
    } else {
      if (node.ledger[item.seqno - 1]?.view === item.view) {
        node.durable = node.ledger.slice(0, Math.max(item.seqno, node.durable.length));
      }
      node.engine.persisted(item);
    }
    this.drain(node);
    return true;
  }

  deliver(index: number): void {
    const [parcel] = this.parcels.splice(index, 1);
    const node = this.nodes.find(({ id }) => id === parcel?.to);
    if (parcel === undefined || node === undefined) return;
    const { from, message, entries } = parcel;
    node.engine.step(from, message, entries.length > 0 ? entriesToBatch(entries) : undefined);
    this.drain(node, entries);
  }

  tick(node: SimulatedNode): void {
    node.engine.tick();
    this.drain(node);
  }

  newView(node: SimulatedNode): void {
    node.engine.newView();
    this.drain(node);
  }

  /** The engine is lost, and begins again with what is on the disk. */
  restart(node: SimulatedNode): void {
    node.ledger = [...node.durable];
    node.persisting = [];
    node.engine = this.#createEngine(node.id, nodeToStart(node));
    this.drain(node);
  }

  /**
   * Everything written and sent arrives, new primaries sign, and time passes, until all nodes
   * hold the same entries and have committed the last signature among them.
   */
  settle(): void {
    for (let round = 0; round < 5000 && !this.#isSettled(); round++) {
      for (const node of this.nodes) while (this.persistOne(node));
      for (let count = this.parcels.length; count > 0; count--) this.deliver(0);
      for (const node of this.nodes) {
        const isPrimary = node.engine.role === "primary";
        if (isPrimary && node.isSignatureWanted) this.propose(node, ["signature"]);
        if (isPrimary) node.isSignatureWanted = false;
        this.tick(node);
      }
    }
  }

  #isSettled(): boolean {
    const primary = this.primary();
    if (primary === undefined || primary.isSignatureWanted) return false;
    const { ledger } = primary;
    const lastSignature = ledger.findLast(({ mark }) => mark === "signature")?.seqno ?? 0;
    return this.nodes.every(
      (node) =>
        node.persisting.length === 0 &&
        node.ledger.length === ledger.length &&
        node.committedSeqno === lastSignature,
    );
  }

  /** Status of `txId` at `node`; what was final once has to stay so. */
  status(node: SimulatedNode, txId: TxId): TxStatus {
    const status = node.engine.status(txId);
    const key = `${txId.view}.${txId.seqno}`;
    const before = this.#finalStatuses.get(key);
    if (status === "Committed" || status === "Invalid") {
      assert(before === undefined || before === status, "a final status does not change");
      this.#finalStatuses.set(key, status);
    }
    return status;
  }

  #createEngine(nodeId: NodeId, start: EngineStart | undefined): Engine {
    return this.#create({
      nodeId,
      seed: this.random(2 ** 31),
      ...(start === undefined ? {} : { start }),
      ...(this.#pendingCountMax === undefined ? {} : { pendingCountMax: this.#pendingCountMax }),
    });
  }

  #takeCommit(node: SimulatedNode, { committed }: Effects): void {
    if (committed === undefined) return;
    assert(committed > node.committedSeqno, "commit goes forwards");
    assert(node.ledger[committed - 1]?.mark === "signature", "only signatures are commit points");
    for (let seqno = node.committedSeqno + 1; seqno <= committed; seqno++) {
      const { view } = node.ledger[seqno - 1]!;
      this.#committedViews[seqno - 1] ??= view;
      assert(this.#committedViews[seqno - 1] === view, "all nodes commit the same entries");
    }
    const holders = this.nodes.filter(({ durable }) => durable.length >= committed);
    assert(holders.length * 2 > this.nodes.length, "a majority holds what is committed");
    node.committedSeqno = committed;
  }

  #checkNode(node: SimulatedNode): void {
    const { engine, ledger } = node;
    assert(engine.seqno === ledger.length, "engine and ledger end with the same entry");
    assert(engine.committed().seqno === node.committedSeqno, "committed is what was announced");
    const last = ledger.at(-1);
    assert(engine.viewOf(engine.seqno) === last?.view, "the engine knows the view of its entries");
    assert(engine.viewOf(engine.seqno + 1) === undefined, "later entries have no view");
    if (engine.role !== "primary") return;
    const known = this.#primaries.get(engine.view);
    assert(known === undefined || known === node.id, "a view has at most one primary");
    this.#primaries.set(engine.view, node.id);
  }
}

const emptyStart: EngineStart = {
  viewFirstSeqnos: [],
  lastSeqno: 0,
  lastSignatureSeqno: 0,
  committedSeqno: 0,
  configurations: [],
};

function nodeToStart({ ledger, engine, vote, committedSeqno }: SimulatedNode): EngineStart {
  const last = ledger.at(-1);
  const configurations = ledger
    .filter(({ mark }) => mark === "configuration")
    .map(({ seqno, nodes }) => ({ kind: "configuration" as const, seqno, nodes }));
  const signatures = ledger.filter(({ mark }) => mark === "signature").map(({ seqno }) => seqno);
  return {
    view: engine.view,
    viewFirstSeqnos: engine.viewFirstSeqnos().filter((seqno) => seqno <= (last?.seqno ?? 0)),
    lastSeqno: ledger.length,
    lastSignatureSeqno: signatures.at(-1) ?? 0,
    signatureSeqnos: signatures.filter((seqno) => seqno > committedSeqno),
    committedSeqno,
    configurations,
    ...(vote === undefined ? {} : { vote }),
  };
}

function entriesToBatch(entries: readonly LedgerEntry[]): Batch {
  const [first] = entries;
  assert(first !== undefined, "a batch has entries");
  assert(
    entries.every(({ view }) => view === first.view),
    "a batch is of one view",
  );
  const marks: Mark[] = [];
  for (const { mark, seqno, nodes } of entries) {
    if (mark === "signature") marks.push({ kind: mark, seqno });
    else if (mark !== "plain") marks.push({ kind: mark, seqno, nodes });
  }
  const lastSeqno = first.seqno + entries.length - 1;
  return { view: first.view, firstSeqno: first.seqno, lastSeqno, marks };
}

/** Whole numbers below a limit, the same for the same seed. @source xorshift32, Marsaglia 2003 */
function createRandom(seed: number): (limit: number) => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

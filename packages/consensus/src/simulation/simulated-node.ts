/** A node of the simulation: an engine, its log, and a disk that loses what it has not written. */
import { assert } from "@coco/base";
import type { Batch, Effects, EngineStart, Mark, NodeId } from "../engine.ts";
import type { RaftEngine } from "../raft/raft-engine.ts";
import type { RaftState } from "../raft/raft-state.ts";
import type { TxId } from "../tx-id.ts";
import type { ObservedNode, SimulatedEntry } from "./invariants.ts";

/** What the disk still has to do, in order. */
type Write =
  | { readonly kind: "truncate"; readonly seqno: number }
  | { readonly kind: "append"; readonly entries: readonly SimulatedEntry[]; txId?: TxId }
  | { readonly kind: "vote"; readonly view: number; readonly votedFor: NodeId | undefined };

export class SimulatedNode implements ObservedNode {
  readonly id: NodeId;
  engine: RaftEngine | undefined;
  log: SimulatedEntry[] = [];
  durable: SimulatedEntry[] = [];
  life = 0;
  isSignatureWanted = false;
  retiredNodes: readonly NodeId[] = [];
  /** What an owner has to write before it gives out ids as primary. */
  #primaryView = 0;
  /** What an owner has to write when a configuration is committed. */
  #configurationSeqno = 0;
  #committedNote = 0;
  #vote: { view: number; votedFor: NodeId | undefined } | undefined;
  #writes: Write[] = [];
  /** Entries up to this one are on the disk or on their way. */
  #writtenSeqno = 0;

  constructor(id: NodeId) {
    this.id = id;
  }

  get state(): RaftState | undefined {
    return this.engine?.state;
  }

  get isWriting(): boolean {
    return this.#writes.length > 0;
  }

  /** Carries out what the engine asks for; the messages are given back. */
  take(effects: Effects, received: readonly SimulatedEntry[]): Effects["send"] {
    const { rolledBackTo, append, persist, persistVote, roleChange } = effects;
    if (roleChange?.role === "primary") this.#primaryView = roleChange.view;
    if (rolledBackTo !== undefined) {
      this.log = this.log.slice(0, rolledBackTo);
      this.#forgetReports(rolledBackTo);
      if (rolledBackTo < this.#writtenSeqno) {
        this.#writes.push({ kind: "truncate", seqno: rolledBackTo });
        this.#writtenSeqno = rolledBackTo;
      }
    }
    const configurationSeqno = this.state?.configurations.active[0]?.seqno ?? 0;
    if (configurationSeqno !== this.#configurationSeqno) {
      this.#configurationSeqno = configurationSeqno;
      this.#committedNote = this.state?.log.committedSeqno ?? 0;
    }
    if (append !== undefined) {
      assert(append.firstSeqno === this.log.length + 1, "appended entries follow the last entry");
      const wanted = received.filter(({ seqno }) => seqno >= append.firstSeqno);
      assert(wanted.at(-1)?.seqno === append.lastSeqno, "appended entries came with the message");
      this.log.push(...wanted);
    }
    if (persist !== undefined) {
      const entries = this.log.slice(this.#writtenSeqno, persist.seqno);
      this.#writes.push({ kind: "append", txId: persist, entries });
      this.#writtenSeqno = Math.max(persist.seqno, this.#writtenSeqno);
    }
    if (persistVote !== undefined) this.#writes.push({ kind: "vote", ...persistVote });
    if (effects.isSignatureWanted === true) this.isSignatureWanted = true;
    if (effects.retiredNodes !== undefined) this.retiredNodes = effects.retiredNodes;
    return effects.send;
  }

  /** The same entries may come again: that the first of them were written then means nothing. */
  #forgetReports(seqno: number): void {
    for (const write of this.#writes) {
      if (write.kind === "append" && (write.txId?.seqno ?? 0) > seqno) delete write.txId;
    }
  }

  /** The oldest write reaches the disk. */
  writeOne(): boolean {
    const write = this.#writes.shift();
    if (write === undefined) return false;
    this.#write(write);
    if (write.kind === "append" && write.txId !== undefined) this.engine?.persisted(write.txId);
    if (write.kind === "vote") this.engine?.votePersisted(write.view);
    return true;
  }

  #write(write: Write): void {
    if (write.kind === "truncate") this.durable.length = write.seqno;
    else if (write.kind === "vote") this.#vote = { view: write.view, votedFor: write.votedFor };
    else {
      const [first] = write.entries;
      if (first === undefined) return;
      assert(first.seqno === this.durable.length + 1, "the disk is written in order");
      this.durable.push(...write.entries);
    }
  }

  /** The process ends; of what was not durable, the first `writeCount` writes have been done. */
  crash(writeCount: number): void {
    for (const write of this.#writes.slice(0, writeCount)) this.#write(write);
    this.#writes = [];
    this.engine = undefined;
    this.log = [...this.durable];
    this.#writtenSeqno = this.durable.length;
    this.isSignatureWanted = false;
    this.retiredNodes = [];
    this.life++;
  }

  get writeCount(): number {
    return this.#writes.length;
  }

  /** What a node finds on its disk. @param committedSeqno what it is known to have committed */
  toStart(committedSeqno: number): EngineStart {
    const { durable } = this;
    const signatures = durable.filter(({ mark }) => mark?.kind === "signature");
    const seqnos = signatures.map(({ seqno }) => seqno);
    const lastSignatureSeqno = seqnos.at(-1) ?? 0;
    const known = Math.max(committedSeqno, this.#committedNote);
    const committed = seqnos.findLast((seqno) => seqno <= known) ?? 0;
    const marks = durable.flatMap(({ mark }) => (mark?.kind === "configuration" ? [mark] : []));
    const first = marks.findLastIndex(({ seqno }) => seqno <= committed);
    return {
      view: this.#primaryView,
      viewFirstSeqnos: toViewFirstSeqnos(durable),
      lastSeqno: durable.length,
      lastSignatureSeqno,
      signatureSeqnos: seqnos.filter((seqno) => seqno > committed),
      committedSeqno: committed,
      configurations: marks.slice(Math.max(first, 0)),
      retiredNodes: toRetiredNodes(durable, committed),
      ...(this.#vote === undefined ? {} : { vote: this.#vote }),
    };
  }
}

function toViewFirstSeqnos(log: readonly SimulatedEntry[]): readonly number[] {
  const firsts: number[] = [];
  for (const { view, seqno } of log) while (firsts.length < view) firsts.push(seqno);
  return firsts;
}

/** Nodes that a committed configuration has left out, without a committed entry that says so. */
function toRetiredNodes(log: readonly SimulatedEntry[], committed: number): readonly NodeId[] {
  let present: readonly NodeId[] = [];
  const retired = new Set<NodeId>();
  for (const { mark } of log.slice(0, committed)) {
    if (mark?.kind === "configuration") {
      for (const id of present) if (!mark.nodes.includes(id)) retired.add(id);
      present = mark.nodes;
    } else if (mark?.kind === "retired") for (const id of mark.nodes) retired.delete(id);
  }
  return [...retired];
}

export function entriesToBatch(entries: readonly SimulatedEntry[]): Batch {
  const [first] = entries;
  const last = entries.at(-1);
  assert(first !== undefined && last !== undefined, "a batch has entries");
  const marks: Mark[] = entries.flatMap(({ mark }) => (mark === undefined ? [] : [mark]));
  return { view: first.view, firstSeqno: first.seqno, lastSeqno: last.seqno, marks };
}

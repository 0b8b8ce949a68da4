/**
 * A replicating engine for tests of the conformance suite: node 0 is always the primary and its
 * ledger decides. It cannot survive the loss of node 0, so it is nothing but an example.
 */
import { assert, bytesToUtf8, utf8ToBytes } from "@coco/base";
import type { CreateEngine } from "./conformance.ts";
import type { Batch, Effects, Engine, EngineDetails, NodeId, Role } from "./engine.ts";
import { consensusErrors } from "./errors.ts";
import { evaluateStatus, type Seqno, type TxId, type TxStatus, type View } from "./tx-id.ts";
import { ViewHistory } from "./view-history.ts";

const primaryId = "0";

type Message =
  | { kind: "append"; view: View; previous: TxId; committed: Seqno }
  | { kind: "answer"; view: View; durableSeqno: Seqno; matchingSeqno: Seqno };

export const createPermanentPrimaryEngine: CreateEngine = (options) => {
  const engine = new PermanentPrimaryEngine(options.nodeId, options.pendingCountMax ?? 10_000);
  const { start } = options;
  if (start === undefined) return engine;
  engine.history = new ViewHistory(start.viewFirstSeqnos);
  engine.seqno = start.lastSeqno;
  engine.durableSeqno = start.lastSeqno;
  engine.committedSeqno = start.committedSeqno;
  if (start.lastSignatureSeqno > 0) engine.signatures.add(start.lastSignatureSeqno);
  engine.nodes = start.configurations.at(-1)?.nodes ?? [options.nodeId];
  engine.view = Math.max(start.view ?? 0, engine.history.view, 1);
  if (engine.role === "primary") engine.newView();
  return engine;
};

class PermanentPrimaryEngine implements Engine {
  readonly nodeId: NodeId;
  readonly primaryId = primaryId;
  readonly role: Role;
  view: View = 2;
  seqno: Seqno = 0;
  history = new ViewHistory();
  durableSeqno: Seqno = 0;
  committedSeqno: Seqno = 0;
  /** Backup: how far its ledger is known to be that of the primary, in this view. */
  matchingSeqno: Seqno = 0;
  readonly signatures = new Set<Seqno>();
  nodes: readonly NodeId[];
  readonly #pendingCountMax: number;
  /** Primary: what each backup holds durably, and what it has been sent. */
  readonly #peers = new Map<NodeId, { durable: Seqno; sent: Seqno }>();
  #effects: { -readonly [Field in keyof Effects]: Effects[Field] } = { send: [] };

  constructor(nodeId: NodeId, pendingCountMax: number) {
    this.nodeId = nodeId;
    this.nodes = [nodeId];
    this.role = nodeId === primaryId ? "primary" : "backup";
    this.#pendingCountMax = pendingCountMax;
    this.#effects.roleChange = { role: this.role, view: this.view, primaryId };
  }

  committed(): TxId {
    return { view: this.viewOf(this.committedSeqno) ?? 0, seqno: this.committedSeqno };
  }

  status(txId: TxId): TxStatus {
    return evaluateStatus(txId, this.viewOf(txId.seqno), this.committed());
  }

  viewOf(seqno: Seqno): View | undefined {
    return seqno > this.seqno ? undefined : this.history.viewOf(seqno);
  }

  viewHistory(since: View): readonly TxId[] {
    return this.history.since(since);
  }

  viewFirstSeqnos(): readonly Seqno[] {
    return this.history.toFirstSeqnos();
  }

  details(): EngineDetails {
    const { role, view } = this;
    return { role, view, primaryId, configurations: [], acknowledged: new Map() };
  }

  checkCanPropose(count: number): void {
    if (this.role !== "primary") throw consensusErrors.create("NotPrimary");
    if (this.seqno - this.committedSeqno + count > this.#pendingCountMax) {
      throw consensusErrors.create("TooManyPendingTransactions");
    }
  }

  propose(batch: Batch): void {
    const hasSignature = batch.marks.some(({ kind }) => kind === "signature");
    this.checkCanPropose(hasSignature ? -1e9 : batch.lastSeqno - this.seqno);
    this.#extend(batch);
    for (const id of this.nodes) if (id !== this.nodeId) this.#append(id);
  }

  persisted({ view, seqno }: TxId): void {
    if (this.viewOf(seqno) !== view || seqno <= this.durableSeqno) return;
    this.durableSeqno = seqno;
    if (this.role === "primary") this.#commit();
    else this.#answer();
  }

  votePersisted(): void {}

  tick(): void {
    if (this.role !== "primary") return;
    for (const id of this.nodes) {
      const peer = this.#peers.get(id);
      if (peer !== undefined) peer.sent = peer.durable;
      if (id !== this.nodeId) this.#append(id);
    }
  }

  step(from: NodeId, bytes: Uint8Array, entries?: Batch): void {
    let message: Message;
    try {
      message = JSON.parse(bytesToUtf8(bytes));
      assert(typeof message.view === "number", "a message has a view");
    } catch (cause) {
      throw consensusErrors.create("BadMessage", `from ${from}`, {}, cause);
    }
    if (message.kind === "append") this.#takeAppend(message, entries);
    else this.#takeAnswer(from, message);
  }

  newView(): void {
    if (this.role !== "primary") return;
    this.#rollback(Math.max(this.committedSeqno, ...this.signatures));
    this.view++;
    this.#peers.clear();
    this.#effects.roleChange = { role: this.role, view: this.view, primaryId };
    this.#effects.isSignatureWanted = true;
    this.#commit();
  }

  nominateSuccessor(): void {}

  drain(): Effects {
    const effects = this.#effects;
    this.#effects = { send: [] };
    return effects;
  }

  #takeAppend(message: Message & { kind: "append" }, entries: Batch | undefined): void {
    if (this.role === "primary" || message.view < this.view) return;
    if (message.view > this.view) this.matchingSeqno = 0;
    this.view = message.view;
    const { previous } = message;
    const isMatch = previous.seqno === 0 || this.viewOf(previous.seqno) === previous.view;
    if (isMatch) {
      this.matchingSeqno = Math.max(this.matchingSeqno, previous.seqno);
      if (entries !== undefined) this.#takeEntries(entries);
      this.#commitUpTo(Math.min(message.committed, this.matchingSeqno));
    }
    this.#answer();
  }

  #takeEntries(batch: Batch): void {
    let firstSeqno = batch.firstSeqno;
    while (firstSeqno <= batch.lastSeqno && this.viewOf(firstSeqno) === batch.view) firstSeqno++;
    this.matchingSeqno = Math.max(this.matchingSeqno, firstSeqno - 1);
    if (firstSeqno > batch.lastSeqno) return;
    this.#rollback(firstSeqno - 1);
    this.#extend({ ...batch, firstSeqno });
    this.matchingSeqno = batch.lastSeqno;
    this.#effects.append = { firstSeqno, lastSeqno: batch.lastSeqno };
  }

  #takeAnswer(from: NodeId, message: Message & { kind: "answer" }): void {
    const peer = this.#peers.get(from);
    if (peer === undefined || message.view !== this.view) return;
    peer.durable = Math.min(message.durableSeqno, message.matchingSeqno);
    peer.sent = message.matchingSeqno;
    this.#commit();
    if (peer.sent < this.seqno) this.#append(from);
  }

  #answer(): void {
    const { view, durableSeqno, matchingSeqno } = this;
    this.#send(primaryId, { kind: "answer", view, durableSeqno, matchingSeqno });
  }

  /** Sends what follows the last entry sent: entries of one view only. */
  #append(to: NodeId): void {
    const peer = this.#peers.get(to) ?? { durable: 0, sent: 0 };
    this.#peers.set(to, peer);
    const previous = { view: this.viewOf(peer.sent) ?? 0, seqno: peer.sent };
    const message: Message = {
      kind: "append",
      view: this.view,
      previous,
      committed: this.committedSeqno,
    };
    const firstSeqno = peer.sent + 1;
    let lastSeqno = firstSeqno;
    if (firstSeqno > this.seqno) {
      this.#send(to, message);
      return;
    }
    const view = this.viewOf(firstSeqno);
    while (this.viewOf(lastSeqno + 1) === view) lastSeqno++;
    peer.sent = lastSeqno;
    this.#send(to, message, { firstSeqno, lastSeqno });
  }

  #send(to: NodeId, message: Message, entries?: { firstSeqno: Seqno; lastSeqno: Seqno }): void {
    const outgoing = { to, message: utf8ToBytes(JSON.stringify(message)) };
    const send = entries === undefined ? outgoing : { ...outgoing, entries };
    this.#effects.send = [...this.#effects.send, send];
  }

  #extend({ view, firstSeqno, lastSeqno, marks }: Batch): void {
    assert(firstSeqno === this.seqno + 1, "seqnos have no gaps");
    this.history.add({ view, seqno: firstSeqno });
    this.seqno = lastSeqno;
    for (const mark of marks) {
      if (mark.seqno < firstSeqno) continue;
      if (mark.kind === "signature") this.signatures.add(mark.seqno);
      if (mark.kind === "configuration") this.nodes = mark.nodes;
    }
    this.#effects.persist = { view, seqno: lastSeqno };
  }

  #rollback(seqno: Seqno): void {
    if (seqno >= this.seqno) return;
    this.seqno = seqno;
    this.durableSeqno = Math.min(this.durableSeqno, seqno);
    this.matchingSeqno = Math.min(this.matchingSeqno, seqno);
    this.history.rollback(seqno);
    for (const signature of this.signatures) {
      if (signature > seqno) this.signatures.delete(signature);
    }
    this.#effects.rolledBackTo = seqno;
  }

  #commit(): void {
    const durable = this.nodes.map((id) =>
      id === this.nodeId ? this.durableSeqno : (this.#peers.get(id)?.durable ?? 0),
    );
    durable.sort((left, right) => right - left);
    const majority = durable[Math.floor(this.nodes.length / 2)] ?? 0;
    this.#commitUpTo(Math.min(majority, this.durableSeqno));
  }

  #commitUpTo(limit: Seqno): void {
    for (const seqno of this.signatures) {
      if (seqno > limit || seqno <= this.committedSeqno) continue;
      this.committedSeqno = seqno;
      this.#effects.committed = seqno;
    }
  }
}

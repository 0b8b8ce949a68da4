/** The engine of a network of one node: an entry is committed when its signature is durable. */
import { assert } from "@coco/base";
import type {
  Batch,
  Effects,
  Engine,
  EngineDetails,
  EngineOptions,
  NodeId,
  Role,
} from "./engine.ts";
import { consensusErrors } from "./errors.ts";
import { evaluateStatus, type Seqno, type TxId, type TxStatus, type View } from "./tx-id.ts";
import { ViewHistory } from "./view-history.ts";

/** Views start here; CCF counts the node's own start as view 1. */
export const firstView = 2;

const pendingCountMaxDefault = 10_000;
const noEffects: Effects = { send: [] };

/**
 * A new service begins in view 2. With `start` the entries after the last signature are given up,
 * and the service goes on in the next view.
 */
export function createSingleNodeEngine(options: EngineOptions): Engine {
  return new SingleNodeEngine(options);
}

class SingleNodeEngine implements Engine {
  readonly nodeId: NodeId;
  readonly #pendingCountMax: number;
  readonly #history: ViewHistory;
  #view: View;
  #seqno: Seqno;
  #persistedSeqno: Seqno;
  #committedSeqno: Seqno;
  /** Signatures after the last committed one, in order. */
  #signatures: Seqno[] = [];
  #effects: { -readonly [Field in keyof Effects]: Effects[Field] } | undefined;

  constructor({ nodeId, start, pendingCountMax = pendingCountMaxDefault }: EngineOptions) {
    this.nodeId = nodeId;
    this.#pendingCountMax = pendingCountMax;
    this.#history = new ViewHistory(start?.viewFirstSeqnos);
    this.#seqno = start?.lastSeqno ?? 0;
    this.#persistedSeqno = this.#seqno;
    this.#committedSeqno = start?.committedSeqno ?? 0;
    this.#view = firstView;
    if (start === undefined) {
      this.#changeEffects({ roleChange: this.#roleChange() });
      return;
    }
    const { lastSignatureSeqno, lastSeqno, configurations } = start;
    assert(lastSignatureSeqno <= lastSeqno, "a signature is one of the entries");
    assert(start.committedSeqno <= lastSignatureSeqno, "what is committed is signed");
    for (const { nodes } of configurations) this.#checkNodes(nodes);
    if (lastSignatureSeqno > this.#committedSeqno) this.#signatures.push(lastSignatureSeqno);
    this.#view = Math.max(start.view ?? 0, this.#history.view, firstView - 1);
    this.newView();
  }

  get view(): View {
    return this.#view;
  }

  get role(): Role {
    return "primary";
  }

  get primaryId(): NodeId {
    return this.nodeId;
  }

  get seqno(): Seqno {
    return this.#seqno;
  }

  committed(): TxId {
    return { view: this.viewOf(this.#committedSeqno) ?? 0, seqno: this.#committedSeqno };
  }

  status(txId: TxId): TxStatus {
    return evaluateStatus(txId, this.viewOf(txId.seqno), this.committed());
  }

  viewOf(seqno: Seqno): View | undefined {
    return seqno > this.#seqno ? undefined : this.#history.viewOf(seqno);
  }

  viewHistory(since: View): readonly TxId[] {
    return this.#history.since(since);
  }

  viewFirstSeqnos(): readonly Seqno[] {
    return this.#history.toFirstSeqnos();
  }

  details(): EngineDetails {
    return {
      role: this.role,
      view: this.#view,
      primaryId: this.nodeId,
      configurations: [{ seqno: 0, nodes: [this.nodeId] }],
      acknowledged: new Map(),
    };
  }

  checkCanPropose(count: number): void {
    const pendingCount = this.#seqno - this.#committedSeqno;
    if (pendingCount + count <= this.#pendingCountMax) return;
    throw consensusErrors.create(
      "TooManyPendingTransactions",
      `${pendingCount} wait, ${this.#pendingCountMax} may`,
      { pendingCount, pendingCountMax: this.#pendingCountMax },
    );
  }

  propose({ view, firstSeqno, lastSeqno, marks }: Batch): void {
    assert(view === this.#view, "the primary proposes entries of its own view");
    assert(firstSeqno === this.#seqno + 1, "seqnos have no gaps");
    assert(lastSeqno >= firstSeqno, "a batch has entries");
    assert(this.#effects?.rolledBackTo === undefined, "a rollback is carried out before going on");
    const signatures: Seqno[] = [];
    let previous = firstSeqno;
    for (const mark of marks) {
      assert(mark.seqno >= previous && mark.seqno <= lastSeqno, "marks belong to their batch");
      previous = mark.seqno;
      if (mark.kind === "configuration") this.#checkNodes(mark.nodes);
      if (mark.kind === "signature") signatures.push(mark.seqno);
    }
    if (signatures.length === 0) this.checkCanPropose(lastSeqno - this.#seqno);
    this.#history.add({ view, seqno: firstSeqno });
    this.#seqno = lastSeqno;
    this.#signatures.push(...signatures);
    this.#changeEffects({ persist: { view, seqno: lastSeqno } });
  }

  persisted({ view, seqno }: TxId): void {
    if (this.viewOf(seqno) !== view || seqno <= this.#persistedSeqno) return;
    this.#persistedSeqno = seqno;
    this.#commit();
  }

  votePersisted(): void {}

  tick(): void {}

  step(from: NodeId): void {
    throw consensusErrors.create("BadMessage", `from ${from}, to a network of one node`);
  }

  newView(): void {
    const target = this.#signatures.at(-1) ?? this.#committedSeqno;
    if (target < this.#seqno) {
      this.#seqno = target;
      this.#persistedSeqno = Math.min(this.#persistedSeqno, target);
      this.#history.rollback(target);
      this.#changeEffects({ rolledBackTo: target });
      this.#dropStalePersist();
    }
    this.#view++;
    this.#changeEffects({ roleChange: this.#roleChange(), isSignatureWanted: true });
    this.#commit();
  }

  nominateSuccessor(): void {}

  drain(): Effects {
    const effects = this.#effects ?? noEffects;
    this.#effects = undefined;
    return effects;
  }

  #commit(): void {
    let committed: Seqno | undefined;
    while (this.#signatures.length > 0 && this.#signatures[0]! <= this.#persistedSeqno) {
      committed = this.#signatures.shift();
    }
    if (committed === undefined) return;
    this.#committedSeqno = committed;
    this.#changeEffects({ committed });
  }

  /** What was rolled back need not be made durable any more; what is left of it still has to be. */
  #dropStalePersist(): void {
    const { persist } = this.#effects ?? noEffects;
    if (persist === undefined || persist.seqno <= this.#seqno) return;
    const view = this.viewOf(this.#seqno);
    if (view !== undefined) this.#changeEffects({ persist: { view, seqno: this.#seqno } });
  }

  #changeEffects(effects: Partial<Effects>): void {
    this.#effects = { ...(this.#effects ?? noEffects), ...effects };
  }

  #roleChange(): NonNullable<Effects["roleChange"]> {
    return { role: "primary", view: this.#view, primaryId: this.nodeId };
  }

  /** @throws {CocoError} UnsupportedConfiguration */
  #checkNodes(nodes: readonly NodeId[]): void {
    if (nodes.length === 1 && nodes[0] === this.nodeId) return;
    const detail = `${nodes.length} nodes with the engine for one`;
    throw consensusErrors.create("UnsupportedConfiguration", detail);
  }
}

/** What endpoints are told of consensus: the engine's knowledge plus what waits in the executor. */
import { type Engine, evaluateStatus } from "@coco/consensus";
import type { TxId, TxStatus } from "@coco/runtime";
import type { Store } from "@coco/store";
import type { ConsensusDetails, ConsensusPort } from "../api/ports.ts";
import { tickMs } from "./consensus-driver.ts";

const leadershipStates = {
  primary: "Leader",
  backup: "Follower",
  preVoteCandidate: "PreVoteCandidate",
  candidate: "Candidate",
  retired: "None",
} as const;

export class ExecutorConsensus implements ConsensusPort {
  readonly #engine: Engine;
  readonly #store: Store;
  readonly #addressOf: (nodeId: string) => string | undefined;

  /** @param addressOf `host:port` of a node for other nodes */
  constructor(engine: Engine, store: Store, addressOf: (nodeId: string) => string | undefined) {
    this.#engine = engine;
    this.#store = store;
    this.#addressOf = addressOf;
  }

  get view(): number {
    return this.#engine.view;
  }

  get isPrimary(): boolean {
    return this.#engine.role === "primary";
  }

  get primaryId(): string | undefined {
    return this.#engine.primaryId;
  }

  lastCommitted(): TxId {
    return this.#engine.committed();
  }

  /** Transactions that are executed but not yet proposed belong to the current view. */
  viewOf(seqno: number): number | undefined {
    if (seqno <= this.#engine.seqno) return this.#engine.viewOf(seqno);
    return seqno <= this.#store.seqno ? this.#engine.view : undefined;
  }

  status(txId: TxId): TxStatus {
    const localView = this.viewOf(txId.seqno);
    // A seqno that is taken in this view cannot come again in a later one with fewer entries.
    if (localView !== undefined && localView !== txId.view) return "Invalid";
    return evaluateStatus(txId, localView, this.#engine.committed());
  }

  viewHistory(): readonly TxId[] {
    return this.#engine.viewHistory(1);
  }

  details(): ConsensusDetails {
    const { role, view, primaryId, configurations, acknowledged, isTicking, retirementPhase } =
      this.#engine.details();
    return {
      acks: Object.fromEntries(
        [...acknowledged].map(([nodeId, { seqno, ageTicks }]) => [
          nodeId,
          { last_received_ms: ageTicks * tickMs, seqno },
        ]),
      ),
      configs: configurations.map(({ seqno, nodes }, index) => ({
        idx: seqno,
        nodes: Object.fromEntries(
          nodes.map((nodeId) => [nodeId, { address: this.#addressOf(nodeId) ?? "" }]),
        ),
        rid: index,
      })),
      current_view: view,
      leadership_state: leadershipStates[role],
      membership_state: retirementPhase === undefined ? "Active" : "Retired",
      primary_id: primaryId ?? null,
      reconfiguration_type: "OneTransaction",
      ...(retirementPhase !== undefined && {
        retirement_phase: retirementPhase.replace(/^./, (letter) => letter.toUpperCase()),
      }),
      ticking: isTicking ?? true,
    };
  }
}

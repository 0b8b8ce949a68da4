/** What scenarios ask of the network's nodes. */
import { assert } from "@coco/base";
import type { NodeId } from "../engine.ts";
import { quorumSize } from "../raft/quorum.ts";
import { toTraceState } from "../raft/raft-trace.ts";
import type { ScenarioEntry, ScenarioNetwork } from "./scenario-network.ts";

/** How the nodes `ids` differ from the first of them; nothing when they agree. */
export function findDifferences(network: ScenarioNetwork, ids: readonly NodeId[]): string[] {
  const [first, ...others] = ids.map((id) => network.node(id));
  if (first === undefined) return [];
  const differences: string[] = [];
  for (const { id, engine, ledger } of others) {
    if (engine.view !== first.engine.view) differences.push(`view of ${id} is ${engine.view}`);
    if (!isEqual(ledger, first.ledger)) differences.push(`ledger of ${id} is another`);
    const { seqno } = engine.committed();
    if (seqno !== first.engine.committed().seqno) differences.push(`${id} has committed ${seqno}`);
  }
  return differences;
}

/** What `id` has committed is on a majority of each configuration that is committed with it. */
export function checkCommitSafety(network: ScenarioNetwork, id: NodeId): void {
  const { engine, ledger } = network.node(id);
  const { seqno: committedSeqno } = engine.committed();
  const committed = ledger.slice(0, committedSeqno);
  for (const { seqno, nodes } of engine.state.configurations.active) {
    if (seqno > committedSeqno) continue;
    const holders = nodes.filter((node) => {
      if (!network.ids.includes(node)) return false;
      return isEqual(network.node(node).ledger.slice(0, committedSeqno), committed);
    });
    assert(
      holders.length >= quorumSize(nodes.length),
      `${id} has committed ${committedSeqno}, which only ${holders.length} of ${nodes} hold`,
    );
  }
}

/** A field of the answer of GET /node/consensus, as text; undefined when it is not there. */
export function nodeDetail(network: ScenarioNetwork, id: NodeId, name: string): string | undefined {
  const { state } = network.node(id).engine;
  const details: Readonly<Record<string, unknown>> = {
    ...toTraceState(state),
    primary_id: state.primaryId,
    ticking: state.isTicking,
  };
  const value = details[name];
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isEqual(left: readonly ScenarioEntry[], right: readonly ScenarioEntry[]): boolean {
  return (
    left.length === right.length &&
    left.every(
      ({ view, text }, index) => view === right[index]!.view && text === right[index]!.text,
    )
  );
}

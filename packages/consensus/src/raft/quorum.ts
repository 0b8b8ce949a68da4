/** Majorities: what a set of nodes has agreed on, when every configuration has to agree. */
import type { NodeId } from "../engine.ts";
import type { Seqno } from "../tx-id.ts";

/** From an entry on, these nodes are the network. */
export interface Configuration {
  readonly seqno: Seqno;
  /** Sorted, without repetition. */
  readonly nodes: readonly NodeId[];
}

export function quorumSize(nodeCount: number): number {
  return Math.floor(nodeCount / 2) + 1;
}

/** Whether in each configuration by itself a majority satisfies `isCounted`. */
export function isJointQuorum(
  configurations: readonly Configuration[],
  isCounted: (node: NodeId) => boolean,
): boolean {
  return configurations.every(
    ({ nodes }) => nodes.filter(isCounted).length >= quorumSize(nodes.length),
  );
}

/** The highest seqno that in each configuration a majority holds; undefined without one. */
export function agreedSeqno(
  configurations: readonly Configuration[],
  seqnoOf: (node: NodeId) => Seqno,
): Seqno | undefined {
  let agreed: Seqno | undefined;
  for (const { nodes } of configurations) {
    const held = nodes.map(seqnoOf).sort((left, right) => left - right);
    const confirmed = held[Math.floor((held.length - 1) / 2)]!;
    if (agreed === undefined || confirmed < agreed) agreed = confirmed;
  }
  return agreed;
}

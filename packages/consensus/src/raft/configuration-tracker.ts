/** Which configurations are active: the last committed one and all that follow it. */
import { assert } from "@coco/base";
import type { NodeId } from "../engine.ts";
import type { Seqno } from "../tx-id.ts";
import type { Configuration } from "./quorum.ts";

export class ConfigurationTracker {
  #active: Configuration[] = [];

  get active(): readonly Configuration[] {
    return this.#active;
  }

  get latest(): Configuration | undefined {
    return this.#active.at(-1);
  }

  /** Takes the nodes that an entry names; the same nodes again are no new configuration. */
  add(seqno: Seqno, nodes: readonly NodeId[]): void {
    const sorted = [...new Set(nodes)].sort();
    const { latest } = this;
    assert(latest === undefined || latest.seqno <= seqno, "configurations come in order");
    // A founder counts itself as the network until its first entry says who is.
    if (latest?.seqno === 0 && seqno === 1) this.#active = [];
    else if (latest !== undefined && isEqual(latest.nodes, sorted)) return;
    this.#active.push({ seqno, nodes: sorted });
  }

  /** @returns whether a configuration was given up */
  rollback(seqno: Seqno): boolean {
    const count = this.#active.length;
    while ((this.#active.at(-1)?.seqno ?? 0) > seqno) this.#active.pop();
    return this.#active.length < count;
  }

  /** @returns the nodes that are in no configuration any more, sorted */
  commit(seqno: Seqno): readonly NodeId[] {
    const dropped: Configuration[] = [];
    while (this.#active.length > 1 && this.#active[1]!.seqno <= seqno) {
      dropped.push(this.#active.shift()!);
    }
    const gone = dropped.flatMap(({ nodes }) => nodes).filter((node) => !this.has(node));
    return [...new Set(gone)].sort();
  }

  /** Whether `node` is in an active configuration. */
  has(node: NodeId): boolean {
    return this.#active.some(({ nodes }) => nodes.includes(node));
  }

  /** The nodes of all active configurations except `self`, sorted. */
  others(self: NodeId): readonly NodeId[] {
    const nodes = new Set(this.#active.flatMap((configuration) => configuration.nodes));
    nodes.delete(self);
    return [...nodes].sort();
  }
}

function isEqual(left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return left.length === right.length && left.every((node, index) => node === right[index]);
}

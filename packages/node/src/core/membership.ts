/** Which nodes the ledger names, entry by entry: the source of configurations. */
import { assert } from "@coco/base";
import type { Mark } from "@coco/consensus";
import type { NodeInfo } from "@coco/governance";
import { ledgerTable, type Store } from "@coco/store";

/** What the rest of the node has to know of a row of the table of nodes. */
export interface KnownNode {
  readonly status: NodeInfo["status"];
  readonly isRetiredCommitted: boolean;
  /** `host:port` for other nodes. */
  readonly nodeAddress: string;
  /** `host:port` for clients, by the name of the interface. */
  readonly rpcAddresses: Readonly<Record<string, string>>;
}

type KnownNodes = ReadonlyMap<string, KnownNode>;

/** One row as written: undefined when it was removed. Ids are text, values JSON. */
export type NodeRow = readonly [nodeId: string, json: string | undefined];

/** The nodes from one entry on. */
interface Version {
  readonly seqno: number;
  readonly nodes: KnownNodes;
}

export class Membership {
  /** In order; the first one holds for everything before the second. */
  #versions: Version[] = [{ seqno: 0, nodes: new Map() }];

  get nodes(): KnownNodes {
    return this.#versions.at(-1)!.nodes;
  }

  /** As they were after entry `seqno`. */
  at(seqno: number): KnownNodes {
    return this.#versions.findLast((version) => version.seqno <= seqno)?.nodes ?? new Map();
  }

  /** Notes what entry `seqno` changed. @returns what the engine has to know of it */
  apply(seqno: number, rows: Iterable<NodeRow>): Mark[] {
    assert(seqno > this.#versions.at(-1)!.seqno, "entries come in order");
    const { nodes, marks } = followRows(this.nodes, seqno, rows);
    this.#versions.push({ seqno, nodes });
    return marks;
  }

  rollback(seqno: number): void {
    while (this.#versions.length > 1 && this.#versions.at(-1)!.seqno > seqno) {
      this.#versions.pop();
    }
  }

  /** Nothing up to `seqno` is rolled back any more. */
  compact(seqno: number): void {
    while (this.#versions.length > 1 && this.#versions[1]!.seqno <= seqno) this.#versions.shift();
  }

  /** Takes over the nodes of a store that was rebuilt. */
  load(store: Store): void {
    const transaction = store.begin("node");
    const rows: NodeRow[] = [];
    transaction.table(ledgerTable.nodes).forEachText((json, nodeId) => rows.push([nodeId, json]));
    transaction.discard();
    const { nodes } = followRows(new Map(), store.seqno, rows);
    this.#versions = [{ seqno: store.seqno, nodes }];
  }
}

/** @returns the nodes after an entry, and its marks, from those before it */
export function followRows(
  before: KnownNodes,
  seqno: number,
  rows: Iterable<NodeRow>,
): { readonly nodes: KnownNodes; readonly marks: Mark[] } {
  const nodes = new Map(before);
  const retired: string[] = [];
  for (const [nodeId, json] of rows) {
    const known = before.get(nodeId);
    if (json === undefined) {
      nodes.delete(nodeId);
      continue;
    }
    const next = toKnownNode(JSON.parse(json) as NodeInfo);
    if (next.isRetiredCommitted && known?.isRetiredCommitted !== true) retired.push(nodeId);
    nodes.set(nodeId, next);
  }
  const trusted = trustedIds(nodes);
  const isChanged = trusted.join() !== trustedIds(before).join();
  const marks: Mark[] = [];
  if (isChanged) marks.push({ kind: "configuration", seqno, nodes: trusted });
  if (retired.length > 0) marks.push({ kind: "retired", seqno, nodes: retired.sort() });
  return { nodes, marks };
}

export function trustedIds(nodes: KnownNodes): string[] {
  const ids: string[] = [];
  for (const [nodeId, { status }] of nodes) if (status === "Trusted") ids.push(nodeId);
  return ids.sort();
}

function toKnownNode(info: NodeInfo): KnownNode {
  const { node_to_node_interface: node, rpc_interfaces: rpc } = info;
  return {
    status: info.status,
    isRetiredCommitted: info.retired_committed === true,
    nodeAddress: node?.published_address ?? node?.bind_address ?? "",
    rpcAddresses: Object.fromEntries(
      Object.entries(rpc ?? {}).map(([name, { published_address, bind_address }]) => [
        name,
        published_address ?? bind_address,
      ]),
    ),
  };
}

/** What a primary knows of each other node. */
import type { NodeId } from "../engine.ts";
import type { Seqno } from "../tx-id.ts";

export interface Peer {
  readonly id: NodeId;
  /** Last entry sent; it goes ahead of what the peer is known to have. */
  sentSeqno: Seqno;
  /** Last entry that the peer has confirmed. */
  matchSeqno: Seqno;
  ackAgeTicks: number;
  /** Last entries of the messages that were not yet answered. */
  inFlight: Seqno[];
  /** Changes when the peer has lost entries that it had confirmed. */
  incarnation: number | undefined;
}

export class PeerTable {
  #peers: Peer[] = [];
  readonly #indexOfNew: (order: readonly NodeId[], id: NodeId) => number;

  /** @param indexOfNew where a new peer goes in the order in which peers are served */
  constructor(indexOfNew: (order: readonly NodeId[], id: NodeId) => number) {
    this.#indexOfNew = indexOfNew;
  }

  /** In the order in which they are served. */
  all(): readonly Peer[] {
    return this.#peers;
  }

  get(id: NodeId): Peer | undefined {
    return this.#peers.find((peer) => peer.id === id);
  }

  add(id: NodeId, sentSeqno: Seqno): Peer {
    const peer: Peer = {
      id,
      sentSeqno,
      matchSeqno: 0,
      ackAgeTicks: 0,
      inFlight: [],
      incarnation: undefined,
    };
    const order = this.#peers.map((other) => other.id);
    this.#peers = this.#peers.toSpliced(this.#indexOfNew(order, id), 0, peer);
    return peer;
  }

  remove(isGone: (id: NodeId) => boolean): void {
    this.#peers = this.#peers.filter(({ id }) => !isGone(id));
  }

  /** A term of primary begins: nothing is known but that everything is about to be offered. */
  reset(lastSeqno: Seqno): void {
    for (const peer of this.#peers) {
      peer.matchSeqno = 0;
      peer.sentSeqno = lastSeqno;
      peer.inFlight = [];
    }
  }

  resetAges(): void {
    for (const peer of this.#peers) peer.ackAgeTicks = 0;
  }
}

/** The newest node first: it has most to catch up. */
export const newestFirst = (): number => 0;

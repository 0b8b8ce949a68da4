/** What the owner has to do next, gathered until it is drained. */
import type { Effects, NodeId, Outgoing, Role, RoleChange, SeqnoRange, Vote } from "../engine.ts";
import type { Seqno, TxId, View } from "../tx-id.ts";

const noEffects: Effects = { send: [] };

export class EffectQueue {
  rolledBackTo: Seqno | undefined;
  append: SeqnoRange | undefined;
  #persist: TxId | undefined;
  #persistVote: Vote | undefined;
  #committed: Seqno | undefined;
  #send: Outgoing[] = [];
  #announced: RoleChange | undefined;
  #isSignatureWanted = false;
  #retiredNodes: readonly NodeId[] = [];
  #isEmpty = true;

  rollback(seqno: Seqno): void {
    this.rolledBackTo = Math.min(seqno, this.rolledBackTo ?? seqno);
    this.#isEmpty = false;
  }

  appended(firstSeqno: Seqno, lastSeqno: Seqno): void {
    this.append = { firstSeqno, lastSeqno };
    this.#isEmpty = false;
  }

  persist(txId: TxId): void {
    this.#persist = txId;
    this.#isEmpty = false;
  }

  persistVote(view: View, votedFor: NodeId): void {
    this.#persistVote = { view, votedFor };
    this.#isEmpty = false;
  }

  commit(seqno: Seqno): void {
    this.#committed = seqno;
    this.#isEmpty = false;
  }

  send(outgoing: Outgoing): void {
    this.#send.push(outgoing);
    this.#isEmpty = false;
  }

  wantSignature(isWanted: boolean): void {
    this.#isSignatureWanted = isWanted;
    this.#isEmpty = false;
  }

  retire(nodes: readonly NodeId[]): void {
    this.#retiredNodes = nodes;
    this.#isEmpty = false;
  }

  /** @param last the last entry and its view: what is after it need not be durable, nor be sent */
  drain(role: Role, view: View, primaryId: NodeId | undefined, last: TxId): Effects {
    const known = this.#announced;
    const isSame = known?.role === role && known.view === view && known.primaryId === primaryId;
    if (this.#isEmpty && isSame) return noEffects;
    const roleChange = isSame ? undefined : { role, view, primaryId };
    this.#announced = roleChange ?? known;
    let persist = this.#persist;
    if (persist !== undefined && persist.seqno > last.seqno) {
      persist = last.seqno > 0 ? last : undefined;
    }
    const effects: Effects = {
      ...(this.rolledBackTo === undefined ? {} : { rolledBackTo: this.rolledBackTo }),
      ...(this.append === undefined ? {} : { append: this.append }),
      ...(persist === undefined ? {} : { persist }),
      ...(this.#persistVote === undefined ? {} : { persistVote: this.#persistVote }),
      ...(this.#committed === undefined ? {} : { committed: this.#committed }),
      send: this.#send.filter(({ entries }) => (entries?.lastSeqno ?? 0) <= last.seqno),
      ...(roleChange === undefined ? {} : { roleChange }),
      ...(this.#isSignatureWanted ? { isSignatureWanted: true } : {}),
      ...(this.#retiredNodes.length === 0 ? {} : { retiredNodes: this.#retiredNodes }),
    };
    this.#clear();
    return effects;
  }

  #clear(): void {
    this.rolledBackTo = undefined;
    this.append = undefined;
    this.#persist = undefined;
    this.#persistVote = undefined;
    this.#committed = undefined;
    this.#send = [];
    this.#isSignatureWanted = false;
    this.#retiredNodes = [];
    this.#isEmpty = true;
  }
}

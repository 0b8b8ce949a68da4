/**
 * The contract of consensus engines. An engine orders entries and decides when they are committed;
 * it does no I/O, knows no clock, and never sees the bytes of an entry. Its owner
 *
 * 1. calls an input (`propose`, `step`, `tick`, `persisted`, `votePersisted`, `newView`),
 * 2. drains the effects, and carries them out in the order of the fields of `Effects`,
 * 3. when something has become durable, says so with `persisted`. Nothing else has to wait: the
 *    engine holds back every message that promises durability until it has been told.
 *
 * Rules that every engine keeps: only signatures are commit points; what is committed is never
 * rolled back; seqnos have no gaps; in one view there is at most one primary; the entries of a view
 * follow those of lower views. The conformance suite checks them.
 */
import type { Seqno, TxId, TxStatus, View } from "./tx-id.ts";

/** SHA-256 of the node's public key, lower-case hex. */
export type NodeId = string;

/** What an engine has to know about single entries. */
export type Mark =
  /** A commit point: a signature over everything before it. */
  | { readonly kind: "signature"; readonly seqno: Seqno }
  /** From this entry on the network consists of these nodes (of the old ones too, until commit). */
  | { readonly kind: "configuration"; readonly seqno: Seqno; readonly nodes: readonly NodeId[] }
  /** Says that the retirement of these nodes was committed: they may be stopped afterwards. */
  | { readonly kind: "retired"; readonly seqno: Seqno; readonly nodes: readonly NodeId[] };

/** Consecutive entries of one view. */
export interface Batch {
  readonly view: View;
  readonly firstSeqno: Seqno;
  /** Inclusive. */
  readonly lastSeqno: Seqno;
  /** In order of seqnos. */
  readonly marks: readonly Mark[];
  /** Encoded size of the entries, when it is known: messages are filled by it. */
  readonly sizeBytes?: number;
}

/** A `preVoteCandidate` asks whether it could win before it begins an election. */
export type Role = "primary" | "backup" | "preVoteCandidate" | "candidate" | "retired";

/**
 * How far the retirement of the node itself is: its entry is in the ledger, signed, committed, or
 * a later entry that says so is committed. Until then it takes part.
 */
export type RetirementPhase = "ordered" | "signed" | "completed" | "retiredCommitted";

/** A vote that has to survive a restart of the engine. */
export interface Vote {
  readonly view: View;
  readonly votedFor: NodeId | undefined;
}

export interface SeqnoRange {
  readonly firstSeqno: Seqno;
  /** Inclusive. */
  readonly lastSeqno: Seqno;
}

/** A message to another node: the engine's own bytes, and entries that the owner attaches. */
export interface Outgoing {
  readonly to: NodeId;
  readonly message: Uint8Array;
  /** Entries of the ledger, all of one view, as they were when the effect was drained. */
  readonly entries?: SeqnoRange;
}

/** What the owner has to do, in the order of these fields. */
export interface Effects {
  /**
   * Entries after this seqno are gone: undo them in the store, cut them from the ledger. A write
   * of them that is still under way is not to be reported by `persisted` any more: the same
   * entries can be appended again, and would be taken for durable before they are.
   */
  readonly rolledBackTo?: Seqno;
  /** Of the entries that came with the message just stepped: append and apply these. */
  readonly append?: SeqnoRange;
  /** Make the ledger durable up to this entry, then call `persisted` with it. */
  readonly persist?: TxId;
  /** Make this durable, then call `votePersisted` with its view. */
  readonly persistVote?: Vote;
  /** Everything up to this seqno, a signature, is final. */
  readonly committed?: Seqno;
  readonly send: readonly Outgoing[];
  /** The view, the role or the known primary has changed. */
  readonly roleChange?: RoleChange;
  /** The node has become primary: propose a signature as soon as possible. */
  readonly isSignatureWanted?: boolean;
  /** The retirement of these nodes is committed: propose an entry that says so. */
  readonly retiredNodes?: readonly NodeId[];
}

export interface RoleChange {
  readonly role: Role;
  readonly view: View;
  readonly primaryId: NodeId | undefined;
}

/** Where an engine begins. */
export interface EngineStart {
  /** First seqno of each view, view 1 first, as `Engine.viewFirstSeqnos` gives it. */
  readonly viewFirstSeqnos: readonly Seqno[];
  /**
   * Highest view in which the node may have given out ids, also of entries that are lost. The
   * engine goes on above it, so that no id ever stands for two transactions. Absent: the view of
   * the last entry.
   */
  readonly view?: View;
  /** Last entry of the ledger on disk. */
  readonly lastSeqno: Seqno;
  /** Last signature on disk; 0 when there is none. */
  readonly lastSignatureSeqno: Seqno;
  /**
   * All signatures on disk after `committedSeqno`, in order. An engine that replicates needs them;
   * when absent, it is taken that there is only the last one.
   */
  readonly signatureSeqnos?: readonly Seqno[];
  /**
   * What is known to be committed; 0 when nothing is. An owner may forget some of it, but not that
   * a configuration was committed: the nodes before it may be gone, and would be asked for votes.
   */
  readonly committedSeqno: Seqno;
  /**
   * Nodes of each configuration from the last committed one on. None, with entries: the ledger
   * names no nodes, and the node is alone.
   */
  readonly configurations: readonly (Mark & { readonly kind: "configuration" })[];
  /** Nodes whose retirement is committed, but not yet an entry that says so. */
  readonly retiredNodes?: readonly NodeId[];
  readonly vote?: Vote;
}

export interface EngineOptions {
  readonly nodeId: NodeId;
  /** Absent: a new service, of this node alone, in view 2. */
  readonly start?: EngineStart;
  /** Entries that may wait to be committed. Default 10,000. */
  readonly pendingCountMax?: number;
}

/** For GET /node/consensus. */
export interface EngineDetails {
  readonly role: Role;
  readonly view: View;
  readonly primaryId: NodeId | undefined;
  readonly retirementPhase?: RetirementPhase;
  readonly configurations: readonly { readonly seqno: Seqno; readonly nodes: readonly NodeId[] }[];
  /** Last entry known to be durable on each other node, and ticks since it was heard of. */
  readonly acknowledged: ReadonlyMap<NodeId, { readonly seqno: Seqno; readonly ageTicks: number }>;
  /** Whether this node may start an election when it hears of no primary. */
  readonly isTicking?: boolean;
}

export interface Engine {
  readonly nodeId: NodeId;
  /** View of the entries that may be proposed now, or the highest view heard of. */
  readonly view: View;
  readonly role: Role;
  readonly primaryId: NodeId | undefined;
  /** Last entry, committed or not. */
  readonly seqno: Seqno;
  /** The last committed signature; 0.0 before the first. */
  committed(): TxId;
  status(txId: TxId): TxStatus;
  /** View of the entry at `seqno`; undefined when there is no such entry. */
  viewOf(seqno: Seqno): View | undefined;
  /** First entry of each view from `since` (at least 1) on, as GET /node/commit lists them. */
  viewHistory(since: View): readonly TxId[];
  /** For a snapshot or a restart: entry i is the first seqno of view i + 1. */
  viewFirstSeqnos(): readonly Seqno[];
  details(): EngineDetails;
  /**
   * To be asked before a transaction is executed: whether `count` more entries may be proposed.
   * @throws {CocoError} NotPrimary, TooManyPendingTransactions
   */
  checkCanPropose(count: number): void;
  /**
   * Takes entries that the primary has executed and appended, of the present view, right after
   * the last entry. A batch with a signature is taken even when too many entries wait: it is what
   * ends their waiting.
   * @throws {CocoError} NotPrimary, TooManyPendingTransactions, UnsupportedConfiguration: nothing
   *   of the batch was taken
   */
  propose(batch: Batch): void;
  /** `txId` and everything before it is durable. Entries rolled back meanwhile are ignored. */
  persisted(txId: TxId): void;
  votePersisted(view: View): void;
  /** One unit of time has passed. */
  tick(): void;
  /**
   * A message has come from another node, over an authenticated channel.
   * @param entries the attached entries, which the owner has verified
   * @throws {CocoError} BadMessage
   */
  step(from: NodeId, message: Uint8Array, entries?: Batch): void;
  /**
   * Gives up the entries after the last signature and tries to go on in a higher view. For the
   * owner that has lost the state behind them.
   */
  newView(): void;
  /** A primary that is about to stop asks the most advanced other node to take over. */
  nominateSuccessor(): void;
  drain(): Effects;
}

export type {
  Batch,
  Effects,
  Engine,
  EngineDetails,
  EngineOptions,
  EngineStart,
  Mark,
  NodeId,
  Outgoing,
  RetirementPhase,
  Role,
  RoleChange,
  SeqnoRange,
  Vote,
} from "./engine.ts";
export { consensusErrors } from "./errors.ts";
export { createRaftEngine, type RaftEngineOptions } from "./raft/raft-engine.ts";
export type { Leadership, TraceEvent, TraceObserver, TraceState } from "./raft/raft-trace.ts";
export { createSingleNodeEngine, firstView } from "./single-node-engine.ts";
export { evaluateStatus, type Seqno, type TxId, type TxStatus, type View } from "./tx-id.ts";
export { ViewHistory } from "./view-history.ts";

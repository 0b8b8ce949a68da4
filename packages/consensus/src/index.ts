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
export { createSingleNodeEngine, firstView } from "./single-node-engine.ts";
export { evaluateStatus, type Seqno, type TxId, type TxStatus, type View } from "./tx-id.ts";
export { ViewHistory } from "./view-history.ts";

export { restrictTransaction, type ScriptAccess } from "./access.ts";
export { canonicalJson } from "./canonical-json.ts";
export {
  concatenateConstitution,
  defaultConstitution,
  sandboxConstitution,
} from "./constitution/constitutions.ts";
export {
  type Constitution,
  type ConstitutionPorts,
  createConstitution,
  executionTimeMsMin,
  type ProposalCase,
  type Validation,
  type Vote,
} from "./constitution.ts";
export { governanceErrors } from "./errors.ts";
export {
  createGenesis,
  type GenesisInfo,
  type GenesisRequest,
  type TrustedPlatform,
} from "./genesis.ts";
export { createGovernanceApplication, type GovernancePorts } from "./governance-application.ts";
export type { CreateCommonGlobals, HostApiPorts } from "./host-api.ts";
export {
  activeRecoveryMembers,
  addMember,
  certificateToId,
  effectiveRecoveryRole,
  type NewMember,
  type RecoveryMembers,
} from "./members.ts";
export type { NodeServices, RecoveryServices } from "./node-services.ts";
export {
  createProposal,
  type ProposalOutcome,
  type ProposalPorts,
  type ProposalRefusal,
  proposalIdOf,
  type SignedRequest,
  submitBallot,
  withdrawProposal,
} from "./proposals.ts";
export {
  clearSubmittedShares,
  planRecoveryShares,
  recoveryThreshold,
  type SharePlan,
  type SubmittedShare,
  submitRecoveryShare,
} from "./recovery.ts";
export type { ScriptResult } from "./script-runner.ts";
export { beginServiceOpening, markServiceOpen, type ServiceTransition } from "./service-opening.ts";
export type * from "./table-values.ts";
export { governanceTables, internalTables } from "./tables.ts";
export type { TableAccess, TableView, ValueView } from "./typed-table.ts";

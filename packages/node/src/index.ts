export type { CollectedEvidence } from "./attestation/collect-evidence.ts";
export {
  type Attestation,
  type AttestationOptions,
  createAttestation,
} from "./attestation/create-attestation.ts";
export { attestationErrors } from "./attestation/errors.ts";
export type { EvidenceRequest } from "./attestation/evidence-provider.ts";
export type { NodeConfiguration } from "./config/configuration.ts";
export { loadConfiguration, parseConfiguration } from "./config/load-configuration.ts";
export { configurationSchema } from "./config/schema.ts";
export { nodeErrors } from "./core/errors.ts";
export { type LedgerIdentity, readLedgerIdentity } from "./core/public-recovery.ts";
export { type RunningNode, type StartNodeOptions, startNode } from "./core/start-node.ts";
export type { CreateIndexStrategy, IndexContext } from "./historical/index-modules.ts";
export type {
  CommittedSource,
  IndexedTransaction,
  IndexStrategy,
} from "./historical/indexing.ts";
export { SeqnosByKey, type SeqnosByKeyOptions } from "./historical/seqnos-by-key.ts";
export { createLog, type LogOptions } from "./log.ts";
export { softwareVersion } from "./version.ts";

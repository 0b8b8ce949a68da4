export { allVerifiers } from "./all-verifiers.ts";
export {
  type AppraisalPolicy,
  appraise,
  assess,
  bindingToReportData,
  hasHardwarePlatform,
  isCombinationAllowed,
  type JoinTables,
  type PlatformPolicy,
  type ReportDataBinding,
  tablesToPolicy,
  verifyAndAppraise,
} from "./appraisal.ts";
export {
  azureParavisorProfile,
  azureSnpVerifier,
  azureTdxVerifier,
} from "./azure/azure-verifier.ts";
export { maaVerifier } from "./azure/maa-token.ts";
export { type TeeErrorCode, teeErrors } from "./errors.ts";
export {
  type Evidence,
  type EvidenceFormat,
  evidenceFormats,
  evidenceSizeBytesMax,
  evidenceToQuoteInfo,
  isEvidenceFormat,
  type QuoteInfo,
  quoteInfoToEvidence,
  type TeePlatform,
} from "./evidence.ts";
export { type FoundEvidence, findEvidence, type NamedFile } from "./evidence-files.ts";
export { sgxVerifier, tdxVerifier } from "./intel/dcap-verifier.ts";
export { baselineRules, defaultTcbStatuses, type PlatformRules } from "./platform-rules.ts";
export { jsonToPlatformRules, jsonToRules, platformRulesToJson } from "./policy-json.ts";
export { snpVerifier } from "./snp/snp-verifier.ts";
export {
  type Check,
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type TcbVersion,
  type UvmEndorsement,
  type VerificationInput,
  type VerificationResult,
  verificationToError,
  verifyEvidence,
} from "./verification.ts";
export {
  createVirtualEvidence,
  type VirtualEvidenceOptions,
  virtualMeasurement,
  virtualVerifier,
} from "./virtual.ts";
export { vbsVerifier } from "./vsm/vbs-verifier.ts";

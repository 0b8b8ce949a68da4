export {
  type AppraisalPolicy,
  appraise,
  bindingToReportData,
  hasHardwarePlatform,
  type JoinTables,
  type PlatformPolicy,
  type ReportDataBinding,
  tablesToPolicy,
  verifyAndAppraise,
} from "./appraisal.ts";
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
export { sgxVerifier, tdxVerifier } from "./intel/dcap-verifier.ts";
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

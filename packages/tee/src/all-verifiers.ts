/** Every verifier of this room. */
import { azureSnpVerifier, azureTdxVerifier } from "./azure/azure-verifier.ts";
import { maaVerifier } from "./azure/maa-token.ts";
import { sgxVerifier, tdxVerifier } from "./intel/dcap-verifier.ts";
import { snpVerifier } from "./snp/snp-verifier.ts";
import type { EvidenceVerifier } from "./verification.ts";
import { virtualVerifier } from "./virtual.ts";
import { vbsVerifier } from "./vsm/vbs-verifier.ts";

export const allVerifiers: readonly EvidenceVerifier[] = [
  virtualVerifier,
  snpVerifier,
  sgxVerifier,
  tdxVerifier,
  azureSnpVerifier,
  azureTdxVerifier,
  maaVerifier,
  vbsVerifier,
];

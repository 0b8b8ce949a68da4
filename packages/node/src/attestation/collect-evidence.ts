/** From nothing to evidence that verifies: find the platform, collect, endorse, check. */
import { bytesToHex, equalBytes } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  allVerifiers,
  type Evidence,
  type TeePlatform,
  type VerificationResult,
  verifyEvidence,
} from "@coco/tee";
import type { SecurityContext } from "./amd-sources.ts";
import { evidenceToEndorsementRequest } from "./endorsement-request.ts";
import {
  type EndorsementSource,
  type FoundEndorsements,
  findInOrder,
} from "./endorsement-source.ts";
import { attestationErrors } from "./errors.ts";
import type { EvidenceProvider, EvidenceRequest, ProviderName } from "./evidence-provider.ts";
import type { AttestationPorts } from "./ports.ts";

export interface CollectOptions extends EvidenceRequest {
  /** The configured platform; absent: the first that is found, and never `virtual`. */
  readonly platform?: TeePlatform;
  /** In order of preference. */
  readonly providers: readonly EvidenceProvider[];
  /** In order of preference. */
  readonly sources: readonly EndorsementSource[];
  /** Of a confidential container group. */
  readonly securityContext?: SecurityContext;
  /** Further trust that the verifiers ask for by name, such as `tpm_roots` (VSM). */
  readonly collateral?: ReadonlyMap<string, Uint8Array>;
  readonly ports: AttestationPorts;
}

export interface CollectedEvidence {
  /** With its endorsements, as it goes into a join request. */
  readonly evidence: Evidence;
  readonly provider: ProviderName;
  /** Text whose SHA-256 is the host data; not part of the evidence. */
  readonly securityPolicy?: Uint8Array;
  /** What the node's own verification says. */
  readonly verification: VerificationResult;
}

export interface FoundProvider {
  readonly provider: EvidenceProvider;
  readonly platform: TeePlatform;
}

/**
 * Finds the first provider that works here.
 * @throws {CocoError} PlatformNotFound, PlatformMismatch
 */
export async function findProvider(
  providers: readonly EvidenceProvider[],
  platform?: TeePlatform,
): Promise<FoundProvider> {
  const others: string[] = [];
  for (const provider of providers) {
    if ((provider.name === "virtual") !== (platform === "virtual")) continue;
    const found = await provider.detect();
    if (found !== undefined && (platform ?? found) === found) return { provider, platform: found };
    if (found !== undefined) others.push(`${found} by ${provider.name}`);
  }
  if (platform !== undefined && others.length > 0) {
    const detail = `${platform} is configured, found: ${others.join(", ")}`;
    throw attestationErrors.create("PlatformMismatch", detail);
  }
  const tried = providers.map(({ name }) => name).filter((name) => name !== "virtual");
  throw attestationErrors.create(
    "PlatformNotFound",
    `${platform ?? "any platform"}, by ${tried.join(", ")}`,
  );
}

/**
 * Collects evidence about this process. What is returned passed the node's own verification, so a
 * fake or foreign report never leaves the node. It waits for devices and servers, never blocks.
 * @throws {CocoError} any of `attestationErrors`
 */
export async function collectEvidence(options: CollectOptions): Promise<CollectedEvidence> {
  const { provider } = await findProvider(options.providers, options.platform);
  const { reportData, runtimeData } = options;
  const bare = await provider.collect({
    reportData,
    ...(runtimeData === undefined ? {} : { runtimeData }),
  });
  const completed = addSecurityContext(bare, options.securityContext);
  const evidence = await addEndorsements(completed, options);
  const verification = verify(evidence, options);
  checkGenuine(verification, provider.name, reportData);
  const securityPolicy = options.securityContext?.securityPolicy;
  return {
    evidence,
    provider: provider.name,
    ...(securityPolicy === undefined ? {} : { securityPolicy }),
    verification,
  };
}

function addSecurityContext(evidence: Evidence, context: SecurityContext | undefined): Evidence {
  const uvmEndorsements = context?.uvmEndorsements;
  const isReport = evidence.format === "AMD_SEV_SNP_v1";
  return isReport && uvmEndorsements !== undefined ? { ...evidence, uvmEndorsements } : evidence;
}

function withEndorsements(evidence: Evidence, found: FoundEndorsements): Evidence {
  const { endorsements, endorsedTcb } = found;
  return { ...evidence, endorsements, ...(endorsedTcb === undefined ? {} : { endorsedTcb }) };
}

/** Takes the first endorsements that make the evidence verify: a source may have old ones. */
async function addEndorsements(evidence: Evidence, options: CollectOptions): Promise<Evidence> {
  if (evidence.endorsements.length > 0 && verify(evidence, options).ok) return evidence;
  const request = evidenceToEndorsementRequest(evidence);
  if (request === undefined) return evidence;
  let last = evidence.endorsements.length > 0 ? evidence : undefined;
  const isFit = (found: FoundEndorsements): boolean => {
    last = withEndorsements(evidence, found);
    return verify(last, options).ok;
  };
  try {
    return withEndorsements(evidence, await findInOrder(options.sources, request, isFit));
  } catch (cause) {
    // With endorsements at hand the verification says more than that none of them fitted.
    if (last !== undefined) return last;
    throw cause;
  }
}

function verify(evidence: Evidence, options: CollectOptions): VerificationResult {
  const { ports, securityContext } = options;
  const policy = securityContext?.securityPolicy;
  const collateral = new Map(options.collateral);
  if (policy !== undefined) collateral.set("security_policy", policy);
  return verifyEvidence(allVerifiers, {
    evidence,
    nowMs: ports.clock.nowMs(),
    crypto: createNodeCrypto(),
    collateral,
  });
}

function checkGenuine(
  verification: VerificationResult,
  provider: ProviderName,
  reportData: Uint8Array,
): void {
  const failed = verification.checks.find(({ ok }) => !ok);
  if (!verification.ok) {
    const detail = `${provider}, ${failed?.name}: ${failed?.detail}`;
    throw attestationErrors.create("EvidenceNotGenuine", detail, { code: verification.code });
  }
  const shown = verification.claims?.reportData ?? new Uint8Array(0);
  if (equalBytes(shown, reportData)) return;
  throw attestationErrors.create("EvidenceForeign", `${provider}: ${bytesToHex(shown)}`);
}

/** From evidence to claims: what a verifier takes and gives, whatever the platform. */
import type { Certificates, Hash, Verifier } from "@coco/base";
import { type TeeErrorCode, teeErrors } from "./errors.ts";
import {
  type Evidence,
  type EvidenceFormat,
  evidenceFormats,
  evidenceSizeBytesMax,
  type TeePlatform,
} from "./evidence.ts";

/** Security versions of the parts of a platform, each 0 to 255 or 65535; larger is newer. */
export interface TcbVersion {
  readonly components: Readonly<Record<string, number>>;
  /** The platform's own hexadecimal form. */
  readonly hex: string;
}

/** An endorsement of a utility VM by the party that builds it. */
export interface UvmEndorsement {
  /** `did:x509:...` */
  readonly did: string;
  readonly feed: string;
  readonly svn: number;
}

/** What the evidence proves, in the same words for every platform. */
export interface Claims {
  readonly platform: TeePlatform;
  readonly format: EvidenceFormat;
  /** False for evidence that any process can write. */
  readonly isHardware: boolean;
  readonly isDebug: boolean;
  /** Lower-case hex of the code's measurement; for `virtual` the text itself. */
  readonly measurement: string;
  /** Lower-case hex of what the starter of the code bound to it. */
  readonly hostData: string | undefined;
  /** 64 bytes, chosen by the attested code; shorter data is padded with zeros at the end. */
  readonly reportData: Uint8Array;
  /** Who signed the code (SGX: MRSIGNER), lower-case hex. */
  readonly signer?: string;
  /** CPU product, for example Milan. */
  readonly product?: string;
  /** CPUID or FMSPC, lower-case hex: the key under which minimum TCB versions are governed. */
  readonly cpu?: string;
  /** Identity of the particular machine, lower-case hex. */
  readonly hardwareId?: string;
  readonly tcb?: TcbVersion;
  /** Vendor's verdict about the TCB, for example UpToDate. */
  readonly tcbStatus?: string;
  readonly advisories?: readonly string[];
  readonly uvmEndorsement?: UvmEndorsement;
  /** Further facts of the platform, for people and for rules of a constitution. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** One thing that was looked at: an auditor reads them in order. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface VerificationResult {
  readonly ok: boolean;
  /** Why not; present exactly when `ok` is false. */
  readonly code?: TeeErrorCode;
  /** Present when the evidence could be read; trust them only when `ok`. */
  readonly claims?: Claims;
  readonly checks: readonly Check[];
  /** True when the evidence proves nothing about hardware; show it wherever a person looks. */
  readonly isInsecure: boolean;
  /** For a person: platform and, where it holds, that it is insecure. */
  readonly label: string;
}

export interface VerificationInput {
  readonly evidence: Evidence;
  /** Time at which certificates and collateral have to be valid. */
  readonly nowMs: number;
  readonly crypto: Hash & Verifier & Certificates;
  /** DER certificates that replace the pinned vendor roots; for tests of verifiers. */
  readonly trustAnchors?: readonly Uint8Array[];
  /** Collateral that does not travel with the evidence, by name (revocation lists, TCB info). */
  readonly collateral?: ReadonlyMap<string, Uint8Array>;
  /** For tests of verifiers only. */
  readonly isDebugAllowed?: boolean;
}

/** Verifies the evidence of one platform. It never throws for bad evidence. */
export interface EvidenceVerifier {
  readonly platform: TeePlatform;
  readonly formats: readonly EvidenceFormat[];
  verify(input: VerificationInput): VerificationResult;
}

/** Collects checks; the first that fails gives the code of the result. */
export class CheckList {
  readonly checks: Check[] = [];
  #code: TeeErrorCode | undefined;

  /** @returns `ok`, so that dependent checks can be left out. */
  add(name: string, ok: boolean, detail: string, code: TeeErrorCode): boolean {
    this.checks.push({ name, ok, detail });
    if (!ok) this.#code ??= code;
    return ok;
  }

  /** Refuses code that can be read from outside; a test may allow it. */
  checkDebug(claims: Claims, input: Pick<VerificationInput, "isDebugAllowed">): void {
    const isFine = !claims.isDebug || input.isDebugAllowed === true;
    this.add("debug", isFine, claims.isDebug ? "on" : "off", "DebugEnabled");
  }

  toResult(platform: TeePlatform, claims: Claims | undefined): VerificationResult {
    const isInsecure = claims === undefined ? platform === "virtual" : !claims.isHardware;
    const label = isInsecure ? `${platform} (INSECURE: no hardware protection)` : platform;
    const code = this.#code;
    return {
      ok: code === undefined,
      ...(code === undefined ? {} : { code }),
      ...(claims === undefined ? {} : { claims }),
      checks: this.checks,
      isInsecure,
      label,
    };
  }
}

/** The error for a failed result, with the first failed check as its detail. */
export function verificationToError(result: VerificationResult) {
  const failed = result.checks.find((check) => !check.ok);
  return teeErrors.create(
    result.code ?? "EvidenceMalformed",
    failed === undefined ? result.label : `${failed.name}: ${failed.detail}`,
    { platform: result.label },
  );
}

/** Picks the verifier by format and runs it. */
export function verifyEvidence(
  verifiers: readonly EvidenceVerifier[],
  input: VerificationInput,
): VerificationResult {
  const { evidence } = input;
  const platform = evidenceFormats[evidence.format];
  const list = new CheckList();
  const verifier = verifiers.find((candidate) => candidate.formats.includes(evidence.format));
  const isKnown = list.add(
    "format",
    verifier !== undefined,
    evidence.format,
    "EvidenceFormatUnsupported",
  );
  const sizes = [evidence.quote, evidence.endorsements, evidence.uvmEndorsements];
  const isBounded = sizes.every((bytes) => (bytes?.length ?? 0) <= evidenceSizeBytesMax);
  list.add("size", isBounded, `at most ${evidenceSizeBytesMax} bytes`, "EvidenceMalformed");
  if (!isKnown || !isBounded || verifier === undefined) return list.toResult(platform, undefined);
  const result = verifier.verify(input);
  return { ...result, checks: [...list.checks, ...result.checks] };
}

/** The global `snp_attestation`. */
import { bytesToBuffer, expectBuffer, hostFunctions } from "./host-function.ts";

export interface SnpAttestationInput {
  readonly evidence: Uint8Array;
  readonly endorsements: Uint8Array;
  readonly uvmEndorsements: Uint8Array | undefined;
  readonly endorsedTcb: string | undefined;
}

/**
 * Port: verifies evidence of an AMD SEV-SNP processor.
 * @returns the object that CCF's `SnpAttestationResult` describes, with bytes where it has buffers
 */
export type VerifySnpAttestation = (
  input: SnpAttestationInput,
) => Readonly<Record<string, unknown>>;

export function createSnpAttestation(verify: VerifySnpAttestation | undefined) {
  return hostFunctions({
    verifySnpAttestation(...args: unknown[]): unknown {
      if (args.length < 2 || args.length > 4) {
        throw new TypeError(`Passed ${args.length} arguments, but expected between 2 and 4`);
      }
      if (verify === undefined) {
        throw new Error("This node cannot verify AMD SEV-SNP attestations");
      }
      const [evidence, endorsements, uvmEndorsements, endorsedTcb] = args;
      const result = verify({
        evidence: expectBuffer(evidence),
        endorsements: expectBuffer(endorsements),
        uvmEndorsements: uvmEndorsements === undefined ? undefined : expectBuffer(uvmEndorsements),
        endorsedTcb: endorsedTcb === undefined ? undefined : String(endorsedTcb),
      });
      return toScriptValue(result);
    },
  });
}

/** A fresh copy in which bytes are ArrayBuffers. */
function toScriptValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return bytesToBuffer(value);
  if (Array.isArray(value)) return value.map(toScriptValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, toScriptValue(item)]),
  );
}

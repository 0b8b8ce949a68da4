/** Quotes of a TPM 2.0. Integers are big endian. @source TCG TPM 2.0 Library part 2, TPMS_ATTEST */
import {
  bytesToHex,
  concatBytes,
  derBitString,
  derElement,
  derInteger,
  derObjectIdentifier,
  derSequence,
  derTag,
  equalBytes,
  type SignatureAlgorithm,
} from "@coco/base";
import { EvidenceReader } from "../evidence-reader.ts";
import type { CheckList, VerificationInput } from "../verification.ts";
import { isSigned } from "../x509/certificate-path.ts";

export interface TpmQuote {
  /** The challenge: at most 64 bytes. */
  readonly nonce: Uint8Array;
  /** Hash of the quoted bank, and of the digest. */
  readonly bank: TpmHash;
  /** Indices of the quoted registers, ascending. */
  readonly selection: readonly number[];
  readonly digest: Uint8Array;
  readonly resetCount: number;
  readonly restartCount: number;
}

export type TpmHash = "SHA-1" | "SHA-256" | "SHA-384";

const hashes: Readonly<Record<number, TpmHash>> = { 4: "SHA-1", 11: "SHA-256", 12: "SHA-384" };
const magic = 0xff544347;
const attestQuote = 0x8018;
const registersCountMax = 24;

export function tpmHash(identifier: number): TpmHash | undefined {
  return hashes[identifier];
}

/** @throws {CocoError} EvidenceMalformed */
export function bytesToTpmQuote(bytes: Uint8Array): TpmQuote {
  const reader = new EvidenceReader(bytes, "TPM quote");
  if (reader.u32be() !== magic) reader.fail("the TPM did not make it");
  if (reader.u16be() !== attestQuote) reader.fail("it is no quote");
  reader.sized();
  const nonce = reader.sized();
  if (nonce.length > 64) reader.fail("the challenge is longer than 64 bytes");
  reader.take(8);
  const resetCount = reader.u32be();
  const restartCount = reader.u32be();
  if (reader.u8() > 1) reader.fail("clock safety is neither yes nor no");
  reader.take(8);
  if (reader.u32be() !== 1) reader.fail("not exactly one bank");
  const bank = hashes[reader.u16be()] ?? reader.fail("an unknown bank");
  const mask = reader.take(reader.u8());
  const selection: number[] = [];
  for (let index = 0; index < 8 * mask.length; index++) {
    if (((mask[index >> 3]! >> (index & 7)) & 1) === 1) selection.push(index);
  }
  if ((selection.at(-1) ?? 0) >= registersCountMax) reader.fail("a register above 23");
  const digest = reader.sized();
  reader.end();
  return { nonce, bank, selection, digest, resetCount, restartCount };
}

/** TPMT_SIGNATURE when it begins like one, else the bare RSA signature with SHA-256. */
function readSignature(bytes: Uint8Array): {
  /** Undefined for schemes that are too weak or not known. */
  readonly algorithm: SignatureAlgorithm | undefined;
  readonly value: Uint8Array;
} {
  const isBare = bytes.length % 128 === 0;
  if (isBare) return { algorithm: "RS256", value: bytes };
  const reader = new EvidenceReader(bytes, "TPM signature");
  const scheme = reader.u16be();
  const hash = hashes[reader.u16be()];
  const value = reader.sized();
  reader.end();
  if (scheme === 0x14 && hash === "SHA-256") return { algorithm: "RS256", value };
  if (scheme === 0x14 && hash === "SHA-384") return { algorithm: "RS384", value };
  if (scheme === 0x16 && hash === "SHA-256") return { algorithm: "PS256", value };
  return { algorithm: undefined, value };
}

export interface TpmEvidence {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** Values of the registers 0 to 23, or of the quoted ones only. */
  readonly registers: ReadonlyMap<number, Uint8Array>;
}

/**
 * Checks a quote: signature by the attestation key, digest over the registers, challenge present.
 * @param publicKey DER SubjectPublicKeyInfo of the attestation key
 * @throws {CocoError} EvidenceMalformed
 */
export function checkTpmQuote(
  list: CheckList,
  input: VerificationInput,
  evidence: TpmEvidence,
  publicKey: Uint8Array,
): TpmQuote {
  const { crypto } = input;
  const { message, signature, registers } = evidence;
  const code = "TpmQuoteInvalid";
  const { algorithm, value } = readSignature(signature);
  const isGenuine =
    algorithm !== undefined && isSigned(() => crypto.verify(algorithm, publicKey, message, value));
  list.add("tpm signature", isGenuine, algorithm ?? "no algorithm that counts", code);
  const quote = bytesToTpmQuote(message);
  const isStrong = quote.bank !== "SHA-1";
  list.add("tpm bank", isStrong, quote.bank, code);
  const values = quote.selection.map((index) => registers.get(index));
  const isComplete = values.every((register) => register !== undefined);
  const isSame =
    isStrong &&
    isComplete &&
    equalBytes(crypto.digest("SHA-256", concatBytes(...(values as Uint8Array[]))), quote.digest);
  list.add("tpm registers", isSame, `PCR ${quote.selection.join(" ")}`, code);
  const { nonce } = quote;
  list.add("challenge", nonce.length > 0, bytesToHex(nonce) || "empty", "NonceMissing");
  return quote;
}

/**
 * SubjectPublicKeyInfo of an attestation key given as TPMT_PUBLIC: RSA, restricted to signing.
 * @throws {CocoError} EvidenceMalformed
 */
export function tpmPublicToPublicKey(bytes: Uint8Array): Uint8Array {
  const reader = new EvidenceReader(bytes, "TPM public key");
  if (reader.u16be() !== 1) reader.fail("no RSA key");
  reader.u16be();
  const attributes = reader.u32be();
  // A key that also signs what it did not make could sign a forged quote.
  const isRestrictedSigner = (attributes & 0x5_0000) === 0x5_0000;
  if (!isRestrictedSigner) reader.fail("the key is not restricted to signing");
  reader.sized();
  if (reader.u16be() !== 0x10) reader.fail("a signing key has no symmetric algorithm");
  if (reader.u16be() !== 0x10) reader.u16be();
  reader.u16be();
  const exponent = reader.u32be() || 0x1_0001;
  const modulus = reader.sized();
  reader.end();
  const octets = [exponent >>> 24, exponent >>> 16, exponent >>> 8, exponent];
  return rsaToPublicKey(modulus, Uint8Array.from(octets.map((octet) => octet & 0xff)));
}

/** SubjectPublicKeyInfo of an RSA key. @source RFC 8017 appendix A.1.1 */
export function rsaToPublicKey(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const algorithm = derSequence(
    derObjectIdentifier("1.2.840.113549.1.1.1"),
    derElement(derTag.null),
  );
  const key = derSequence(derInteger(modulus), derInteger(exponent));
  return derSequence(algorithm, derBitString(key));
}

/** From the pinned Intel root to the body of a quote: five signatures and hashes in a row. */
import {
  base64ToBytes,
  bytesToHex,
  concatBytes,
  DerReader,
  derBitString,
  derObjectIdentifier,
  derSequence,
  derTag,
  equalBytes,
  type ParsedCertificate,
} from "@coco/base";
import { teeErrors } from "../errors.ts";
import { isZero } from "../evidence-reader.ts";
import type { CheckList, VerificationInput } from "../verification.ts";
import { bytesToCertificates, checkPath, isSigned, keyDigest } from "../x509/certificate-path.ts";
import type { DcapQuote } from "./dcap-quote.ts";

/** SHA-256 of the key of "Intel SGX Root CA". */
const intelRootKeyDigest = "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e";

/** @source https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer */
const intelRoot = [
  "MIICjzCCAjSgAwIBAgIUImUM1lqdNInzg7SVUr9QGzknBqwwCgYIKoZIzj0EAwIwaDEaMBgGA1UEAwwRSW50",
  "ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFy",
  "YTELMAkGA1UECAwCQ0ExCzAJBgNVBAYTAlVTMB4XDTE4MDUyMTEwNDUxMFoXDTQ5MTIzMTIzNTk1OVowaDEa",
  "MBgGA1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0aW9uMRQwEgYDVQQH",
  "DAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJBgNVBAYTAlVTMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD",
  "QgAEC6nEwMDIYZOj/iPWsCzaEKi71OiOSLRFhWGjbnBVJfVnkY4u3IjkDYYL0MxO4mqsyYjlBalTVYxFP2sJ",
  "BK5zlKOBuzCBuDAfBgNVHSMEGDAWgBQiZQzWWp00ifODtJVSv1AbOScGrDBSBgNVHR8ESzBJMEegRaBDhkFo",
  "dHRwczovL2NlcnRpZmljYXRlcy50cnVzdGVkc2VydmljZXMuaW50ZWwuY29tL0ludGVsU0dYUm9vdENBLmRl",
  "cjAdBgNVHQ4EFgQUImUM1lqdNInzg7SVUr9QGzknBqwwDgYDVR0PAQH/BAQDAgEGMBIGA1UdEwEB/wQIMAYB",
  "Af8CAQEwCgYIKoZIzj0EAwIDSQAwRgIhAOW/5QkR+S9CiSDcNoowLuPRLsWGf/Yi7GSX94BgwTwgAiEA4J0l",
  "rHoMs+Xo5o/sX6O9QWxHRAvZUGOdRQ7cvqRXaqI=",
].join("");

/** What the platform's certificate says; Intel vouches for it. */
export interface PckFacts {
  /** 16 bytes. */
  readonly ppid: Uint8Array;
  /** 16 values. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes: family of platforms. */
  readonly fmspc: Uint8Array;
}

const arc = "1.2.840.113741.1.13.1";

function fail(detail: string): never {
  throw teeErrors.create("EndorsementsInvalid", detail);
}

/** SEQUENCE OF SEQUENCE {identifier, value}. */
function readPairs(reader: DerReader): Map<string, DerReader> {
  const pairs = new Map<string, DerReader>();
  while (!reader.isAtEnd) {
    const pair = reader.enter(derTag.sequence);
    const identifier = pair.objectIdentifier();
    if (pairs.has(identifier)) fail(`the fact ${identifier} appears twice`);
    pairs.set(identifier, pair);
  }
  return pairs;
}

/** @throws {CocoError} EndorsementsInvalid, BadDer */
export function certificateToPckFacts(certificate: ParsedCertificate): PckFacts {
  const extension = certificate.extensions.get(arc);
  if (extension === undefined) fail("the certificate is not of an SGX platform");
  const pairs = readPairs(new DerReader(extension.value).enter(derTag.sequence));
  const get = (from: Map<string, DerReader>, name: string) =>
    from.get(name) ?? fail(`the fact ${name} is missing`);
  const tcb = readPairs(get(pairs, `${arc}.2`).enter(derTag.sequence));
  const components = Array.from({ length: 16 }, (_, index) =>
    get(tcb, `${arc}.2.${index + 1}`).smallInteger(),
  );
  const pceSvn = get(tcb, `${arc}.2.17`).smallInteger();
  const bytes = (name: string, size: number) => {
    const value = get(pairs, `${arc}.${name}`).octetString();
    return value.length === size ? value : fail(`the fact ${name} has ${value.length} bytes`);
  };
  const ppid = bytes("1", 16);
  return { ppid, components, pceSvn, pceId: bytes("3", 2), fmspc: bytes("4", 6) };
}

/** SubjectPublicKeyInfo of a P-256 point. @source RFC 5480 */
function pointToPublicKey(point: Uint8Array): Uint8Array {
  return derSequence(
    derSequence(
      derObjectIdentifier("1.2.840.10045.2.1"),
      derObjectIdentifier("1.2.840.10045.3.1.7"),
    ),
    derBitString(concatBytes(Uint8Array.of(4), point)),
  );
}

export interface IntelRoots {
  readonly certificates: readonly ParsedCertificate[];
  readonly keyDigests: ReadonlySet<string>;
}

/** The pinned root, or what a test puts in its place. */
export function intelRoots(input: VerificationInput): IntelRoots {
  const { crypto, trustAnchors } = input;
  if (trustAnchors === undefined) {
    const certificates = bytesToCertificates(base64ToBytes(intelRoot));
    return { certificates, keyDigests: new Set([intelRootKeyDigest]) };
  }
  const certificates = trustAnchors.flatMap((der) => bytesToCertificates(der));
  const digests = certificates.map((anchor) => keyDigest(crypto, anchor));
  return { certificates, keyDigests: new Set(digests) };
}

export interface CheckedPlatform {
  /** Platform key, its authority, the root. */
  readonly path: readonly ParsedCertificate[];
  readonly facts: PckFacts;
  /** Whether every signature from the root to the body of the quote is right. */
  readonly isGenuine: boolean;
}

/** Checks who signed the quote. @returns undefined when the platform is not Intel's */
export function checkDcapSignature(
  list: CheckList,
  input: VerificationInput,
  quote: DcapQuote,
): CheckedPlatform | undefined {
  const { crypto, nowMs } = input;
  const [leaf, ...given] = quote.certificates;
  const roots = intelRoots(input);
  const path = checkPath(list, {
    name: "pck",
    crypto,
    leaf: leaf!,
    others: given,
    rootKeyDigests: roots.keyDigests,
    nowMs,
  });
  if (path === undefined || leaf === undefined) return undefined;
  const authority = /CN=Intel SGX PCK (Processor|Platform) CA/.exec(leaf.issuer);
  const isPck = path.length === 3 && authority !== null;
  if (!list.add("pck issuer", isPck, leaf.issuer, "EndorsementsInvalid")) return undefined;
  const facts = certificateToPckFacts(leaf);
  const isQeSigned = isSigned(() =>
    crypto.verify("ES256", leaf.publicKey, quote.qeReport.bytes, quote.qeSignature),
  );
  const code = "EvidenceSignatureInvalid";
  list.add("quoting enclave signature", isQeSigned, "ECDSA P-256 by the platform key", code);
  const bound = crypto.sha256(concatBytes(quote.attestationKey, quote.qeAuthData));
  const { reportData } = quote.qeReport;
  const isBound = equalBytes(reportData.subarray(0, 32), bound) && isZero(reportData.subarray(32));
  list.add("attestation key", isBound, bytesToHex(bound), code);
  const key = pointToPublicKey(quote.attestationKey);
  const isGenuine = isSigned(() => crypto.verify("ES256", key, quote.signedBytes, quote.signature));
  list.add("signature", isGenuine, `ECDSA P-256 over ${quote.signedBytes.length} bytes`, code);
  return { path, facts, isGenuine: isQeSigned && isBound && isGenuine };
}

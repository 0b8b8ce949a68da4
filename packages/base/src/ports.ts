/**
 * Ports: what the pure rooms need from the world. The node gives them from node:crypto, the
 * browser from a portable library, the simulator from a seed.
 */

/** Wall clock of the host, which is not trusted: it never decides safety. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  nowMs(): number;
}

export interface Rng {
  /** Fresh secret random bytes. */
  bytes(lengthBytes: number): Uint8Array;
}

export type HashName = "SHA-256" | "SHA-384" | "SHA-512";

export interface Hash {
  /** 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  digest(name: HashName, data: Uint8Array): Uint8Array;
  /** 32 bytes: HMAC-SHA-256. @source RFC 2104 */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** @source RFC 5869 with SHA-256 */
  hkdfSha256(
    keyMaterial: Uint8Array,
    salt: Uint8Array,
    info: Uint8Array,
    lengthBytes: number,
  ): Uint8Array;
}

/** AES-256-GCM: key 32 bytes, IV 12 bytes, tag 16 bytes. */
export interface Aead {
  seal(
    key: Uint8Array,
    iv: Uint8Array,
    plaintext: Uint8Array,
    additionalData: Uint8Array,
  ): { readonly ciphertext: Uint8Array; readonly tag: Uint8Array };
  /** @throws {CocoError} DecryptionFailed */
  open(
    key: Uint8Array,
    iv: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    additionalData: Uint8Array,
  ): Uint8Array;
}

/** COSE names of the signature algorithms; ECDSA signatures are r||s (IEEE P1363). */
export type SignatureAlgorithm =
  | "ES256"
  | "ES384"
  | "ES512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "RS256"
  | "RS384"
  | "RS512"
  | "EdDSA";

/** A private key that stays where it is. */
export interface Signer {
  readonly algorithm: SignatureAlgorithm;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Hashes `data` with the algorithm's hash and signs. ECDSA: r||s. */
  sign(data: Uint8Array): Uint8Array;
}

export interface Verifier {
  /**
   * Checks a signature over `data`.
   * @param publicKey DER SubjectPublicKeyInfo
   * @param signature ECDSA: r||s
   * @returns false for a wrong signature, and for a key that does not fit the algorithm
   */
  verify(
    algorithm: SignatureAlgorithm,
    publicKey: Uint8Array,
    data: Uint8Array,
    signature: Uint8Array,
  ): boolean;
  /**
   * Checks an ECDSA signature made over a SHA-256 value by any curve (CCF signs Merkle roots so).
   * @param preimage the bytes whose SHA-256 was signed
   * @param signature DER SEQUENCE {r, s}
   */
  verifyEcdsaSha256(publicKey: Uint8Array, preimage: Uint8Array, signature: Uint8Array): boolean;
  /** As `verifyEcdsaSha256`, for the 32-byte digest itself; slower. */
  verifyEcdsaDigest(publicKey: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean;
}

/** What appraisal and authentication need to know of an X.509 certificate. */
export interface CertificateInfo {
  readonly der: Uint8Array;
  readonly subject: string;
  readonly issuer: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly isAuthority: boolean;
}

export interface Certificates {
  /** @param certificate PEM text or DER bytes. @throws {CocoError} BadCertificate */
  parse(certificate: string | Uint8Array): CertificateInfo;
  /** True when `issuer`'s key signed `certificate` and the names fit; time is not checked. */
  isIssuedBy(certificate: CertificateInfo, issuer: CertificateInfo): boolean;
}

/** RSA-OAEP with SHA-256 and MGF1-SHA-256, no label. */
export interface KeyWrap {
  /** @param publicKey PEM (SPKI). @throws {CocoError} BadKey */
  wrapRsaOaep(publicKey: string, data: Uint8Array): Uint8Array;
  /** @param privateKey PEM. @throws {CocoError} DecryptionFailed */
  unwrapRsaOaep(privateKey: string, data: Uint8Array): Uint8Array;
}

/** Everything together: what a host hands to the rooms. */
export interface Crypto extends Hash, Aead, Verifier, Certificates, KeyWrap, Rng {}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Structured log: a sentence and flat facts, never payloads or secrets. */
export type Log = (
  level: LogLevel,
  message: string,
  facts?: Readonly<Record<string, string | number | boolean>>,
) => void;

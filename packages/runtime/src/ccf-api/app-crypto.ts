/** Port: the algorithms behind `ccf.crypto`. A host gives them, from node:crypto for instance. */

export type DigestAlgorithm = "SHA-256" | "SHA-384" | "SHA-512";

export type SigningAlgorithm =
  | { readonly name: "EdDSA" }
  | { readonly name: "ECDSA" | "HMAC"; readonly hash: DigestAlgorithm }
  | { readonly name: "RSA-PSS"; readonly hash: DigestAlgorithm; readonly saltLength: number };

export type WrapAlgorithm =
  | { readonly name: "RSA-OAEP"; readonly label: Uint8Array | undefined }
  | { readonly name: "AES-KWP" }
  | {
      readonly name: "RSA-OAEP-AES-KWP";
      /** Bits: 128, 192 or 256. */
      readonly aesKeySize: number;
      readonly label: Uint8Array | undefined;
    };

/** PEM texts: PKCS#8 and SPKI. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** What a JWK or a PEM text holds. */
export type KeyKind =
  | "ecPublic"
  | "ecPrivate"
  | "rsaPublic"
  | "rsaPrivate"
  | "eddsaPublic"
  | "eddsaPrivate";

export type Jwk = Readonly<Record<string, string>>;

/** Every function may throw an Error whose message names the fault and no secret. */
export interface AppCrypto {
  randomBytes(lengthBytes: number): Uint8Array;
  digest(algorithm: DigestAlgorithm, data: Uint8Array): Uint8Array;
  /**
   * @param key private key in PEM; for HMAC the text of the key
   * @returns ECDSA: r||s (IEEE P1363)
   */
  sign(algorithm: SigningAlgorithm, key: string, data: Uint8Array): Uint8Array;
  /** @param key public key or certificate in PEM */
  verify(
    algorithm: SigningAlgorithm,
    key: string,
    signature: Uint8Array,
    data: Uint8Array,
  ): boolean;
  generateRsaKeyPair(sizeBits: number, exponent: number): KeyPair;
  generateEcdsaKeyPair(curve: "secp256r1" | "secp384r1"): KeyPair;
  generateEddsaKeyPair(curve: "curve25519" | "x25519"): KeyPair;
  /** @param wrappingKey for RSA the bytes of a PEM text, otherwise the AES key */
  wrapKey(algorithm: WrapAlgorithm, wrappingKey: Uint8Array, key: Uint8Array): Uint8Array;
  /** @param unwrappingKey as for `wrapKey` */
  unwrapKey(algorithm: WrapAlgorithm, unwrappingKey: Uint8Array, wrapped: Uint8Array): Uint8Array;
  /** True when `pem` holds certificates only, and at least one. */
  isValidX509CertBundle(pem: string): boolean;
  /**
   * True when the first certificate of `chain` leads to one of `trusted` by the others.
   * @param nowMs host time for the validity of the certificates
   */
  isValidX509CertChain(chain: string, trusted: string, nowMs: number): boolean;
  pemToJwk(kind: KeyKind, pem: string, keyId: string | undefined): Jwk;
  jwkToPem(kind: KeyKind, jwk: Jwk): string;
  /** DER of the certificate in a PEM text. */
  certificateToDer(pem: string): Uint8Array;
}

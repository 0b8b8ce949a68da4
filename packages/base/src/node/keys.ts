/** Private keys of a process: made, read, and used as `Signer`. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { baseErrors, type SignatureAlgorithm, type Signer } from "../index.ts";
import { algorithmFacts } from "./crypto.ts";

export type CurveName = "secp256r1" | "secp384r1";

/** A signing key of this process. The private half never leaves it except through `toPem`. */
export interface SigningKey extends Signer {
  /** SPKI PEM. */
  readonly publicPem: string;
  readonly privateKey: KeyObject;
  /** Signs on the thread pool. ECDSA: r||s. */
  signAsync(data: Uint8Array): Promise<Uint8Array>;
  /** ECDSA over the SHA-256 of `preimage`, whatever the curve; DER; on the thread pool. */
  signSha256DerAsync(preimage: Uint8Array): Promise<Uint8Array>;
  /** PKCS#8 PEM. */
  toPem(): string;
}

const algorithmOfCurve = new Map<string | undefined, SignatureAlgorithm>([
  ["prime256v1", "ES256"],
  ["secp384r1", "ES384"],
  ["secp521r1", "ES512"],
]);

function algorithmOf(key: KeyObject): SignatureAlgorithm {
  if (key.asymmetricKeyType === "rsa") return "PS256";
  if (key.asymmetricKeyType === "ed25519") return "EdDSA";
  const algorithm = algorithmOfCurve.get(key.asymmetricKeyDetails?.namedCurve);
  if (algorithm === undefined) throw baseErrors.create("BadKey", key.asymmetricKeyType ?? "");
  return algorithm;
}

function createSigningKey(privateKey: KeyObject): SigningKey {
  const algorithm = algorithmOf(privateKey);
  const publicKey = createPublicKey(privateKey);
  const { hash, keyType, isPss } = algorithmFacts[algorithm];
  const options =
    keyType === "ec"
      ? { key: privateKey, dsaEncoding: "ieee-p1363" as const }
      : isPss
        ? { key: privateKey, padding: 6, saltLength: -1 }
        : { key: privateKey };
  const pooled = (name: string | null, data: Uint8Array, key: typeof options) =>
    new Promise<Uint8Array>((resolve, reject) =>
      sign(name, data, key, (error, signature) => (error ? reject(error) : resolve(signature))),
    );
  return {
    algorithm,
    privateKey,
    publicKey: new Uint8Array(publicKey.export({ format: "der", type: "spki" })),
    publicPem: publicKey.export({ format: "pem", type: "spki" }) as string,
    sign: (data) => sign(hash, data, options),
    signAsync: (data) => pooled(hash, data, options),
    signSha256DerAsync: (preimage) => pooled("sha256", preimage, { key: privateKey }),
    toPem: () => privateKey.export({ format: "pem", type: "pkcs8" }) as string,
  };
}

/** Makes a new EC key. */
export function generateSigningKey(curve: CurveName = "secp384r1"): SigningKey {
  // OpenSSL knows secp256r1 by its older name only.
  const namedCurve = curve === "secp256r1" ? "prime256v1" : curve;
  return createSigningKey(generateKeyPairSync("ec", { namedCurve }).privateKey);
}

/** @param pem PKCS#8, SEC1 or PKCS#1 PEM. @throws {CocoError} BadKey */
export function pemToSigningKey(pem: string): SigningKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw baseErrors.create("BadKey", "not a private key in PEM form", {}, cause);
  }
  return createSigningKey(key);
}

/** A fresh RSA key pair for encryption: SPKI and PKCS#8 PEM. */
export function generateEncryptionKey(modulusBits = 2048): {
  readonly publicPem: string;
  readonly privatePem: string;
} {
  const pair = generateKeyPairSync("rsa", { modulusLength: modulusBits });
  return {
    publicPem: pair.publicKey.export({ format: "pem", type: "spki" }) as string,
    privatePem: pair.privateKey.export({ format: "pem", type: "pkcs8" }) as string,
  };
}

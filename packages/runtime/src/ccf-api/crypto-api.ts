/** `ccf.crypto`: checks the arguments as CCF does and calls the port. */
import type {
  AppCrypto,
  DigestAlgorithm,
  Jwk,
  KeyKind,
  KeyPair,
  SigningAlgorithm,
  WrapAlgorithm,
} from "./app-crypto.ts";
import {
  bufferToBytes,
  bytesToBuffer,
  expectBuffer,
  expectCount,
  expectCounts,
  hostFunctions,
  toPlainError,
} from "./host-function.ts";

type Fields = Readonly<Record<string, unknown>>;

const hashNames: readonly unknown[] = ["SHA-256", "SHA-384", "SHA-512"];

/** Runs a function of the port; its errors begin with what was tried. */
function attempt<Result>(what: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw new Error(`${what}: ${toPlainError(error).message}`);
  }
}

function toFields(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null) return value as Fields;
  throw new TypeError(`${what} must be an object`);
}

function toHash(value: unknown): DigestAlgorithm {
  if (hashNames.includes(value)) return value as DigestAlgorithm;
  throw new RangeError("Unsupported hash algorithm, supported: SHA-256, SHA-384, SHA-512");
}

/** Reads each property once, because the object belongs to the program. */
function toSigningAlgorithm(value: unknown, isVerifying: boolean): SigningAlgorithm {
  const { name, hash, saltLength } = toFields(value, "The algorithm");
  if (name === "EdDSA") return { name };
  const checkedHash = toHash(hash);
  if (name === "ECDSA" || (name === "HMAC" && !isVerifying)) return { name, hash: checkedHash };
  if (name === "RSA-PSS") {
    const length = Math.trunc(Number(saltLength ?? 0));
    if (!(length >= 0 && length <= 512)) throw new RangeError("Invalid salt length");
    return { name, hash: checkedHash, saltLength: length };
  }
  const supported = isVerifying ? "RSA-PSS, ECDSA, EdDSA" : "RSA-PSS, ECDSA, EdDSA, HMAC";
  throw new RangeError(`Unsupported signing algorithm, supported: ${supported}`);
}

function toWrapAlgorithm(value: unknown, verb: "wrapping" | "unwrapping"): WrapAlgorithm {
  const { name, label, aesKeySize } = toFields(value, "The algorithm");
  const labelBytes = bufferToBytes(label);
  const checkedLabel = labelBytes !== undefined && labelBytes.length > 0 ? labelBytes : undefined;
  if (name === "RSA-OAEP") return { name, label: checkedLabel };
  if (name === "AES-KWP") return { name };
  if (name === "RSA-OAEP-AES-KWP") {
    return { name, aesKeySize: toAesKeySize(aesKeySize, verb), label: checkedLabel };
  }
  throw new RangeError(
    `unsupported key ${verb} algorithm, supported: RSA-OAEP, AES-KWP, RSA-OAEP-AES-KWP`,
  );
}

/** The size counts for wrapping only: the wrapped key tells its own. */
function toAesKeySize(value: unknown, verb: "wrapping" | "unwrapping"): number {
  const size = Math.trunc(Number(value));
  if (size === 128 || size === 192 || size === 256) return size;
  if (verb === "unwrapping") return 256;
  throw new RangeError("invalid key size (not one of 128, 192, 256)");
}

function createKeyFunctions(crypto: AppCrypto) {
  return {
    generateAesKey(...args: unknown[]): ArrayBuffer {
      expectCount(args, 1);
      const size = Math.trunc(Number(args[0]));
      if (size !== 128 && size !== 192 && size !== 256) {
        throw new RangeError("invalid key size (not one of 128, 192, 256)");
      }
      return bytesToBuffer(crypto.randomBytes(size / 8));
    },

    generateRsaKeyPair(...args: unknown[]): KeyPair {
      expectCounts(args, 1);
      const size = Math.trunc(Number(args[0]));
      const exponent = args.length === 2 ? Math.trunc(Number(args[1])) : 0x10001;
      return attempt("Failed to generate RSA key pair", () => {
        // Nothing can interrupt the search for primes, and it grows with the fourth power.
        if (!(size >= 2048 && size <= 4096)) {
          throw new Error("the size must be 2048 to 4096 bits");
        }
        return { ...crypto.generateRsaKeyPair(size, exponent) };
      });
    },

    generateEcdsaKeyPair(...args: unknown[]): KeyPair {
      expectCount(args, 1);
      const curve = String(args[0]);
      if (curve !== "secp256r1" && curve !== "secp384r1") {
        throw new RangeError("Unsupported curve id, supported: secp256r1, secp384r1");
      }
      return { ...crypto.generateEcdsaKeyPair(curve) };
    },

    generateEddsaKeyPair(...args: unknown[]): KeyPair {
      expectCount(args, 1);
      const curve = String(args[0]);
      if (curve !== "curve25519" && curve !== "x25519") {
        throw new RangeError("Unsupported curve id, supported: curve25519, x25519");
      }
      return { ...crypto.generateEddsaKeyPair(curve) };
    },

    wrapKey(...args: unknown[]): ArrayBuffer {
      expectCount(args, 3);
      const [key, wrappingKey] = [expectBuffer(args[0]), expectBuffer(args[1])];
      const algorithm = toWrapAlgorithm(args[2], "wrapping");
      return attempt("Failed to wrap key", () =>
        bytesToBuffer(crypto.wrapKey(algorithm, wrappingKey, key)),
      );
    },

    unwrapKey(...args: unknown[]): ArrayBuffer {
      expectCount(args, 3);
      const [wrapped, unwrappingKey] = [expectBuffer(args[0]), expectBuffer(args[1])];
      const algorithm = toWrapAlgorithm(args[2], "unwrapping");
      return attempt("Failed to unwrap key", () =>
        bytesToBuffer(crypto.unwrapKey(algorithm, unwrappingKey, wrapped)),
      );
    },
  };
}

function createSignatureFunctions(crypto: AppCrypto, nowMs: () => number) {
  return {
    digest(...args: unknown[]): ArrayBuffer {
      expectCount(args, 2);
      const name = String(args[0]);
      if (!hashNames.includes(name)) {
        throw new RangeError("unsupported digest algorithm, supported: SHA-256, SHA-384, SHA-512");
      }
      return bytesToBuffer(crypto.digest(name as DigestAlgorithm, expectBuffer(args[1])));
    },

    sign(...args: unknown[]): ArrayBuffer {
      expectCount(args, 3);
      const data = expectBuffer(args[2]);
      const algorithm = toSigningAlgorithm(args[0], false);
      const key = String(args[1]);
      return attempt("Failed to sign", () => bytesToBuffer(crypto.sign(algorithm, key, data)));
    },

    verifySignature(...args: unknown[]): boolean {
      expectCount(args, 4);
      const [signature, data] = [expectBuffer(args[2]), expectBuffer(args[3])];
      const algorithm = toSigningAlgorithm(args[0], true);
      const key = String(args[1]);
      return attempt("Failed to verify signature", () =>
        crypto.verify(algorithm, key, signature, data),
      );
    },

    isValidX509CertBundle(...args: unknown[]): boolean {
      expectCount(args, 1);
      return crypto.isValidX509CertBundle(String(args[0]));
    },

    isValidX509CertChain(...args: unknown[]): boolean {
      expectCount(args, 2);
      return crypto.isValidX509CertChain(String(args[0]), String(args[1]), nowMs());
    },
  };
}

/** PEM to JWK, by the kind of key. */
const pemConverters: Readonly<Record<string, KeyKind>> = {
  pubPemToJwk: "ecPublic",
  pemToJwk: "ecPrivate",
  pubRsaPemToJwk: "rsaPublic",
  rsaPemToJwk: "rsaPrivate",
  pubEddsaPemToJwk: "eddsaPublic",
  eddsaPemToJwk: "eddsaPrivate",
};

/** JWK to PEM, by the kind of key. */
const jwkConverters: Readonly<Record<string, KeyKind>> = {
  pubJwkToPem: "ecPublic",
  jwkToPem: "ecPrivate",
  pubRsaJwkToPem: "rsaPublic",
  rsaJwkToPem: "rsaPrivate",
  pubEddsaJwkToPem: "eddsaPublic",
  eddsaJwkToPem: "eddsaPrivate",
};

function createKeyConverters(crypto: AppCrypto) {
  const functions: Record<string, (...args: unknown[]) => unknown> = {};
  for (const [name, kind] of Object.entries(pemConverters)) {
    functions[name] = (...args: unknown[]): Jwk => {
      expectCounts(args, 1);
      const keyId = args.length === 2 ? String(args[1]) : undefined;
      const pem = String(args[0]);
      return attempt("Failed to convert pem to jwk", () => ({
        ...crypto.pemToJwk(kind, pem, keyId),
      }));
    };
  }
  for (const [name, kind] of Object.entries(jwkConverters)) {
    functions[name] = (...args: unknown[]): string => {
      expectCount(args, 1);
      const text: unknown = JSON.stringify(args[0]);
      return attempt("Failed to convert jwk to pem", () => {
        if (typeof text !== "string") throw new Error("not an object");
        return crypto.jwkToPem(kind, toJwk(JSON.parse(text)));
      });
    };
  }
  return functions;
}

/** Members of a JWK that are text; others do not describe the key. */
function toJwk(value: unknown): Jwk {
  const entries = Object.entries(toFields(value, "A JWK"));
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** Names of `ccf.crypto` that stand on `ccf` too, as in older versions of CCF. */
const deprecatedAliases = [
  "generateAesKey",
  "generateRsaKeyPair",
  "generateEcdsaKeyPair",
  "wrapKey",
  "digest",
  "isValidX509CertBundle",
  "isValidX509CertChain",
] as const;

/**
 * @param nowMs host time, for the validity of certificates
 * @returns `ccf.crypto`, and the functions of it that stand on `ccf` too
 */
export function createCryptoApi(crypto: AppCrypto, nowMs: () => number) {
  const api = hostFunctions({
    ...createKeyFunctions(crypto),
    ...createSignatureFunctions(crypto, nowMs),
    ...createKeyConverters(crypto),
  });
  const aliases = Object.fromEntries(deprecatedAliases.map((name) => [name, api[name]]));
  return { api, aliases };
}

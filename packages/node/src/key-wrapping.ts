/** Wrapping of keys: RSA-OAEP with SHA-256, AES key wrap with padding, and both together. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import type { WrapAlgorithm } from "@coco/runtime";

/** The alternative initial value. @source RFC 5649 section 3 */
const alternativeInitialValue = Uint8Array.of(0xa6, 0x59, 0x59, 0xa6);

function aesCipher(key: Uint8Array): string {
  if (![16, 24, 32].includes(key.length)) {
    throw new Error("the AES key must have 128, 192 or 256 bits");
  }
  return `id-aes${key.length * 8}-wrap-pad`;
}

/** @source RFC 5649 */
function wrapWithAes(wrappingKey: Uint8Array, key: Uint8Array): Uint8Array {
  if (key.length === 0) throw new Error("there is no key to wrap");
  const cipher = createCipheriv(aesCipher(wrappingKey), wrappingKey, alternativeInitialValue);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

/** @source RFC 5649 */
function unwrapWithAes(unwrappingKey: Uint8Array, wrapped: Uint8Array): Uint8Array {
  const cipher = aesCipher(unwrappingKey);
  const decipher = createDecipheriv(cipher, unwrappingKey, alternativeInitialValue);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}

function oaepOptions(label: Uint8Array | undefined) {
  return {
    oaepHash: "sha256",
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    ...(label === undefined ? {} : { oaepLabel: label }),
  };
}

/** @source RFC 8017 section 7.1 */
function wrapWithRsa(pem: Uint8Array, key: Uint8Array, label: Uint8Array | undefined): Uint8Array {
  return publicEncrypt({ key: createPublicKey(Buffer.from(pem)), ...oaepOptions(label) }, key);
}

/** @source RFC 8017 section 7.1 */
function unwrapWithRsa(
  pem: Uint8Array,
  wrapped: Uint8Array,
  label: Uint8Array | undefined,
): Uint8Array {
  return privateDecrypt(
    { key: createPrivateKey(Buffer.from(pem)), ...oaepOptions(label) },
    wrapped,
  );
}

/** @param wrappingKey for RSA the bytes of a PEM text, otherwise the AES key */
export function wrapKey(
  algorithm: WrapAlgorithm,
  wrappingKey: Uint8Array,
  key: Uint8Array,
): Uint8Array {
  switch (algorithm.name) {
    case "RSA-OAEP":
      return wrapWithRsa(wrappingKey, key, algorithm.label);
    case "AES-KWP":
      return wrapWithAes(wrappingKey, key);
    case "RSA-OAEP-AES-KWP": {
      // The key of the moment, wrapped by RSA, stands in front of the wrapped key.
      const momentaryKey = randomBytes(algorithm.aesKeySize / 8);
      const first = wrapWithRsa(wrappingKey, momentaryKey, algorithm.label);
      return Buffer.concat([first, wrapWithAes(momentaryKey, key)]);
    }
  }
}

/** @param unwrappingKey as for `wrapKey`, with the private key */
export function unwrapKey(
  algorithm: WrapAlgorithm,
  unwrappingKey: Uint8Array,
  wrapped: Uint8Array,
): Uint8Array {
  switch (algorithm.name) {
    case "RSA-OAEP":
      return unwrapWithRsa(unwrappingKey, wrapped, algorithm.label);
    case "AES-KWP":
      return unwrapWithAes(unwrappingKey, wrapped);
    case "RSA-OAEP-AES-KWP": {
      const details = createPrivateKey(Buffer.from(unwrappingKey)).asymmetricKeyDetails;
      const firstLength = Math.ceil((details?.modulusLength ?? 0) / 8);
      if (firstLength === 0 || wrapped.length <= firstLength) throw new Error("it is too short");
      const first = wrapped.subarray(0, firstLength);
      const momentaryKey = unwrapWithRsa(unwrappingKey, first, algorithm.label);
      return unwrapWithAes(momentaryKey, wrapped.subarray(firstLength));
    }
  }
}

export { createNodeCrypto, toPublicKeyObject } from "./crypto.ts";
export {
  type CurveName,
  generateEncryptionKey,
  generateSigningKey,
  pemToSigningKey,
  type SigningKey,
} from "./keys.ts";

export { AssertionError, assert, unreachable } from "./assert.ts";
export {
  base64ToBytes,
  bytesToBase64,
  bytesToBase64Url,
  bytesToHex,
  bytesToLatin1,
  bytesToUtf8,
  compareBytes,
  concatBytes,
  equalBytes,
  equalSecretBytes,
  hexToBytes,
  latin1ToBytes,
  utf8ToBytes,
} from "./bytes.ts";
export { baseErrors } from "./catalogue.ts";
export { CborTag, type CborValue, decodeCbor, encodeCbor } from "./cbor.ts";
export {
  type CoseHeaders,
  type CoseSign1,
  coseAlgorithm,
  coseAlgorithmNumber,
  coseHeader,
  coseKeyId,
  coseToBeSigned,
  decodeCoseSign1,
  encodeCoseSign1,
  keyIdToBytes,
  signCoseSign1,
  verifyCoseSign1,
} from "./cose.ts";
export {
  type DerElement,
  DerReader,
  derBitString,
  derBoolean,
  derContextTag,
  derElement,
  derElementToText,
  derInteger,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derTag,
  derTime,
  derUtf8String,
  ecdsaDerToRaw,
  ecdsaRawToDer,
} from "./der.ts";
export {
  CocoError,
  defineErrors,
  type ErrorCatalogue,
  type ErrorDescription,
  type ErrorFacts,
  errorToLine,
  isCocoError,
} from "./errors.ts";
export { derToPem, type PemBlock, pemToBlocks, pemToDer } from "./pem.ts";
export type {
  Aead,
  CertificateInfo,
  Certificates,
  Clock,
  Crypto,
  Hash,
  HashName,
  KeyWrap,
  Log,
  LogLevel,
  Rng,
  SignatureAlgorithm,
  Signer,
  Verifier,
} from "./ports.ts";
export { BoundedQueue } from "./queue.ts";
export {
  type CertificateOptions,
  type CertificateRequestOptions,
  createCertificate,
  createCertificateRequest,
  type EndorsementOptions,
  endorseCertificateRequest,
} from "./x509.ts";
export {
  derToName,
  ipToBytes,
  nameToDer,
  type SubjectAltName,
  textToAltName,
} from "./x509-name.ts";
export {
  type CertificateExtension,
  type CertificateRequest,
  certificateToPublicKey,
  ecdsaCoordinateSize,
  type ParsedCertificate,
  parseCertificate,
  parseCertificateRequest,
  verifyX509Signature,
} from "./x509-parse.ts";

/** The file between `--prepare` and `--finish`: a governance message without its signature. */
import {
  base64ToBytes,
  bytesToBase64,
  bytesToUtf8,
  certificateToPublicKey,
  coseAlgorithmNumber,
  ecdsaCoordinateSize,
  type SignatureAlgorithm,
} from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import {
  type Answer,
  finishMessage,
  type Governance,
  type GovernanceMessage,
  type PreparedMessage,
  preparedMessageToDigest,
  prepareMessage,
} from "@coco/client";
import { certificateToId } from "./connection.ts";
import { cliErrors } from "./errors.ts";
import { readBytes, readJson, writeFile } from "./files.ts";

/** All bytes are base64. `alg` and `value` are what key vaults ask for. */
interface PreparedFile {
  readonly path: string;
  readonly algorithm: SignatureAlgorithm;
  readonly protectedHeader: string;
  readonly payload: string;
  /** COSE Sig_structure: what a key that hashes by itself signs. */
  readonly toBeSigned: string;
  /** COSE number of the algorithm. */
  readonly alg: number;
  /** Digest of `toBeSigned`: what a key that signs digests signs. */
  readonly value: string;
}

const algorithms: Readonly<Record<number, SignatureAlgorithm>> = {
  32: "ES256",
  48: "ES384",
  66: "ES512",
};

/** Writes the message for the member whose certificate is given. @throws {CocoError} Usage */
export function writePrepared(
  file: string,
  message: GovernanceMessage,
  certificate: string,
): PreparedFile {
  const size = ecdsaCoordinateSize(certificateToPublicKey(certificate));
  const algorithm = algorithms[size ?? 0];
  if (algorithm === undefined) {
    throw cliErrors.create("Usage", "the member certificate has no EC key");
  }
  const prepared = prepareMessage(message, {
    memberId: certificateToId(certificate),
    algorithm,
    createdAtSeconds: Math.floor(Date.now() / 1000),
  });
  const content: PreparedFile = {
    path: prepared.path,
    algorithm,
    protectedHeader: bytesToBase64(prepared.protectedBytes),
    payload: bytesToBase64(prepared.payload),
    toBeSigned: bytesToBase64(prepared.toBeSigned),
    alg: coseAlgorithmNumber(algorithm),
    value: bytesToBase64(preparedMessageToDigest(prepared, createNodeCrypto())),
  };
  writeFile(file, `${JSON.stringify(content, undefined, 2)}\n`);
  return content;
}

/** Sends what `writePrepared` wrote, with its signature. */
export async function sendPrepared(
  governance: Governance,
  file: string,
  signatureFile: string | undefined,
): Promise<Answer> {
  if (signatureFile === undefined) throw cliErrors.create("Usage", "--signature is missing");
  const content = readJson<PreparedFile>(file);
  const prepared: PreparedMessage = {
    path: content.path,
    algorithm: content.algorithm,
    protectedBytes: base64ToBytes(content.protectedHeader),
    payload: base64ToBytes(content.payload),
    toBeSigned: base64ToBytes(content.toBeSigned),
  };
  const signature = readSignature(signatureFile);
  return governance.send(prepared.path, finishMessage(prepared, signature));
}

/** Raw r||s bytes, or the same as base64 text. */
function readSignature(file: string): Uint8Array {
  const bytes = readBytes(file);
  try {
    const text = bytesToUtf8(bytes).trim();
    return base64ToBytes(text);
  } catch {
    return bytes;
  }
}

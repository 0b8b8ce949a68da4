/** Keys and certificates of members and users, with the file names that CCF's tools use. */
import { generateKeyPair } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { createCertificate } from "@coco/base";
import { type CurveName, createNodeCrypto, generateSigningKey } from "@coco/base/node";
import { certificateToId } from "./connection.ts";
import { writeFile } from "./files.ts";

export interface IdentityOptions {
  /** Directory that is made when needed. */
  readonly directory: string;
  /** Beginning of the file names, and the common name: `member0`. */
  readonly name: string;
  readonly curve?: CurveName;
  readonly validityDays: number;
  /** Also a key pair for recovery shares. */
  readonly hasEncryptionKey: boolean;
}

/** Paths of PEM files. */
export interface IdentityFiles {
  /** Hex SHA-256 of the certificate. */
  readonly id: string;
  readonly cert: string;
  readonly key: string;
  readonly encryptionKey?: string;
  readonly encryptionPublicKey?: string;
}

const dayMs = 24 * 60 * 60 * 1000;

export function identityPaths(directory: string, name: string) {
  return {
    cert: join(directory, `${name}_cert.pem`),
    key: join(directory, `${name}_privk.pem`),
    encryptionKey: join(directory, `${name}_enc_privk.pem`),
    encryptionPublicKey: join(directory, `${name}_enc_pubk.pem`),
  };
}

const generateRsaKey = promisify(generateKeyPair);

/** RSA keys take long to find, so this is done on the thread pool. */
function generateEncryptionKey(): Promise<{
  readonly publicKey: string;
  readonly privateKey: string;
}> {
  return generateRsaKey("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

/** Makes the files of one identity. @throws {CocoError} FileExists, FileUnwritable */
export async function createIdentity(options: IdentityOptions): Promise<IdentityFiles> {
  const { directory, name, validityDays } = options;
  const crypto = createNodeCrypto();
  const key = generateSigningKey(options.curve);
  const nowMs = Date.now();
  const certificate = createCertificate({
    subject: `CN=${name}`,
    publicKey: key.publicKey,
    signer: key,
    // A minute of slack for clocks that are behind.
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + validityDays * dayMs,
    serial: positiveSerial(crypto.bytes(16)),
    isAuthority: false,
    hash: crypto,
  });
  const paths = identityPaths(directory, name);
  writeFile(paths.key, key.toPem(), { isSecret: true, isNew: true });
  writeFile(paths.cert, certificate, { isNew: true });
  const id = certificateToId(certificate);
  if (!options.hasEncryptionKey) return { id, cert: paths.cert, key: paths.key };
  const encryption = await generateEncryptionKey();
  writeFile(paths.encryptionKey, encryption.privateKey, { isSecret: true, isNew: true });
  writeFile(paths.encryptionPublicKey, encryption.publicKey, { isNew: true });
  return { id, ...paths };
}

/** RFC 5280 wants positive serial numbers; the first bits 01 make it so at full length. */
function positiveSerial(bytes: Uint8Array): Uint8Array {
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes;
}

/** Finds the service and the member's key that a command works with. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { bytesToHex, pemToDer } from "@coco/base";
import { createNodeCrypto } from "@coco/base/node";
import type { Connection } from "@coco/client";
import { type ClientIdentity, connectNode } from "@coco/client/node";
import type { OptionValues } from "./command.ts";
import { cliErrors } from "./errors.ts";
import { readJson, readText } from "./files.ts";
import { type SandboxFacts, sandboxFactsFile } from "./sandbox/facts.ts";

const text = (options: OptionValues, name: string) => options[name] as string | undefined;

/** The running or last sandbox in the directory that `--sandbox` names. */
export function findSandbox(options: OptionValues): SandboxFacts | undefined {
  const directory = text(options, "sandbox");
  if (directory === undefined) return undefined;
  const path = join(directory, sandboxFactsFile);
  return existsSync(path) ? readJson<SandboxFacts>(path) : undefined;
}

/** @throws {CocoError} NotConnected, FileUnreadable */
function openConnection(options: OptionValues, identity?: ClientIdentity): Connection {
  const sandbox = findSandbox(options);
  const url = text(options, "url") ?? sandbox?.url;
  const certificateFile = text(options, "serviceCert") ?? sandbox?.serviceCert;
  if (url === undefined || certificateFile === undefined) {
    const missing = url === undefined ? "the URL" : "the service certificate";
    throw cliErrors.create("NotConnected", `${missing} is missing`);
  }
  const serviceCertificate = readText(certificateFile);
  return connectNode({ url, serviceCertificate, ...(identity && { identity }) });
}

/** The PEM files of the member that signs. @throws {CocoError} NotConnected, FileUnreadable */
export function findMember(options: OptionValues): ClientIdentity {
  const { certificate, key } = findMemberFiles(options);
  if (key === undefined) {
    throw cliErrors.create("NotConnected", "--member-key is missing");
  }
  return { certificate: readText(certificate), key: readText(key) };
}

/** The member's certificate alone, for messages that are signed elsewhere. */
export function findMemberCertificate(options: OptionValues): string {
  return readText(findMemberFiles(options).certificate);
}

/** PEM of the private RSA key of the member that signs. @throws {CocoError} NotConnected */
export function findEncryptionKey(options: OptionValues): string {
  const given = text(options, "encryptionKey");
  if (given !== undefined) return readText(given);
  const isOwn = text(options, "memberCert") === undefined;
  const member = isOwn ? findSandbox(options)?.members[Number(options["member"] ?? 0)] : undefined;
  if (member === undefined) {
    throw cliErrors.create("NotConnected", "--encryption-key is missing");
  }
  return readText(member.encryptionKey);
}

function findMemberFiles(options: OptionValues): {
  readonly certificate: string;
  readonly key: string | undefined;
} {
  const certificate = text(options, "memberCert");
  if (certificate !== undefined) return { certificate, key: text(options, "memberKey") };
  const members = findSandbox(options)?.members;
  const number = Number(options["member"] ?? 0);
  const member = members?.[number];
  if (member === undefined) {
    const detail =
      members === undefined
        ? "--member-cert and --member-key are missing"
        : `the sandbox has members 0 to ${members.length - 1}`;
    throw cliErrors.create("NotConnected", detail);
  }
  return { certificate: member.cert, key: member.key };
}

/** Hex SHA-256 of the DER certificate: the id of members and users. */
export function certificateToId(certificate: string): string {
  return bytesToHex(createNodeCrypto().sha256(pemToDer(certificate)));
}

/** Runs `use` with a connection that is closed afterwards. */
export async function withConnection<Result>(
  options: OptionValues,
  identity: ClientIdentity | undefined,
  use: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const connection = openConnection(options, identity);
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

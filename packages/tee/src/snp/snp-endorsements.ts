/** The certificate of an SNP machine and its path to AMD's root. @source AMD document 57230 */
import {
  base64ToBytes,
  bytesToHex,
  bytesToLatin1,
  bytesToUtf8,
  concatBytes,
  DerReader,
  derElementToText,
  type ParsedCertificate,
  utf8ToBytes,
} from "@coco/base";
import { teeErrors } from "../errors.ts";
import { readU32 } from "../evidence-reader.ts";
import type { CheckList, VerificationInput } from "../verification.ts";
import { bytesToCertificates, checkPath, keyDigest } from "../x509/certificate-path.ts";
import { checkRevocation } from "../x509/revocation-list.ts";
import { amdCertificates } from "./amd-certificates.ts";
import type { SnpProduct } from "./snp-report.ts";

/** What the certificate says about the machine; read but not trusted. */
export interface SnpKeyFacts {
  /** Milan, Genoa or Turin, without a stepping. */
  readonly productName: string;
  /** By the component names of a TCB version. */
  readonly securityVersions: Readonly<Record<string, number>>;
  /** 64 bytes, on Turin 8; undefined for a VLEK. */
  readonly chipId: Uint8Array | undefined;
  /** Cloud provider's identity in a VLEK. */
  readonly providerId: string | undefined;
}

const arc = "1.3.6.1.4.1.3704.1";
const versionArcs: Readonly<Record<string, string>> = {
  boot_loader: `${arc}.3.1`,
  tee: `${arc}.3.2`,
  snp: `${arc}.3.3`,
  microcode: `${arc}.3.8`,
  fmc: `${arc}.3.9`,
};

/** @throws {CocoError} BadDer */
export function certificateToSnpKeyFacts(certificate: ParsedCertificate): SnpKeyFacts {
  const { extensions } = certificate;
  const text = (name: string) => {
    const value = extensions.get(name)?.value;
    return value === undefined ? undefined : derElementToText(new DerReader(value).element());
  };
  const securityVersions: Record<string, number> = {};
  for (const [name, identifier] of Object.entries(versionArcs)) {
    const value = extensions.get(identifier)?.value;
    if (value !== undefined) securityVersions[name] = new DerReader(value).smallInteger();
  }
  return {
    productName: text(`${arc}.2`)?.replace(/-.*$/, "") ?? "",
    securityVersions,
    chipId: extensions.get(`${arc}.4`)?.value,
    providerId: text(`${arc}.5`),
  };
}

/** The certificates in the JSON that Azure's host gives. */
function jsonToPem(text: string): string {
  const value: unknown = JSON.parse(text);
  const fields = (value ?? {}) as Readonly<Record<string, unknown>>;
  const { vcekCert, certificateChain } = fields;
  if (typeof vcekCert !== "string") throw new SyntaxError("vcekCert is missing");
  return `${vcekCert}\n${typeof certificateChain === "string" ? certificateChain : ""}`;
}

function isBase64Text(bytes: Uint8Array): boolean {
  return /^[A-Za-z0-9+/=_-]+\s*$/.test(bytesToLatin1(bytes));
}

/** Kinds of certificates in the table of the host, as their identifiers stand in it. */
const tableKinds = {
  vcek: "63da758de6644564adc5f4b93be8accd",
  vlek: "a8074bc2a25a483eaae639c045a0b8a1",
  ask: "4ab7b379bbac4fe4a02f05aef327c782",
  ark: "c0b406a4a803495297433fb6014cd0ae",
};

const tableEntrySizeBytes = 24;
const tableEntriesCountMax = 16;

/**
 * The table that Linux hands to a guest: {identifier, offset, length} until an identifier of zeros.
 * @returns undefined when the bytes are no such table
 * @source AMD document 56421 (GHCB), section 4.1.8.1
 */
function readCertificateTable(bytes: Uint8Array): Uint8Array | undefined {
  const found = new Map<string, Uint8Array>();
  for (let index = 0; index < tableEntriesCountMax; index++) {
    const at = index * tableEntrySizeBytes;
    if (at + tableEntrySizeBytes > bytes.length) return undefined;
    const kind = bytesToHex(bytes.subarray(at, at + 16));
    if (/^0+$/.test(kind)) break;
    const start = readU32(bytes, at + 16);
    const end = start + readU32(bytes, at + 20);
    if (end > bytes.length || !Object.values(tableKinds).includes(kind)) return undefined;
    found.set(kind, bytes.subarray(start, end));
  }
  const leaf = found.get(tableKinds.vcek) ?? found.get(tableKinds.vlek);
  if (leaf === undefined) return undefined;
  const others = [tableKinds.ask, tableKinds.ark].map((kind) => found.get(kind));
  return concatBytes(leaf, ...others.filter((der) => der !== undefined));
}

/**
 * Reads endorsements: PEM, DER, the host's JSON (vcekCert, certificateChain), the table
 * that Linux hands to a guest, or base64 of those.
 * @throws {CocoError} EndorsementsInvalid, EndorsementsMissing
 */
export function bytesToSnpEndorsements(bytes: Uint8Array, depth = 0): ParsedCertificate[] {
  if (bytes.length === 0) throw teeErrors.create("EndorsementsMissing");
  if (bytes[0] === 0x7b) {
    try {
      return bytesToCertificates(utf8ToBytes(jsonToPem(bytesToUtf8(bytes))));
    } catch (cause) {
      throw teeErrors.create("EndorsementsInvalid", "JSON without certificates", {}, cause);
    }
  }
  if (bytes[0] !== 0x30 && depth === 0 && isBase64Text(bytes)) {
    return bytesToSnpEndorsements(base64ToBytes(bytesToLatin1(bytes).trim()), depth + 1);
  }
  const table = bytes[0] === 0x30 ? undefined : readCertificateTable(bytes);
  return bytesToCertificates(table ?? bytes);
}

/** Which product the root stands for; a replaced root says it in its name. */
function rootToProduct(digest: string, root: ParsedCertificate): SnpProduct | undefined {
  for (const [product, { rootKeyDigest }] of Object.entries(amdCertificates)) {
    if (rootKeyDigest === digest) return product as SnpProduct;
  }
  const name = /CN=ARK-(Milan|Genoa|Turin)/.exec(root.subject)?.[1];
  return name as SnpProduct | undefined;
}

let pinned: readonly ParsedCertificate[] | undefined;
function pinnedCertificates(): readonly ParsedCertificate[] {
  pinned ??= Object.values(amdCertificates).flatMap(({ certificates }) =>
    certificates.flatMap((text) => bytesToCertificates(base64ToBytes(text))),
  );
  return pinned;
}

export interface SnpEndorsement {
  readonly leaf: ParsedCertificate;
  readonly product: SnpProduct;
  readonly facts: SnpKeyFacts;
}

function checkRevocations(
  list: CheckList,
  input: VerificationInput,
  path: readonly ParsedCertificate[],
): void {
  const der = input.collateral?.get("amd_crl");
  const root = path.at(-1);
  if (der === undefined || root === undefined) {
    list.add("amd crl", true, "none given: revocation not checked", "EndorsementsRevoked");
    return;
  }
  checkRevocation(list, {
    name: "amd crl",
    der,
    issuer: root,
    certificates: path.slice(0, -1),
    crypto: input.crypto,
    nowMs: input.nowMs,
    invalidCode: "RootCrlInvalid",
    expiredCode: "RootCrlExpired",
  });
}

/**
 * Checks the machine's certificate up to the root. The first certificate is the machine's.
 * @returns undefined when it is not AMD's
 */
export function checkSnpEndorsements(
  list: CheckList,
  input: VerificationInput,
  certificates: readonly ParsedCertificate[],
): SnpEndorsement | undefined {
  const { crypto, nowMs, trustAnchors } = input;
  const [leaf, ...given] = certificates;
  if (leaf === undefined) return undefined;
  const anchors = trustAnchors?.flatMap((der) => bytesToCertificates(der));
  const digests =
    anchors?.map((anchor) => keyDigest(crypto, anchor)) ??
    Object.values(amdCertificates).map(({ rootKeyDigest }) => rootKeyDigest);
  const others = [...given, ...(anchors ?? pinnedCertificates())];
  const rootKeyDigests = new Set(digests);
  const path = checkPath(list, { name: "amd", crypto, leaf, others, rootKeyDigests, nowMs });
  if (path === undefined) return undefined;
  const root = path.at(-1)!;
  const product = rootToProduct(keyDigest(crypto, root), root);
  const facts = certificateToSnpKeyFacts(leaf);
  const isOfProduct = product !== undefined && facts.productName === product;
  const shown = `${facts.productName} under ${root.subject}`;
  // Three certificates: nothing between the product's intermediate and the machine.
  const isExact = isOfProduct && path.length === 3;
  if (!list.add("amd product", isExact, shown, "EndorsementsInvalid")) return undefined;
  checkRevocations(list, input, path);
  return { leaf, product: product!, facts };
}

/** Lower-case hex of the part of a chip id that the product uses. */
export function chipIdToText(chipId: Uint8Array, facts: SnpKeyFacts): string {
  return bytesToHex(chipId.subarray(0, facts.chipId?.length ?? chipId.length));
}

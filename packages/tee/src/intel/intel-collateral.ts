/**
 * Intel's signed statements about platforms: TCB info, identity of the quoting enclave, revocation
 * lists. @source Intel PCS API v4
 */
import {
  bytesToHex,
  bytesToUtf8,
  hexToBytes,
  isCocoError,
  type ParsedCertificate,
  utf8ToBytes,
} from "@coco/base";
import { type TeeErrorCode, teeErrors } from "../errors.ts";
import type { CheckList, VerificationInput } from "../verification.ts";
import { bytesToCertificates, checkPath, isSigned, msToText } from "../x509/certificate-path.ts";
import { checkRevocation } from "../x509/revocation-list.ts";
import { type CheckedPlatform, intelRoots } from "./dcap-signature.ts";

/** As it is served and signed; nothing in it is trusted yet. */
interface SignedStatement {
  /** The exact JSON text that was signed. */
  readonly text: string;
  /** r||s */
  readonly signature: Uint8Array;
  /** PEM: signer and root. */
  readonly chain: Uint8Array;
}

export interface IntelCollateral {
  readonly tcbInfo: SignedStatement;
  readonly qeIdentity: SignedStatement;
  /** DER. */
  readonly rootCrl: Uint8Array;
  readonly pckCrl: Uint8Array;
}

export type JsonFields = Readonly<Record<string, unknown>>;

function fail(detail: string): never {
  throw teeErrors.create("CollateralMalformed", detail);
}

const partNames = [
  "tcb_info",
  "tcb_info_signature",
  "tcb_info_issuer_chain",
  "qe_identity",
  "qe_identity_signature",
  "qe_identity_issuer_chain",
  "root_ca_crl",
  "pck_crl",
  "pck_crl_issuer_chain",
];

/** The parts of a JSON bundle in the form that Intel's quote verification library's users know. */
function readBundle(bytes: Uint8Array): Map<string, Uint8Array> {
  const parts = new Map<string, Uint8Array>();
  if (bytes.length === 0) return parts;
  let value: unknown;
  try {
    value = JSON.parse(bytesToUtf8(bytes));
  } catch {
    return fail("no JSON bundle");
  }
  if (typeof value !== "object" || value === null) return fail("no JSON object");
  for (const name of partNames) {
    const part = (value as JsonFields)[name];
    if (typeof part === "string") parts.set(name, utf8ToBytes(part));
    else if (part !== undefined && part !== null) fail(`${name} is no text`);
  }
  return parts;
}

function toText(bytes: Uint8Array): string {
  try {
    return bytesToUtf8(bytes).trim();
  } catch {
    return fail("not UTF-8");
  }
}

/** DER as it is, or in hex, or in PEM. */
function toDer(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0x30 && bytes[1]! >= 0x80) return bytes;
  const text = toText(bytes);
  if (/^[0-9a-fA-F]+$/.test(text) && text.length % 2 === 0) return hexToBytes(text);
  return fail("a revocation list is neither DER nor hex");
}

/** Takes the signed object out of the answer of the service, byte for byte. */
function readStatement(
  parts: ReadonlyMap<string, Uint8Array>,
  name: string,
  field: string,
): SignedStatement | undefined {
  const found = parts.get(name);
  if (found === undefined) return undefined;
  const answer = new RegExp(`^\\{"${field}":(\\{.*\\}),"signature":"([0-9a-fA-F]{128})"\\}$`, "s");
  const text = toText(found);
  const [, inner, inline] = answer.exec(text) ?? [];
  const given = parts.get(`${name}_signature`);
  const signature = inline ?? (given === undefined ? undefined : toText(given));
  const chain = parts.get(`${name}_issuer_chain`);
  if (signature === undefined || chain === undefined) return undefined;
  if (!/^[0-9a-fA-F]{128}$/.test(signature)) fail(`${name}_signature is not 128 hex digits`);
  return { text: inner ?? text, signature: hexToBytes(signature), chain };
}

/**
 * Collects the parts from the evidence and from the verifier's own store, which is preferred.
 * @throws {CocoError} CollateralMalformed, CollateralMissing
 */
export function readIntelCollateral(input: VerificationInput, bundle: Uint8Array): IntelCollateral {
  const parts = readBundle(bundle);
  for (const name of partNames) {
    const own = input.collateral?.get(name);
    if (own !== undefined) parts.set(name, own);
  }
  const tcbInfo = readStatement(parts, "tcb_info", "tcbInfo");
  const qeIdentity = readStatement(parts, "qe_identity", "enclaveIdentity");
  const rootCrl = parts.get("root_ca_crl");
  const pckCrl = parts.get("pck_crl");
  const missing = Object.entries({ tcbInfo, qeIdentity, rootCrl, pckCrl })
    .filter(([, part]) => part === undefined)
    .map(([name]) => name);
  if (missing.length > 0) throw teeErrors.create("CollateralMissing", missing.join(" "));
  return {
    tcbInfo: tcbInfo!,
    qeIdentity: qeIdentity!,
    rootCrl: toDer(rootCrl!),
    pckCrl: toDer(pckCrl!),
  };
}

function parseFields(text: string): JsonFields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as JsonFields) : undefined;
  } catch {
    return undefined;
  }
}

interface StatementRules {
  readonly name: string;
  readonly statement: SignedStatement;
  readonly invalidCode: TeeErrorCode;
  readonly expiredCode: TeeErrorCode;
}

/** Checks signer, signature and period. @returns its fields, when it is genuine */
function checkStatement(
  list: CheckList,
  input: VerificationInput,
  rules: StatementRules,
  signers: ParsedCertificate[],
): JsonFields | undefined {
  const { crypto, nowMs } = input;
  const { name, statement, invalidCode, expiredCode } = rules;
  const roots = intelRoots(input);
  const [leaf, ...others] = bytesToCertificates(statement.chain);
  const path = checkPath(list, {
    name: `${name} signer`,
    crypto,
    leaf: leaf!,
    others,
    rootKeyDigests: roots.keyDigests,
    nowMs,
    invalidCode: "CollateralIssuerInvalid",
    expiredCode: "CollateralIssuerInvalid",
  });
  // A platform key leads to the same root but may not sign statements.
  const isSigner = path?.length === 2 && /CN=Intel SGX TCB Signing/.test(path[0]!.subject);
  const shown = leaf?.subject ?? "none";
  if (!list.add(`${name} issuer`, isSigner, shown, "CollateralIssuerInvalid")) return undefined;
  signers.push(leaf!);
  const bytes = utf8ToBytes(statement.text);
  const isGenuine = isSigned(() =>
    crypto.verify("ES256", leaf!.publicKey, bytes, statement.signature),
  );
  if (!list.add(name, isGenuine, `signature over ${bytes.length} bytes`, invalidCode)) {
    return undefined;
  }
  const fields = parseFields(statement.text);
  if (fields === undefined) return undefined;
  const issuedMs = Date.parse(String(fields["issueDate"]));
  const nextMs = Date.parse(String(fields["nextUpdate"]));
  const isDated = Number.isFinite(issuedMs) && Number.isFinite(nextMs);
  const isCurrent = isDated && issuedMs <= nowMs && nowMs <= nextMs;
  const period = isDated ? `${msToText(issuedMs)} to ${msToText(nextMs)}` : "no dates";
  list.add(`${name} validity`, isCurrent, period, expiredCode);
  return fields;
}

export interface CheckedCollateral {
  readonly tcbInfo: JsonFields;
  readonly qeIdentity: JsonFields;
}

/** Checks every part of the collateral, and the platform's certificates against the lists. */
export function checkIntelCollateral(
  list: CheckList,
  input: VerificationInput,
  collateral: IntelCollateral,
  platform: CheckedPlatform,
): CheckedCollateral | undefined {
  const { crypto, nowMs } = input;
  const [leaf, authority, root] = platform.path;
  const signers: ParsedCertificate[] = [];
  const read = (rules: StatementRules) => {
    try {
      return checkStatement(list, input, rules, signers);
    } catch (cause) {
      if (!isCocoError(cause)) throw cause;
      list.add(rules.name, false, cause.message, "CollateralIssuerInvalid");
      return undefined;
    }
  };
  const tcbInfo = read({
    name: "tcb info",
    statement: collateral.tcbInfo,
    invalidCode: "TcbInfoInvalid",
    expiredCode: "TcbInfoExpired",
  });
  const qeIdentity = read({
    name: "qe identity",
    statement: collateral.qeIdentity,
    invalidCode: "QeIdentityInvalid",
    expiredCode: "QeIdentityExpired",
  });
  checkRevocation(list, {
    name: "root crl",
    der: collateral.rootCrl,
    issuer: root!,
    certificates: [authority!, ...signers],
    crypto,
    nowMs,
    invalidCode: "RootCrlInvalid",
    expiredCode: "RootCrlExpired",
  });
  checkRevocation(list, {
    name: "pck crl",
    der: collateral.pckCrl,
    issuer: authority!,
    certificates: [leaf!],
    crypto,
    nowMs,
    invalidCode: "PckCrlInvalid",
    expiredCode: "PckCrlExpired",
  });
  return tcbInfo === undefined || qeIdentity === undefined ? undefined : { tcbInfo, qeIdentity };
}

/** Lower-case hex. */
export function fmspcToText(platform: CheckedPlatform): string {
  return bytesToHex(platform.facts.fmspc);
}

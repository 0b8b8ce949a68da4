/**
 * Tokens of Microsoft Azure Attestation: the service has verified evidence and says so in a JWT.
 * The keys of the service come from the verifier (collateral `jwks:<issuer>` or `jwks`), never from
 * the token. @source RFC 7515, RFC 7517, RFC 7519
 */
import {
  base64ToBytes,
  bytesToLatin1,
  bytesToUtf8,
  hexToBytes,
  isCocoError,
  parseCertificate,
  utf8ToBytes,
} from "@coco/base";
import { attempt } from "../attempt.ts";
import { teeErrors } from "../errors.ts";
import { type EvidenceFormat, evidenceFormats, type TeePlatform } from "../evidence.ts";
import { rsaToPublicKey } from "../tpm/tpm-quote.ts";
import {
  CheckList,
  type Claims,
  type EvidenceVerifier,
  type VerificationInput,
  type VerificationResult,
} from "../verification.ts";
import { isSigned, msToText } from "../x509/certificate-path.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Token {
  readonly keyId: string;
  readonly claims: Fields;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

function fail(detail: string): never {
  throw teeErrors.create("EvidenceMalformed", `token: ${detail}`);
}

function toFields(value: unknown, what: string): Fields {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Fields) : fail(`${what} is no object`);
}

function partToFields(part: string, what: string): Fields {
  try {
    return toFields(JSON.parse(bytesToUtf8(base64ToBytes(part))), what);
  } catch (cause) {
    return fail(`${what}: ${cause instanceof Error ? cause.message : "not readable"}`);
  }
}

/** @throws {CocoError} EvidenceMalformed */
export function bytesToToken(bytes: Uint8Array): Token {
  const text = bytesToLatin1(bytes).trim();
  const [header = "", payload = "", signature = "", ...rest] = text.split(".");
  const isJwt = [header, payload, signature].every((part) => /^[A-Za-z0-9_-]+$/.test(part));
  if (!isJwt || rest.length > 0) return fail("not three parts of base64url");
  const { alg, typ, kid, crit } = partToFields(header, "header");
  if (alg !== "RS256") return fail(`algorithm ${String(alg).slice(0, 20)}`);
  if (typ !== undefined && typ !== "JWT") return fail("it is no JWT");
  if (crit !== undefined) return fail("an unknown critical header");
  if (typeof kid !== "string") return fail("kid is missing");
  return {
    keyId: kid,
    claims: partToFields(payload, "payload"),
    signedBytes: utf8ToBytes(`${header}.${payload}`),
    signature: base64ToBytes(signature),
  };
}

/** The key with that id: from its certificate, else from modulus and exponent. */
function findKey(jwks: Uint8Array, keyId: string, nowMs: number): Uint8Array | undefined {
  const { keys } = partOrJson(jwks);
  if (!Array.isArray(keys)) return fail("the issuer's keys are no list");
  const found = (keys as readonly unknown[]).map((key) => toFields(key, "a key"));
  const key = found.find(({ kid }) => kid === keyId);
  if (key === undefined) return undefined;
  const [first] = Array.isArray(key["x5c"]) ? (key["x5c"] as readonly unknown[]) : [];
  if (typeof first === "string") {
    const { notBeforeMs, notAfterMs, publicKey } = parseCertificate(base64ToBytes(first));
    return notBeforeMs <= nowMs && nowMs <= notAfterMs ? publicKey : undefined;
  }
  const { n, e } = key;
  if (typeof n !== "string" || typeof e !== "string") return undefined;
  return rsaToPublicKey(base64ToBytes(n), base64ToBytes(e));
}

function partOrJson(bytes: Uint8Array): Fields {
  try {
    return toFields(JSON.parse(bytesToUtf8(bytes)), "the issuer's keys");
  } catch {
    return fail("the issuer's keys are no JSON");
  }
}

/** Which claims mean what, by kind of attestation. */
interface ClaimNames {
  readonly platform: TeePlatform;
  readonly measurement: string;
  readonly reportData: string;
  readonly debug: string;
  /** What `debug` says when nobody can look inside. */
  readonly plain: false | 0;
  readonly hostData?: string;
  readonly signer?: string;
}

const claimNames: Readonly<Record<string, ClaimNames>> = {
  sevsnpvm: {
    platform: "snp",
    measurement: "x-ms-sevsnpvm-launchmeasurement",
    reportData: "x-ms-sevsnpvm-reportdata",
    debug: "x-ms-sevsnpvm-is-debuggable",
    plain: false,
    hostData: "x-ms-sevsnpvm-hostdata",
    signer: "x-ms-sevsnpvm-idkeydigest",
  },
  sgx: {
    platform: "sgx",
    measurement: "x-ms-sgx-mrenclave",
    reportData: "x-ms-sgx-report-data",
    debug: "x-ms-sgx-is-debuggable",
    plain: false,
    signer: "x-ms-sgx-mrsigner",
  },
  tdxvm: {
    platform: "tdx",
    measurement: "tdx_mrtd",
    reportData: "tdx_report_data",
    debug: "tdx_td_attributes_debug",
    plain: false,
    hostData: "tdx_mrconfigid",
  },
  tpm: {
    platform: "vsm",
    measurement: "enclaveUniqueId",
    reportData: "rp_data",
    debug: "enclaveFlags",
    plain: 0,
    signer: "enclaveAuthorId",
  },
};

/** The claims about the isolated part: an Azure VM's token nests them. */
function toIsolation(claims: Fields): { readonly kind: string; readonly fields: Fields } {
  const kind = String(claims["x-ms-attestation-type"]);
  if (kind !== "azurevm") return { kind: kind === "vbs" ? "tpm" : kind, fields: claims };
  const nested = toFields(claims["x-ms-isolation-tee"], "x-ms-isolation-tee");
  return { kind: String(nested["x-ms-attestation-type"]), fields: nested };
}

/** Which format a token belongs to; undefined for kinds that prove no isolation. */
export function tokenToFormat(bytes: Uint8Array): EvidenceFormat | undefined {
  try {
    const { kind } = toIsolation(bytesToToken(bytes).claims);
    return (Object.keys(evidenceFormats) as EvidenceFormat[]).find(
      (format) => format.endsWith("_MAA") && evidenceFormats[format] === claimNames[kind]?.platform,
    );
  } catch (cause) {
    if (isCocoError(cause)) return undefined;
    throw cause;
  }
}

function toReportData(value: unknown): Uint8Array {
  const padded = new Uint8Array(64);
  if (typeof value !== "string" || value.length > 256) return padded;
  const bytes = /^([0-9a-fA-F]{2})+$/.test(value) ? hexToBytes(value) : base64ToBytes(value);
  if (bytes.length > 64) return fail("the report data is longer than 64 bytes");
  padded.set(bytes);
  return padded;
}

function toClaims(input: VerificationInput, names: ClaimNames, token: Token, fields: Fields) {
  const text = (name: string | undefined) => {
    const value = name === undefined ? undefined : fields[name];
    return typeof value === "string" && value.length <= 512 ? value.toLowerCase() : undefined;
  };
  const measurement = text(names.measurement) ?? text("enclaveImageId");
  if (measurement === undefined) return fail(`${names.measurement} is missing`);
  const signer = text(names.signer);
  const flat = Object.entries(fields).filter(([, value]) =>
    ["string", "number", "boolean"].includes(typeof value),
  ) as [string, string | number | boolean][];
  const claims: Claims = {
    platform: names.platform,
    format: input.evidence.format,
    isHardware: true,
    isDebug: fields[names.debug] !== names.plain,
    measurement,
    hostData: text(names.hostData),
    reportData: toReportData(fields[names.reportData]),
    ...(signer === undefined ? {} : { signer }),
    details: {
      // First what the token says, then what must not be overwritten by it.
      ...Object.fromEntries(flat.slice(0, 128)),
      issuer: String(token.claims["iss"]),
      policyHash: String(token.claims["x-ms-policy-hash"] ?? ""),
      // The service has judged the machine's settings and TCB, by its own baseline.
      profile: names.platform === "tdx" ? "azure-attestation" : "none",
    },
  };
  return names.platform === "tdx" || names.platform === "sgx"
    ? { ...claims, tcbStatus: "JudgedByIssuer" }
    : claims;
}

/** Settings that a VBS token has to vouch for, one by one. */
const vbsClaims: readonly string[] = [
  "aikValidated",
  "secureBootEnabled",
  "iommuEnabled",
  "bootDebuggingDisabled",
  "notSafeMode",
  "notWinPE",
  "vbsEnabled",
  "vbsReportPresent",
];

function checkTimes(list: CheckList, claims: Fields, nowMs: number): void {
  const [from, to] = [claims["nbf"] ?? claims["iat"], claims["exp"]].map((value) =>
    typeof value === "number" && value > 0 && value < 1e11 ? value * 1000 : Number.NaN,
  );
  const isDated = Number.isFinite(from) && Number.isFinite(to);
  const isCurrent = isDated && from! <= nowMs && nowMs < to!;
  const period = isDated ? `${msToText(from!)} to ${msToText(to!)}` : "no nbf and exp";
  list.add("token validity", isCurrent, period, "TokenExpired");
}

function verify(input: VerificationInput): VerificationResult {
  const list = new CheckList();
  const { evidence, collateral, crypto, nowMs } = input;
  const platform = evidenceFormats[evidence.format];
  const token = attempt(list, "layout", () => bytesToToken(evidence.quote));
  if (token === undefined) return list.toResult(platform, undefined);
  const issuer = token.claims["iss"];
  const isNamed = typeof issuer === "string" && issuer.startsWith("https://");
  list.add("issuer", isNamed, String(issuer).slice(0, 200), "EvidenceMalformed");
  const jwks = collateral?.get(`jwks:${String(issuer)}`) ?? collateral?.get("jwks");
  const shown = jwks === undefined ? "no keys of this issuer were given" : "given by the verifier";
  const isTrusted = list.add("issuer keys", jwks !== undefined, shown, "TokenIssuerNotTrusted");
  const find = () => (isTrusted ? findKey(jwks!, token.keyId, nowMs) : undefined);
  const key = attempt(list, "issuer keys", find, "TokenIssuerNotTrusted");
  const isGenuine =
    key !== undefined &&
    isSigned(() => crypto.verify("RS256", key, token.signedBytes, token.signature));
  list.add("signature", isGenuine, `key ${token.keyId.slice(0, 60)}`, "TokenInvalid");
  checkTimes(list, token.claims, nowMs);
  const claims = attempt(list, "claims", () => {
    const { kind, fields } = toIsolation(token.claims);
    const names = claimNames[kind];
    const isKind = names?.platform === platform;
    list.add("attestation type", isKind, kind.slice(0, 40), "EvidenceMalformed");
    if (names === undefined || !isKind) return undefined;
    for (const name of platform === "vsm" ? vbsClaims : []) {
      list.add(name, fields[name] === true, String(fields[name]), "BootStateRefused");
    }
    return toClaims(input, names, token, fields);
  });
  if (claims !== undefined) list.checkDebug(claims, input);
  return list.toResult(platform, claims);
}

export const maaVerifier: EvidenceVerifier = {
  platform: "vsm",
  formats: ["Microsoft_VBS_MAA", "Microsoft_SNP_MAA", "Microsoft_SGX_MAA", "Microsoft_TDX_MAA"],
  verify,
};

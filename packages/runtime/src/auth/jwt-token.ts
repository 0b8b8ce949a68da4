/** JSON Web Tokens as text: bounded parsing, before anything is believed. @source RFC 7519, 7515 */
import { base64ToBytes, bytesToUtf8, type SignatureAlgorithm, utf8ToBytes } from "@coco/base";
import { isRecord } from "../endpoints/stored-endpoint.ts";

/** CCF knows RS256 and ES256; the others are for issuers that sign with longer hashes or PSS. */
const algorithms = new Set<SignatureAlgorithm>([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
]);

type Fields = Readonly<Record<string, unknown>>;

export interface JwtToken {
  readonly header: Fields;
  readonly payload: Fields;
  readonly algorithm: SignatureAlgorithm;
  readonly kid: string;
  readonly iss: string;
  /** Seconds since 1970. */
  readonly exp: number;
  readonly nbf: number | undefined;
  /** Tenant of a Microsoft Entra issuer. */
  readonly tid: string | undefined;
  /** `header.payload` as it was signed. */
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** Longest token that is looked at, in characters. */
const tokenLengthMax = 64 * 1024;

/** A string is the reason for the refusal, in CCF's words. */
export type JwtParseResult = JwtToken | string;

/** The token inside `Bearer <token>`. The scheme is compared exactly, as CCF does. */
export function authorizationToToken(
  authorization: string | undefined,
): { readonly token: string } | string {
  if (authorization === undefined) return "Missing authorization header";
  const space = authorization.indexOf(" ");
  if (space < 0) return "Authorization header only contains one field";
  if (authorization.slice(0, space) !== "Bearer") {
    return "Authorization header does not have Bearer scheme";
  }
  return { token: authorization.slice(space + 1) };
}

function readJson(part: string): Fields | "json" | "object" {
  let value: unknown;
  try {
    value = JSON.parse(bytesToUtf8(base64ToBytes(part)));
  } catch {
    return "json";
  }
  return isRecord(value) ? value : "object";
}

function readTime(fields: Fields, name: string): number | undefined | "bad" {
  const value = fields[name];
  if (value === undefined) return undefined;
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : "bad";
}

interface Claims {
  readonly iss: string;
  readonly exp: number;
  readonly nbf: number | undefined;
  readonly tid: string | undefined;
}

function readClaims(payload: Fields): Claims | string {
  const { iss, tid } = payload;
  const exp = readTime(payload, "exp");
  const nbf = readTime(payload, "nbf");
  const prefix = "JWT payload is missing required field";
  if (exp === undefined) return `${prefix}: exp`;
  if (exp === "bad") return `${prefix}: exp is not a time`;
  if (typeof iss !== "string") return `${prefix}: iss`;
  if (nbf === "bad") return `${prefix}: nbf is not a time`;
  if (tid !== undefined && typeof tid !== "string") return `${prefix}: tid is not a string`;
  return { iss, exp, nbf, tid };
}

export function parseJwt(token: string): JwtParseResult {
  const parts = token.length <= tokenLengthMax ? token.split(".", 4) : [];
  const [headerText, payloadText, signatureText] = parts;
  if (parts.length !== 3 || headerText === undefined || payloadText === undefined) {
    return "Malformed JWT: must contain exactly 3 parts";
  }
  const header = readJson(headerText);
  const payload = readJson(payloadText);
  if (header === "json" || payload === "json") return "JWT header or payload is not valid JSON";
  if (header === "object" || payload === "object") {
    return "JWT header or payload is not an object";
  }
  const { alg, kid } = header;
  const schema = "JWT header does not follow schema";
  const algorithm = alg as SignatureAlgorithm;
  if (!algorithms.has(algorithm)) return `${schema}: alg is not a supported algorithm`;
  if (typeof kid !== "string") return `${schema}: kid is missing`;
  const claims = readClaims(payload);
  if (typeof claims === "string") return claims;
  let signature: Uint8Array;
  try {
    signature = base64ToBytes(signatureText ?? "");
  } catch {
    return "JWT signature is not base64url";
  }
  const signedBytes = utf8ToBytes(`${headerText}.${payloadText}`);
  return { header, payload, algorithm, kid, ...claims, signedBytes, signature };
}

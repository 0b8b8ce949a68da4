/** Token signing keys of an issuer: what `ccf.setJwtPublicSigningKeys` does. */
import { base64ToBytes, bytesToBase64 } from "@coco/base";
import type { Transaction } from "@coco/store";
import { governanceErrors } from "./errors.ts";
import type { JwtSigningKey } from "./table-values.ts";
import { governanceTables } from "./tables.ts";

/** Turns public keys into DER SubjectPublicKeyInfo. */
export interface PublicKeyReader {
  /** @param jwk an RSA or EC public key. @throws {CocoError} BadKey */
  jwkToSpki(jwk: Readonly<Record<string, unknown>>): Uint8Array;
  /** @throws {CocoError} BadCertificate */
  certificateToSpki(der: Uint8Array): Uint8Array;
}

interface NewKey {
  readonly publicKey: string;
  readonly constraint: string | undefined;
}

const keyCountMax = 1000;

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** Host of an absolute URL, or the empty string. */
function hostOf(url: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:]*)/i.exec(url);
  return match?.[1]?.toLowerCase() ?? "";
}

/** A key may be bound to a host that the issuer's host is, or is a subdomain of. */
function isConstraintAllowed(issuer: string, constraint: string): boolean {
  const allowed = hostOf(constraint);
  const host = hostOf(issuer);
  return allowed !== "" && (host === allowed || host.endsWith(`.${allowed}`));
}

function readKey(jwk: Readonly<Record<string, unknown>>, reader: PublicKeyReader): Uint8Array {
  const isRsa = isText(jwk["n"]) && isText(jwk["e"]);
  const isEc = isText(jwk["x"]) && isText(jwk["y"]) && isText(jwk["crv"]);
  if (isRsa || isEc) return reader.jwkToSpki(jwk);
  const chain = jwk["x5c"];
  const first = Array.isArray(chain) ? chain[0] : undefined;
  if (isText(first)) return reader.certificateToSpki(base64ToBytes(first));
  throw governanceErrors.create("BadJwtKeys", `key ${String(jwk["kid"])} has no public key`);
}

function readKeys(
  issuer: string,
  jwks: unknown,
  reader: PublicKeyReader,
): ReadonlyMap<string, NewKey> {
  const keys = (jwks as { readonly keys?: unknown } | null | undefined)?.keys;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > keyCountMax) {
    throw governanceErrors.create("BadJwtKeys", `keys has to hold 1 to ${keyCountMax} keys`);
  }
  const found = new Map<string, NewKey>();
  for (const jwk of keys as readonly Readonly<Record<string, unknown>>[]) {
    const kid = jwk?.["kid"];
    if (!isText(kid)) throw governanceErrors.create("BadJwtKeys", "a key has no kid");
    const constraint = jwk["issuer"];
    if (isText(constraint) && !isConstraintAllowed(issuer, constraint)) {
      throw governanceErrors.create(
        "BadJwtKeys",
        `key ${kid} is bound to ${constraint}, which is not the host of issuer ${issuer}`,
      );
    }
    const publicKey = bytesToBase64(readKey(jwk, reader));
    const entry = { publicKey, constraint: isText(constraint) ? constraint : undefined };
    if (!found.has(kid)) found.set(kid, entry);
  }
  return found;
}

function withoutIssuer(keys: readonly JwtSigningKey[], issuer: string): readonly JwtSigningKey[] {
  return keys.filter((key) => key.issuer !== issuer);
}

/** Forgets every key of `issuer`; keys of other issuers under the same key id stay. */
export function removeJwtSigningKeys(transaction: Transaction, issuer: string): void {
  const table = governanceTables.jwtSigningKeys.of(transaction);
  for (const [kid, keys] of table.entries()) {
    const rest = withoutIssuer(keys, issuer);
    if (rest.length === keys.length) continue;
    if (rest.length === 0) table.delete(kid);
    else table.set(kid, rest);
  }
}

/**
 * Makes `jwks` the keys of `issuer`: adds and replaces those in it, removes the issuer's others.
 * @throws {CocoError} BadJwtKeys, BadKey, BadCertificate
 */
export function setJwtSigningKeys(
  transaction: Transaction,
  issuer: string,
  jwks: unknown,
  reader: PublicKeyReader,
): void {
  const fresh = readKeys(issuer, jwks, reader);
  const table = governanceTables.jwtSigningKeys.of(transaction);
  for (const [kid, keys] of table.entries()) {
    if (fresh.has(kid)) continue;
    const rest = withoutIssuer(keys, issuer);
    if (rest.length === keys.length) continue;
    if (rest.length === 0) table.delete(kid);
    else table.set(kid, rest);
  }
  for (const [kid, { publicKey, constraint }] of fresh) {
    const value: JwtSigningKey =
      constraint === undefined
        ? { issuer, public_key: publicKey }
        : { constraint, issuer, public_key: publicKey };
    const before = table.get(kid) ?? [];
    const position = before.findIndex((key) => key.issuer === issuer);
    const after = position < 0 ? [...before, value] : before.with(position, value);
    table.set(kid, after);
  }
}

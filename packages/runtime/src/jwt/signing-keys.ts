/** The signing keys of JWT issuers in the store: set, refreshed and removed as CCF does. */
import { bytesToBase64, type Verifier } from "@coco/base";
import { createTypedTable, jsonCodec, type Transaction, textCodec } from "@coco/store";
import { isConstraintOfIssuer } from "../auth/jwt-issuer.ts";
import { requestErrors } from "../request-errors.ts";
import { tableNames } from "../table-names.ts";
import { parseJwks } from "./jwk.ts";

/** One entry under a kid; several issuers may use the same kid. Fields in CCF's order. */
export interface JwtSigningKey {
  readonly constraint?: string | null;
  readonly issuer: string;
  /** Base64 of the DER SubjectPublicKeyInfo. */
  readonly public_key: string;
}

/** How the keys of an issuer are kept up to date. */
export interface JwtIssuerMetadata {
  readonly auto_refresh?: boolean;
  readonly ca_cert_bundle_name?: string;
}

export function jwtSigningKeysTable(transaction: Transaction) {
  return createTypedTable(
    transaction,
    tableNames.jwtSigningKeys,
    textCodec,
    jsonCodec<readonly JwtSigningKey[]>(),
  );
}

export function jwtIssuersTable(transaction: Transaction) {
  return createTypedTable(
    transaction,
    tableNames.jwtIssuers,
    textCodec,
    jsonCodec<JwtIssuerMetadata>(),
  );
}

function isSameKey(left: JwtSigningKey, right: JwtSigningKey): boolean {
  return (
    left.public_key === right.public_key &&
    left.issuer === right.issuer &&
    (left.constraint ?? undefined) === (right.constraint ?? undefined)
  );
}

/** What changed, by kid; a key that is the same as before is not written again. */
export interface JwtKeyChanges {
  readonly written: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Makes `jwks` the whole key set of `issuer`: the host function `ccf.setJwtPublicSigningKeys` and
 * the automatic refresh.
 * @throws {CocoError} BadJwks, and then nothing was written
 */
export function setJwtPublicSigningKeys(
  transaction: Transaction,
  issuer: string,
  jwks: unknown,
  verifier: Verifier,
): JwtKeyChanges {
  const keys = parseJwks(jwks, verifier);
  for (const { kid, constraint } of keys) {
    if (constraint !== undefined && !isConstraintOfIssuer(issuer, constraint)) {
      const detail = `key ${kid.slice(0, 80)}: its issuer constraint is of another domain`;
      throw requestErrors.create("BadJwks", detail, { issuer, constraint });
    }
  }
  const table = jwtSigningKeysTable(transaction);
  const written: string[] = [];
  for (const { kid, publicKey, constraint } of keys) {
    const key: JwtSigningKey = {
      ...(constraint === undefined ? {} : { constraint }),
      issuer,
      public_key: bytesToBase64(publicKey),
    };
    const before = table.get(kid) ?? [];
    if (before.some((known) => isSameKey(known, key))) continue;
    const at = before.findIndex((known) => known.issuer === issuer);
    table.set(kid, at < 0 ? [...before, key] : before.with(at, key));
    written.push(kid);
  }
  const removed = removeKeys(transaction, issuer, new Set(keys.map((key) => key.kid)));
  return { written, removed };
}

/** Removes every key of `issuer`: `ccf.removeJwtPublicSigningKeys`. */
export function removeJwtPublicSigningKeys(
  transaction: Transaction,
  issuer: string,
): readonly string[] {
  return removeKeys(transaction, issuer, new Set());
}

function removeKeys(
  transaction: Transaction,
  issuer: string,
  kept: ReadonlySet<string>,
): readonly string[] {
  const table = jwtSigningKeysTable(transaction);
  const removed: string[] = [];
  for (const [kid, keys] of [...table.entries()]) {
    if (kept.has(kid) || !keys.some((key) => key.issuer === issuer)) continue;
    const others = keys.filter((key) => key.issuer !== issuer);
    if (others.length > 0) table.set(kid, others);
    else table.delete(kid);
    removed.push(kid);
  }
  return removed;
}

/** Issuers whose keys the node has to fetch regularly. */
export function issuersToRefresh(
  transaction: Transaction,
): readonly { readonly issuer: string; readonly caCertificateBundleName: string | undefined }[] {
  const issuers: { issuer: string; caCertificateBundleName: string | undefined }[] = [];
  for (const [issuer, metadata] of jwtIssuersTable(transaction).entries()) {
    if (metadata.auto_refresh !== true) continue;
    issuers.push({ issuer, caCertificateBundleName: metadata.ca_cert_bundle_name });
  }
  return issuers;
}

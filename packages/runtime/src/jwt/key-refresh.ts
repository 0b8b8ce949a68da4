/**
 * Automatic refresh of signing keys: what the node fetches from an issuer, and what it may write.
 * @source OpenID Connect Discovery 1.0 section 4
 */
import type { Verifier } from "@coco/base";
import type { Transaction } from "@coco/store";
import { urlToParts } from "../auth/jwt-issuer.ts";
import { isRecord } from "../endpoints/stored-endpoint.ts";
import { requestErrors } from "../request-errors.ts";
import { type JwtKeyChanges, jwtIssuersTable, setJwtPublicSigningKeys } from "./signing-keys.ts";

/** Where an issuer publishes its OpenID configuration. */
export function issuerToConfigurationUrl(issuer: string): string {
  return `${issuer}/.well-known/openid-configuration`;
}

export interface OpenidConfiguration {
  /** An https URL. */
  readonly jwksUri: string;
  /** Issuer of tokens; the constraint of every key that names none. */
  readonly issuer: string | undefined;
}

/** Reads the answer of the configuration URL. @throws {CocoError} BadJwks */
export function readOpenidConfiguration(value: unknown): OpenidConfiguration {
  const fields = isRecord(value) ? value : {};
  const { jwks_uri: jwksUri, issuer } = fields;
  const parts = typeof jwksUri === "string" ? urlToParts(jwksUri) : undefined;
  if (typeof jwksUri !== "string" || parts?.scheme !== "https" || parts.host === "") {
    throw requestErrors.create("BadJwks", "the OpenID configuration names no https jwks_uri");
  }
  return { jwksUri, issuer: typeof issuer === "string" ? issuer : undefined };
}

export interface KeyRefresh {
  readonly issuer: string;
  /** The fetched key set. */
  readonly jwks: unknown;
  /** `issuer` of the OpenID configuration. */
  readonly constraint?: string | undefined;
}

function withConstraint(jwks: unknown, constraint: string | undefined): unknown {
  if (constraint === undefined || !isRecord(jwks) || !Array.isArray(jwks["keys"])) return jwks;
  const keys = jwks["keys"].map((key: unknown) =>
    isRecord(key) && (key["issuer"] === undefined || key["issuer"] === null)
      ? { ...key, issuer: constraint }
      : key,
  );
  return { ...jwks, keys };
}

/**
 * Writes a fetched key set, but only for an issuer whose keys the members want refreshed.
 * @throws {CocoError} IssuerNotRefreshed, BadJwks
 */
export function refreshJwtKeys(
  transaction: Transaction,
  refresh: KeyRefresh,
  verifier: Verifier,
): JwtKeyChanges {
  const { issuer, jwks, constraint } = refresh;
  const metadata = jwtIssuersTable(transaction).get(issuer);
  if (metadata === undefined) {
    throw requestErrors.create("IssuerNotRefreshed", `${issuer} is not a valid issuer`);
  }
  if (metadata.auto_refresh !== true) {
    throw requestErrors.create("IssuerNotRefreshed", `${issuer} has no auto_refresh`);
  }
  return setJwtPublicSigningKeys(transaction, issuer, withConstraint(jwks, constraint), verifier);
}

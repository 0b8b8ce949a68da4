/**
 * What a joining node and the service say to each other beside CCF's fields: a challenge that the
 * node's evidence has to quote, and the secrets, encrypted to the key that the evidence came with.
 */
import { base64ToBytes, bytesToBase64, bytesToUtf8, type Crypto, utf8ToBytes } from "@coco/base";
import { openFromTable, sealForTable } from "@coco/store";
import type { HeldLedgerSecret } from "./node-secrets.ts";

/** Only for nodes that the service trusts. */
export interface SharedSecrets {
  /** PKCS#8 PEM. */
  readonly serviceKeyPem: string;
  readonly ledgerSecrets: readonly HeldLedgerSecret[];
}

/** As JSON, in `network_info`. */
export interface NetworkInfo {
  readonly public_only: boolean;
  readonly last_recovered_signed_idx: number;
  readonly service_status: string;
  /** PEM. */
  readonly service_certificate: string;
  readonly endorsed_certificate: string;
  readonly service_subject: string;
  readonly cose_signatures_config: { readonly issuer: string; readonly subject: string };
  /** Transaction that created the service. */
  readonly create_seqno: number;
  /** Base64: an AES-256 key under RSA-OAEP, and the secrets under that key. */
  readonly wrapped_secrets: { readonly key: string; readonly sealed: string };
}

export interface JoinReply {
  readonly node_id: string;
  readonly node_status: "Pending" | "Trusted";
  readonly network_info?: NetworkInfo;
}

/** @param encryptionKey PEM of the RSA key of the node */
export function wrapSecrets(
  crypto: Crypto,
  encryptionKey: string,
  { serviceKeyPem, ledgerSecrets }: SharedSecrets,
): NetworkInfo["wrapped_secrets"] {
  const plain = JSON.stringify({
    service_key: serviceKeyPem,
    ledger_secrets: ledgerSecrets.map(({ version, secret, previousStoredVersion }) => ({
      version,
      secret: bytesToBase64(secret),
      previous_secret_stored_version: previousStoredVersion,
    })),
  });
  const key = crypto.bytes(32);
  const sealed = sealForTable(crypto, key, crypto.bytes(12), utf8ToBytes(plain));
  const wrapped = crypto.wrapRsaOaep(encryptionKey, key);
  key.fill(0);
  return { key: bytesToBase64(wrapped), sealed: bytesToBase64(sealed) };
}

/**
 * @param decryptionKey PEM of the node's RSA key
 * @throws {CocoError} DecryptionFailed, BadSecretRecord
 */
export function unwrapSecrets(
  crypto: Crypto,
  decryptionKey: string,
  { key, sealed }: NetworkInfo["wrapped_secrets"],
): SharedSecrets {
  const secret = crypto.unwrapRsaOaep(decryptionKey, base64ToBytes(key));
  const plain = JSON.parse(bytesToUtf8(openFromTable(crypto, secret, base64ToBytes(sealed)))) as {
    service_key: string;
    ledger_secrets: {
      version: number;
      secret: string;
      previous_secret_stored_version?: number;
    }[];
  };
  return {
    serviceKeyPem: plain.service_key,
    ledgerSecrets: plain.ledger_secrets.map((item) => ({
      version: item.version,
      secret: base64ToBytes(item.secret),
      previousStoredVersion: item.previous_secret_stored_version,
    })),
  };
}

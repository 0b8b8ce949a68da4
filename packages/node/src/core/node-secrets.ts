/**
 * What a node must never lose while its process lives and never writes to disk: its keys, the
 * service's key, the ledger secrets. The supervisor keeps them and hands them to each executor.
 */

import type { CurveName } from "@coco/base/node";
import { generateEncryptionKey, generateSigningKey } from "@coco/base/node";
import type { LedgerSecrets } from "@coco/store";

export interface HeldLedgerSecret {
  /** First seqno that is encrypted with it. */
  readonly version: number;
  /** 32 bytes. */
  readonly secret: Uint8Array;
  /** Seqno of the transaction that stored the secret before it. */
  readonly previousStoredVersion: number | undefined;
}

export interface NodeSecrets {
  /** PKCS#8 PEM, EC. */
  readonly nodeKeyPem: string;
  /** PKCS#8 PEM, RSA: secrets for this node are wrapped to it. */
  readonly nodeEncryptionKeyPem: string;
  readonly nodeEncryptionPublicPem: string;
  /** PKCS#8 PEM, P-384. */
  readonly serviceKeyPem: string;
  /** In order of their versions. */
  readonly ledgerSecrets: readonly HeldLedgerSecret[];
}

/**
 * Fresh keys for a node and for a service.
 * @param ledgerSecrets none when a service is recovered: its first one begins where the old ledger
 *   ends, so the executor that reads the ledger makes it
 */
export function generateNodeSecrets(
  curve: CurveName,
  ledgerSecrets: readonly HeldLedgerSecret[],
): NodeSecrets {
  const encryption = generateEncryptionKey();
  return {
    nodeKeyPem: generateSigningKey(curve).toPem(),
    nodeEncryptionKeyPem: encryption.privatePem,
    nodeEncryptionPublicPem: encryption.publicPem,
    serviceKeyPem: generateSigningKey("secp384r1").toPem(),
    ledgerSecrets,
  };
}

/** As the supervisor keeps them for the next executor. */
export function toHeldSecrets(secrets: LedgerSecrets): readonly HeldLedgerSecret[] {
  return secrets.all().map(({ version, key, previousSecretStoredVersion }) => ({
    version,
    secret: key,
    previousStoredVersion: previousSecretStoredVersion,
  }));
}

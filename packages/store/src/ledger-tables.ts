import type { MapChanges, WriteSet } from "./write-set.ts";

/** Names of the tables that the ledger formats themselves read or write. */
export const ledgerTable = {
  signatures: "public:ccf.internal.signatures",
  coseSignatures: "public:ccf.internal.cose_signatures",
  tree: "public:ccf.internal.tree",
  nodes: "public:ccf.gov.nodes.info",
  endorsedCertificates: "public:ccf.gov.nodes.endorsed_certificates",
  service: "public:ccf.gov.service.info",
  configuration: "public:ccf.gov.service.config",
  snapshotEvidence: "public:ccf.internal.snapshot_evidence",
  recoveryShares: "public:ccf.internal.recovery_shares",
  historicalSecret: "public:ccf.internal.historical_encrypted_ledger_secret",
  encryptedSecrets: "public:ccf.internal.encrypted_ledger_secrets",
  previousIdentity: "public:ccf.internal.previous_service_identity_endorsement",
} as const;

/** Key of the only row of a table with one value: 8 zero bytes. */
export const singletonKey: Uint8Array = new Uint8Array(8);

export function isSingletonKey(key: Uint8Array): boolean {
  return key.length === 8 && key.every((byte) => byte === 0);
}

export function findMap(writeSet: WriteSet, name: string): MapChanges | undefined {
  for (const map of writeSet.maps) if (map.name === name) return map;
  return undefined;
}

/** The value written to a table with one value; undefined when it was not written. */
export function findSingleton(writeSet: WriteSet, name: string): Uint8Array | undefined {
  for (const [key, value] of findMap(writeSet, name)?.writes ?? []) {
    if (isSingletonKey(key)) return value;
  }
  return undefined;
}

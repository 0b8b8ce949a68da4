import { type CocoError, type Crypto, isCocoError } from "@coco/base";
import { ChunkReader, type LedgerFile } from "./chunk-reader.ts";
import { checkCommitEvidence, decryptEntry } from "./entry-decryption.ts";
import { ledgerErrors } from "./errors.ts";
import { integerField, parseJsonRecord } from "./json-record.ts";
import { type AuditReport, auditLedger, withPlace } from "./ledger-audit.ts";
import { orderLedgerFiles } from "./ledger-directory.ts";
import { decodeLedgerEntry } from "./ledger-entry.ts";
import { LedgerSecrets } from "./ledger-secrets.ts";
import { findSingleton, ledgerTable } from "./ledger-tables.ts";
import {
  type HistoricalSecretRecord,
  openShare,
  type RecoverySharesRecord,
  readHistoricalSecret,
  readRecoveryShares,
  recoverLatestSecret,
  recoverSecretChain,
} from "./secret-records.ts";
import type { Share } from "./secret-sharing.ts";
import type { TxId } from "./tx-id.ts";
import { decodeWriteSet, type WriteSet } from "./write-set.ts";

/** A transaction with both its parts in clear. */
export interface DecryptedTransaction {
  readonly txId: TxId;
  readonly publicWriteSet: WriteSet;
  readonly privateWriteSet: WriteSet;
  readonly claimsDigest: Uint8Array | undefined;
}

export interface DecryptOptions {
  readonly crypto: Crypto;
  /** PEM, private encryption keys of members. */
  readonly memberEncryptionKeys: readonly string[];
  /** PEM: the ledger must belong to this service. */
  readonly serviceCertificate?: string | undefined;
  /** Called for each transaction in order. */
  readonly onTransaction?: ((transaction: DecryptedTransaction) => void) | undefined;
}

export interface DecryptReport {
  /** Number of participants' shares that the service needs. */
  readonly threshold: number;
  readonly sharesUsed: number;
  readonly ledgerSecrets: number;
  readonly transactions: number;
  /** Transactions whose private part (even an empty one) was decrypted and authenticated. */
  readonly privateDecrypted: number;
  /** Transactions whose commit evidence was derived again; older formats have none. */
  readonly commitEvidenceChecked: number;
  readonly audit: AuditReport;
}

/** What the public part of a ledger says about its secrets. */
export interface SecretRecords {
  readonly shares: RecoverySharesRecord | undefined;
  readonly historical: readonly HistoricalSecretRecord[];
  readonly threshold: number;
}

/** Collects, transaction by transaction, what a recovery needs to know. */
export class SecretRecordCollector implements SecretRecords {
  shares: RecoverySharesRecord | undefined;
  readonly historical: HistoricalSecretRecord[] = [];
  threshold = 0;

  /** @throws {CocoError} BadSecretRecord */
  apply(writeSet: WriteSet, seqno: number): void {
    const shares = findSingleton(writeSet, ledgerTable.recoveryShares);
    if (shares !== undefined) this.shares = readRecoveryShares(shares);
    const historical = findSingleton(writeSet, ledgerTable.historicalSecret);
    if (historical !== undefined) this.historical.push(readHistoricalSecret(historical, seqno));
    const configuration = findSingleton(writeSet, ledgerTable.configuration);
    if (configuration === undefined) return;
    const fail = (detail: string) => ledgerErrors.create("BadSecretRecord", detail);
    const record = parseJsonRecord(configuration, fail);
    if (Object.hasOwn(record, "recovery_threshold")) {
      this.threshold = integerField(record, "recovery_threshold", fail);
    }
  }
}

/**
 * Finds the shares that the given private keys open. Which key belongs to which member is not
 * written on a key, so each is tried on each share.
 */
function openShares(
  crypto: Crypto,
  record: RecoverySharesRecord,
  keys: readonly string[],
): Share[] {
  const shares: Share[] = [];
  for (const encrypted of record.encryptedShares.values()) {
    for (const key of keys) {
      try {
        const share = openShare(crypto, key, encrypted);
        if (!shares.some(({ x }) => x === share.x)) shares.push(share);
        break;
      } catch (cause) {
        if (!isCocoError(cause)) throw cause;
      }
    }
  }
  return shares;
}

/**
 * Recovers all ledger secrets from members' private encryption keys.
 * @throws {CocoError} NotEnoughShares, BadShare, BadSecretRecord
 */
export function recoverSecrets(
  crypto: Crypto,
  records: SecretRecords,
  memberEncryptionKeys: readonly string[],
): { readonly secrets: LedgerSecrets; readonly sharesUsed: number } {
  if (records.shares === undefined) {
    throw ledgerErrors.create("BadSecretRecord", "the ledger has no recovery shares");
  }
  const shares = openShares(crypto, records.shares, memberEncryptionKeys);
  const threshold = Math.max(1, records.threshold);
  const latest = recoverLatestSecret(crypto, records.shares, shares, threshold);
  const chain = recoverSecretChain(crypto, latest.key, records.historical);
  return { secrets: new LedgerSecrets(crypto, chain), sharesUsed: latest.sharesUsed };
}

/**
 * Verifies a ledger, recovers its secrets from members' keys, and decrypts every transaction.
 * @throws {CocoError} naming the file, the offset and the sequence number
 */
export function decryptLedger(files: Iterable<LedgerFile>, options: DecryptOptions): DecryptReport {
  const { crypto } = options;
  const list = [...files];
  const records = new SecretRecordCollector();
  const audit = auditLedger(list, {
    crypto,
    serviceCertificate: options.serviceCertificate,
    onTransaction: ({ writeSet, entry }) => records.apply(writeSet, entry.txId.seqno),
  });
  const { secrets, sharesUsed } = recoverSecrets(crypto, records, options.memberEncryptionKeys);
  let privateDecrypted = 0;
  let commitEvidenceChecked = 0;
  for (const { file } of orderLedgerFiles(list).chunks) {
    for (const place of new ChunkReader(file).entries()) {
      try {
        const entry = decodeLedgerEntry(place.bytes);
        const privateWriteSet = decryptEntry(crypto, entry, secrets);
        privateDecrypted++;
        if (checkCommitEvidence(entry, secrets)) commitEvidenceChecked++;
        options.onTransaction?.({
          txId: entry.txId,
          publicWriteSet: decodeWriteSet(entry.publicDomain, "public", entry.mapsOffset),
          privateWriteSet,
          claimsDigest: entry.claimsDigest,
        });
      } catch (cause) {
        throw isCocoError(cause) ? withPlace(cause as CocoError, place) : cause;
      }
    }
  }
  return {
    threshold: records.threshold,
    sharesUsed,
    ledgerSecrets: secrets.count,
    transactions: audit.transactions,
    privateDecrypted,
    commitEvidenceChecked,
    audit,
  };
}

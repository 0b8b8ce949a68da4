/** What governance asks of the node: ledger secrets, recovery shares, certificates, the ledger. */
import type { Crypto } from "@coco/base";
import type { SigningKey } from "@coco/base/node";
import {
  beginServiceOpening,
  clearSubmittedShares,
  governanceTables,
  markServiceOpen,
  type NodeServices,
  planRecoveryShares,
  type RecoveryServices,
} from "@coco/governance";
import {
  createHistoricalSecret,
  createNodeSecrets,
  createRecoveryShares,
  type LedgerSecret,
  type LedgerSecrets,
  type LedgerWriter,
  ledgerTable,
  type RecoveryMember,
  sealForTable,
  singletonKey,
  type Transaction,
} from "@coco/store";
import type { CertificateServices } from "./certificate-services.ts";
import { nodeErrors } from "./errors.ts";
import { endorseIdentity } from "./identity-endorsement.ts";
import type { ServiceRecovery } from "./service-recovery.ts";

export interface NodeServiceOptions {
  readonly crypto: Crypto;
  readonly secrets: LedgerSecrets;
  readonly writer: () => LedgerWriter;
  readonly serviceKey: SigningKey;
  readonly certificates: CertificateServices;
  readonly recovery: () => ServiceRecovery;
  readonly nowMs: () => number;
  /** A new ledger secret is in force: the supervisor has to keep it. */
  readonly onSecretsChanged: () => void;
  readonly onSnapshotRequested: () => void;
}

export class CoreNodeServices implements NodeServices, RecoveryServices {
  readonly #options: NodeServiceOptions;

  constructor(options: NodeServiceOptions) {
    this.#options = options;
  }

  /** The new secret comes into force with the transaction after this one. */
  triggerLedgerRekey(transaction: Transaction): void {
    this.#assertRecovered();
    const { crypto, secrets, onSecretsChanged } = this.#options;
    const previousSecretStoredVersion = transaction
      .table(ledgerTable.historicalSecret)
      .versionOf(singletonKey);
    const previous = this.#latest();
    // Its version is the next seqno, which is known only when this transaction has its own.
    const next: LedgerSecret = { version: 0, key: crypto.bytes(32), previousSecretStoredVersion };
    const nodes = new Map<string, string>();
    for (const [nodeId, info] of governanceTables.nodeInfo.of(transaction).entries()) {
      if (info.status === "Trusted") nodes.set(nodeId, info.encryption_pub_key);
    }
    const sent = createNodeSecrets({ wrap: crypto, nodes, secrets: [next], isRekey: true });
    put(transaction, ledgerTable.encryptedSecrets, sent);
    put(transaction, ledgerTable.recoveryShares, this.#createShares(transaction, next));
    const historical = { crypto, latest: next, previous, previousSecretStoredVersion };
    put(transaction, ledgerTable.historicalSecret, createHistoricalSecret(historical));
    transaction.afterCommit((seqno) => {
      secrets.add({ ...next, version: seqno + 1 });
      onSecretsChanged();
    });
  }

  transitionServiceToOpen(
    transaction: Transaction,
    previous: string | undefined,
    next: string,
  ): void {
    if (beginServiceOpening(transaction, previous, next) !== "open") return;
    const { crypto } = this.#options;
    const latest = this.#latest();
    put(transaction, ledgerTable.recoveryShares, this.#createShares(transaction, latest));
    const historical = createHistoricalSecret({ crypto, latest, nextVersion: latest.version });
    put(transaction, ledgerTable.historicalSecret, historical);
    endorseIdentity(transaction, this.#options.serviceKey, this.#options.nowMs());
    markServiceOpen(transaction);
  }

  /**
   * Opens a service whose private ledger was read: shares of the new secret, which now opens the
   * old ones too, and the endorsement of the former identity.
   * @throws {CocoError} TooFewRecoveryMembers, BadServiceState, StartFailed
   */
  openRecoveredService(transaction: Transaction): void {
    const { crypto, secrets, serviceKey, nowMs, onSecretsChanged } = this.#options;
    const latest = this.#latest();
    const previous = secrets.all().at(-2);
    clearSubmittedShares(transaction);
    put(transaction, ledgerTable.recoveryShares, this.#createShares(transaction, latest));
    const previousSecretStoredVersion = transaction
      .table(ledgerTable.historicalSecret)
      .versionOf(singletonKey);
    const nextVersion = latest.version;
    const record = { crypto, latest, previous, previousSecretStoredVersion, nextVersion };
    put(transaction, ledgerTable.historicalSecret, createHistoricalSecret(record));
    endorseIdentity(transaction, serviceKey, nowMs());
    markServiceOpen(transaction);
    this.triggerLedgerChunk(transaction);
    transaction.afterCommit((seqno) => {
      secrets.recordStored(latest.version, seqno);
      onSecretsChanged();
    });
  }

  triggerRecoverySharesRefresh(transaction: Transaction): void {
    this.#assertRecovered();
    const shares = this.#createShares(transaction, this.#latest());
    put(transaction, ledgerTable.recoveryShares, shares);
  }

  triggerLedgerChunk(transaction: Transaction): void {
    transaction.afterCommit(() => this.#options.writer().requestChunkEnd());
  }

  triggerSnapshot(transaction: Transaction): void {
    transaction.afterCommit(() => {
      this.#options.writer().requestChunkEnd();
      this.#options.onSnapshotRequested();
    });
  }

  latestLedgerSecretSeqno(): number {
    return this.#latest().version;
  }

  generateEndorsedCertificate(request: string, validFrom: string, validityDays: number): string {
    const { certificates } = this.#options;
    return certificates.generateEndorsedCertificate(request, validFrom, validityDays);
  }

  generateNetworkCertificate(validFrom: string, validityDays: number): string {
    return this.#options.certificates.generateNetworkCertificate(validFrom, validityDays);
  }

  isReadingPrivateLedger(): boolean {
    return this.#options.recovery().isReading;
  }

  sealSubmittedShare(_transaction: Transaction, share: Uint8Array): Uint8Array {
    const { crypto } = this.#options;
    return sealForTable(crypto, this.#latest().key, crypto.bytes(12), share);
  }

  initiatePrivateRecovery(transaction: Transaction): void {
    this.#options.recovery().initiate(transaction);
  }

  /** Shares of the new secret would take the place of those that open the old ledger. */
  #assertRecovered(): void {
    if (!this.#options.recovery().isDone) throw nodeErrors.create("StillRecovering");
  }

  #latest(): LedgerSecret {
    const latest = this.#options.secrets.latest();
    if (latest === undefined) throw nodeErrors.create("StartFailed", "there is no ledger secret");
    return latest;
  }

  #createShares(transaction: Transaction, latest: LedgerSecret): Uint8Array {
    const { participants, owners, threshold } = planRecoveryShares(transaction);
    const toMember =
      (role: RecoveryMember["role"]) =>
      ([memberId, encryptionPublicKey]: readonly [string, string]): RecoveryMember => ({
        memberId,
        encryptionPublicKey,
        role,
      });
    const members = [
      ...participants.map(toMember("Participant")),
      ...owners.map(toMember("Owner")),
    ];
    return createRecoveryShares({ crypto: this.#options.crypto, latest, members, threshold });
  }
}

function put(transaction: Transaction, table: string, value: Uint8Array): void {
  transaction.table(table).set(singletonKey, value);
}

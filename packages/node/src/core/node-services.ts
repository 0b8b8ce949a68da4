/** What governance asks of the node: ledger secrets, recovery shares, certificates, the ledger. */
import { bytesToBase64, type Crypto, signCoseSign1 } from "@coco/base";
import type { SigningKey } from "@coco/base/node";
import {
  beginServiceOpening,
  governanceTables,
  internalTables,
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

export interface NodeServiceOptions {
  readonly crypto: Crypto;
  readonly secrets: LedgerSecrets;
  readonly writer: () => LedgerWriter;
  readonly serviceKey: SigningKey;
  readonly certificates: CertificateServices;
  readonly nowMs: () => number;
  /** A new ledger secret is in force: the supervisor has to keep it. */
  readonly onSecretsChanged: () => void;
  readonly onSnapshotRequested: () => void;
}

/** Label of CWT claims and of issued-at in a COSE header. @source RFC 9597, RFC 8392 */
const cwtClaims = 15;
const issuedAt = 6;

export class CoreNodeServices implements NodeServices, RecoveryServices {
  readonly #options: NodeServiceOptions;

  constructor(options: NodeServiceOptions) {
    this.#options = options;
  }

  /** The new secret comes into force with the transaction after this one. */
  triggerLedgerRekey(transaction: Transaction): void {
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
    this.#endorseOwnIdentity(transaction);
    markServiceOpen(transaction);
  }

  triggerRecoverySharesRefresh(transaction: Transaction): void {
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
    return false;
  }

  sealSubmittedShare(_transaction: Transaction, share: Uint8Array): Uint8Array {
    const { crypto } = this.#options;
    return sealForTable(crypto, this.#latest().key, crypto.bytes(12), share);
  }

  initiatePrivateRecovery(): void {
    throw nodeErrors.create("NotRecovering");
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

  /** The first link of the chain that later recoveries extend: the identity endorses itself. */
  #endorseOwnIdentity(transaction: Transaction): void {
    const { serviceKey, nowMs } = this.#options;
    const begin = governanceTables.serviceInfo.get(transaction)?.current_service_create_txid;
    if (begin === undefined)
      throw nodeErrors.create("StartFailed", "the service has no create txid");
    const headers = new Map<number | string, Map<number | string, number | string>>([
      [cwtClaims, new Map([[issuedAt, Math.floor(nowMs() / 1000)]])],
      ["ccf.v1", new Map([["epoch.start.txid", begin]])],
    ]);
    const payload = serviceKey.publicKey;
    const endorsement = signCoseSign1({ signer: serviceKey, headers, payload });
    internalTables.previousIdentityEndorsement.set(transaction, {
      endorsement: bytesToBase64(endorsement),
      endorsement_epoch_begin: begin,
      endorsing_key: bytesToBase64(serviceKey.publicKey),
    });
  }
}

function put(transaction: Transaction, table: string, value: Uint8Array): void {
  transaction.table(table).set(singletonKey, value);
}

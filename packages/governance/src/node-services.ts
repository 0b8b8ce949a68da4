/** What governance asks of the node. */
import type { Transaction } from "@coco/store";

/** Effects of an accepted proposal. Each throws when the node cannot do it. */
export interface NodeServices {
  /** New ledger secret from the next transaction on, with new recovery shares. */
  triggerLedgerRekey(transaction: Transaction): void;
  /**
   * Opens the service, or lets a recovering one wait for recovery shares.
   * @param previous PEM of the identity before the recovery
   * @param next PEM of the current identity
   */
  transitionServiceToOpen(
    transaction: Transaction,
    previous: string | undefined,
    next: string,
  ): void;
  /** New recovery shares of the current ledger secret. */
  triggerRecoverySharesRefresh(transaction: Transaction): void;
  /** Ends the ledger chunk at the next signature. */
  triggerLedgerChunk(transaction: Transaction): void;
  triggerSnapshot(transaction: Transaction): void;
  /** Seqno from which the newest ledger secret applies. */
  latestLedgerSecretSeqno(transaction: Transaction): number;
  /**
   * Issues a node certificate from the service identity.
   * @param signingRequest PEM
   * @param validFrom `YYYYMMDDHHMMSSZ`, `YYMMDDHHMMSSZ` or ISO 8601
   * @returns PEM
   */
  generateEndorsedCertificate(
    signingRequest: string,
    validFrom: string,
    validityPeriodDays: number,
  ): string;
  /** Renews the service certificate with the same key. @returns PEM */
  generateNetworkCertificate(validFrom: string, validityPeriodDays: number): string;
}

/** What share submission asks of the node. */
export interface RecoveryServices {
  /** True while the private ledger is being read, after enough shares came. */
  isReadingPrivateLedger(): boolean;
  /** Encrypts a share with the current ledger secret: tag(16) | iv(12) | ciphertext. */
  sealSubmittedShare(transaction: Transaction, share: Uint8Array): Uint8Array;
  /**
   * Combines the submitted shares and begins to read the private ledger.
   * @throws {CocoError} when the shares do not fit together
   */
  initiatePrivateRecovery(transaction: Transaction): void;
}

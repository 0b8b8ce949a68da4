/** Recovery shares: what members submit after a disaster until the ledger can be read again. */
import type { Transaction } from "@coco/store";
import { governanceErrors } from "./errors.ts";
import { activeRecoveryMembers } from "./members.ts";
import type { RecoveryServices } from "./node-services.ts";
import { governanceTables, internalTables } from "./tables.ts";

/** Serialised share: u32 x, then ten u32 limbs, all little-endian. */
const shareSizeBytes = 44;

export interface SubmittedShare {
  readonly submittedCount: number;
  readonly threshold: number;
  /** The share was an owner's: x is 0, so it is the whole secret. */
  readonly isFullKey: boolean;
  /** Whether enough is there to read the private ledger. */
  readonly isEnough: boolean;
}

/** The share with x = 0 is the secret itself. */
function isFullKey(share: Uint8Array): boolean {
  return share.length === shareSizeBytes && share.subarray(0, 4).every((byte) => byte === 0);
}

/** Keeps a member's share, sealed. @throws {CocoError} BadRecoveryShare */
export function submitRecoveryShare(
  transaction: Transaction,
  services: RecoveryServices,
  memberId: string,
  share: Uint8Array,
): SubmittedShare {
  if (share.length !== shareSizeBytes) {
    throw governanceErrors.create(
      "BadRecoveryShare",
      `it has ${share.length} bytes instead of ${shareSizeBytes}`,
    );
  }
  const table = internalTables.encryptedSubmittedShares.of(transaction);
  table.set(memberId, services.sealSubmittedShare(transaction, share));
  const submittedCount = table.size;
  const threshold = recoveryThreshold(transaction);
  const fullKey = isFullKey(share);
  const isEnough = fullKey || submittedCount >= threshold;
  return { submittedCount, threshold, isFullKey: fullKey, isEnough };
}

export function clearSubmittedShares(transaction: Transaction): void {
  internalTables.encryptedSubmittedShares.of(transaction).clear();
}

export function recoveryThreshold(transaction: Transaction): number {
  return governanceTables.serviceConfiguration.get(transaction)?.recovery_threshold ?? 0;
}

export interface SharePlan {
  /** Shares to make: one for each participant, and at least one. */
  readonly shareCount: number;
  readonly threshold: number;
  readonly participants: readonly (readonly [memberId: string, publicKey: string])[];
  readonly owners: readonly (readonly [memberId: string, publicKey: string])[];
}

/**
 * Who gets which share when shares are issued now.
 * @throws {CocoError} TooFewRecoveryMembers
 */
export function planRecoveryShares(transaction: Transaction): SharePlan {
  const { participants, owners } = activeRecoveryMembers(transaction);
  const threshold = recoveryThreshold(transaction);
  const refuse = (detail: string): never => {
    throw governanceErrors.create("TooFewRecoveryMembers", detail);
  };
  if (threshold < 1) refuse("the recovery threshold is not set");
  if (participants.length + owners.length === 0) refuse("there is none");
  if (participants.length > 0 && threshold > participants.length) {
    refuse(`the threshold is ${threshold}, active participants are ${participants.length}`);
  }
  if (participants.length === 0 && threshold > 1) {
    refuse(`with owners only the threshold has to be 1, but it is ${threshold}`);
  }
  return { shareCount: Math.max(participants.length, 1), threshold, participants, owners };
}

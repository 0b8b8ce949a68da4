/** How a service opens: the table changes of `transition_service_to_open`. */
import type { Transaction } from "@coco/store";
import { governanceErrors } from "./errors.ts";
import { clearSubmittedShares, planRecoveryShares } from "./recovery.ts";
import type { ServiceInfo } from "./table-values.ts";
import { governanceTables, internalTables } from "./tables.ts";

export type ServiceTransition =
  /** The service is open or waiting already. */
  | "unchanged"
  /** Members have to submit their shares now. */
  | "waitForRecoveryShares"
  /** Recovery shares are to be issued, then `markServiceOpen` is to be called. */
  | "open";

function requireService(transaction: Transaction): ServiceInfo {
  const service = governanceTables.serviceInfo.get(transaction);
  if (service === undefined) throw governanceErrors.create("NoService");
  return service;
}

function checkPreviousIdentity(transaction: Transaction, previous: string | undefined): void {
  const expected = governanceTables.previousServiceIdentity.get(transaction);
  if (expected === undefined || previous === undefined) {
    throw governanceErrors.create(
      "BadServiceIdentity",
      "a recovering service needs the previous and the next service identity",
    );
  }
  if (expected.trim() !== previous.trim()) {
    throw governanceErrors.create("BadServiceIdentity", "the previous identity differs");
  }
}

/**
 * Decides what opening means now, and writes the state of a recovering service.
 * @param previous PEM of the identity before the recovery
 * @param next PEM of the current identity
 * @throws {CocoError} NoService, BadServiceIdentity
 */
export function beginServiceOpening(
  transaction: Transaction,
  previous: string | undefined,
  next: string,
): ServiceTransition {
  const service = requireService(transaction);
  if (service.status === "Open" || service.status === "WaitingForRecoveryShares") {
    return "unchanged";
  }
  if (service.status === "Recovering") checkPreviousIdentity(transaction, previous);
  if (service.cert.trim() !== next.trim()) {
    throw governanceErrors.create("BadServiceIdentity", "the next identity differs");
  }
  if (service.status === "Opening") return "open";
  clearSubmittedShares(transaction);
  const waiting: ServiceInfo = { ...service, status: "WaitingForRecoveryShares" };
  governanceTables.serviceInfo.set(transaction, waiting);
  internalTables.lastRecoveryType.set(transaction, "RECOVERY_SHARES");
  return "waitForRecoveryShares";
}

/** Ends the opening. @throws {CocoError} NoService, BadServiceState, TooFewRecoveryMembers */
export function markServiceOpen(transaction: Transaction): void {
  const service = requireService(transaction);
  planRecoveryShares(transaction);
  if (service.status === "Open") return;
  if (service.status === "Recovering") {
    throw governanceErrors.create("BadServiceState", "recovery shares have not been submitted");
  }
  governanceTables.serviceInfo.set(transaction, { ...service, status: "Open" });
}
